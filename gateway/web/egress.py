"""Egress requests (door 4): ask files out, see what the checks found, review blind, release, fetch."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, Response, UploadFile
from fastapi.responses import FileResponse, RedirectResponse

from gateway.airlock import requests, service
from gateway.api.dependencies import Given, Paging
from gateway.composition import Services
from gateway.identity import Subject
from gateway.web.access import FormInvalid, Text, Word
from gateway.web.rendering import page
from gateway.web.visitors import Acting, Visiting
from sandbox.airlock.states import TRANSITIONS, State

router = APIRouter(prefix="/egress")

ASKING_ROLES = ("data-scientist", "data-steward", "model-validator")
Names = Annotated[list[str] | None, Form()]


@router.get("")
def every(request: Request, given: Given, who: Visiting, wanted: Paging) -> Response:
    """The requests of the visitor's projects, newest first, and the form to make one."""
    with given.pool.connection() as connection:
        found = requests.every(connection, who.asking.projects, page=wanted)
    asks = bool(set(ASKING_ROLES) & set(who.asking.roles))
    older = wanted.next(found, "submitted_at")
    return page(request, "egress.html", who, items=found, older=older, asks=asks, most_mb=service.MOST_BYTES >> 20)


@router.post("")
def submit(
    given: Given, who: Acting, project: Word = "", why: Text = "", files: Annotated[list[UploadFile] | None, File()] = None
) -> Response:
    """The files are held and wait for their checks, as `POST /v1/egress-requests` does it."""
    sent = [(file.filename, file.file) for file in files or () if file.filename]
    if not sent or not why.strip():
        raise FormInvalid("Choose at least one file and say why it is to leave.")
    made = service.submit(given, who.asking, project=project, why=why, files=sent, tables={})
    return RedirectResponse(f"/web/egress/{made.id}?done=egress-asked", 303)


@router.get("/{name}")
def one(request: Request, name: str, given: Given, who: Visiting) -> Response:
    """One request: its files, what was found in them, its history; votes of others once the reviews have ended."""
    found = service.whole(given, who.asking, name)
    return page(request, "egress_request.html", who, found=found, **_offered(given, who.asking, found))


@router.get("/{name}/files/{path:path}")
def file(name: str, path: str, given: Given, who: Visiting) -> Response:
    """A file's bytes, always as a download: a browser must not run what the sandbox wrote."""
    place = service.content(given, who.asking, name, path)
    return FileResponse(place, media_type="application/octet-stream", filename=path.rsplit("/", 1)[-1])


@router.post("/{name}/vote")
def vote(
    name: str, given: Given, who: Acting, say: Word = "", why: Text = "", paths: Names = None, accept: Names = None
) -> Response:
    """The visitor's vote on the chosen files stands, as in the API."""
    if say not in ("approve", "return") or not why.strip() or not paths:
        raise FormInvalid("Choose the files you looked at, say whether they may leave, and why.")
    service.vote(
        given, who.asking, name, role=_reviewer(given), paths=paths, approve=say == "approve", why=why, accepts=accept or []
    )
    return RedirectResponse(f"/web/egress/{name}?done=voted", 303)


@router.post("/{name}/change")
def change(name: str, given: Given, who: Acting, path: Text = "", file: UploadFile | None = None) -> Response:
    """The file has other bytes; votes on the old ones are void and the checks run again, as in the API."""
    if not path or file is None or not file.filename:
        raise FormInvalid("Choose the file that takes the place of the old one.")
    service.change(given, who.asking, name, path, file.file)
    return RedirectResponse(f"/web/egress/{name}?done=egress-changed", 303)


@router.post("/{name}/release")
def release(name: str, given: Given, who: Acting) -> Response:
    """The files may be fetched if policy and the disclosure rules still allow it, as in the API."""
    service.release(given, who.asking, name)
    return RedirectResponse(f"/web/egress/{name}?done=released", 303)


@router.post("/{name}/withdraw")
def withdraw(name: str, given: Given, who: Acting) -> Response:
    """The visitor has taken their request back, as in the API."""
    service.withdraw(given, who.asking, name)
    return RedirectResponse(f"/web/egress/{name}?done=withdrawn", 303)


def _offered(given: Services, asking: Subject, found: dict[str, Any]) -> dict[str, Any]:
    """What the page offers its visitor; what is allowed is decided when it is tried."""
    state, mine = State(found["state"]), found["author"] == asking.id
    mine_voted = {one["file"] for one in found["votes"] if one["by"] == asking.id}
    reviews = not mine and state is State.IN_REVIEW and _reviewer(given) in asking.roles
    return {
        "mine": mine,
        "left": [one for one in found["files"] if one["path"] not in mine_voted] if reviews else [],
        "judged": [one for one in found["findings"] if one["weight"] == "judge"] if reviews else [],
        "reads": state is State.RELEASED or reviews,
        "changes": mine and State.SUBMITTED in TRANSITIONS[state],
        "releases": mine and state is State.APPROVED,
        "withdraws": mine and State.WITHDRAWN in TRANSITIONS[state],
    }


def _reviewer(given: Services) -> str:
    return str(given.policy.engine.bundle.data["roles"]["check_output"])
