"""`/v1/ingress-requests` and `/v1/incoming`: files and packages on their way into the sandbox, by the rules of the way out."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import FileResponse

from gateway.airlock import requests, service
from gateway.airlock.errors import EgressNotFound
from gateway.api.dependencies import Asking, Given, Paging, require_fresh_login
from gateway.api.egress import NewVote
from gateway.composition import Services
from gateway.identity import Subject
from sandbox.airlock.states import Direction

router = APIRouter(tags=["ingress"])


@router.post("/ingress-requests", status_code=201)
def submit(
    given: Given, asking: Asking, project: Annotated[str, Form(max_length=63)],
    why: Annotated[str, Form(min_length=1, max_length=4000)], files: Annotated[list[UploadFile], File()],
) -> dict[str, Any]:  # fmt: skip
    """Files and wheels are held as they are and wait for the checks; nothing of them is installed or run."""
    sent = [(file.filename or "", file.file) for file in files]
    made = service.submit(given, asking, project=project, why=why, files=sent, tables={}, direction=Direction.IN)
    return service.whole(given, asking, made.id)


@router.get("/ingress-requests")
def every(given: Given, asking: Asking, page: Paging) -> dict[str, Any]:
    """The requests of the caller's projects, newest first."""
    with given.pool.connection() as connection:
        found = requests.every(connection, asking.projects, Direction.IN, page)
    return {"items": [one.as_json() for one in found], "next": page.next(found, "submitted_at")}


@router.get("/ingress-requests/{name}")
def one(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """One request: files, findings, history; votes of others once the reviews have ended."""
    return _whole(given, asking, name)


@router.get("/ingress-requests/{name}/files/{path:path}")
def file(name: str, path: str, given: Given, asking: Asking) -> FileResponse:
    """A file's bytes, for its reviewers, and for everybody of the project once admitted."""
    _require_incoming(given, asking, name)
    return FileResponse(service.content(given, asking, name, path), media_type="application/octet-stream")


@router.post("/ingress-requests/{name}/votes")
def vote(name: str, body: NewVote, given: Given, asking: Asking) -> dict[str, Any]:
    """The caller's vote on each file's bytes stands; two complete reviews decide."""
    require_fresh_login(given, asking)
    _require_incoming(given, asking, name)
    service.vote(given, asking, name, role=body.role, paths=body.files, approve=body.approve, why=body.why, accepts=body.accept)
    return service.whole(given, asking, name)


@router.post("/ingress-requests/{name}/admit")
def admit(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """Policy is asked, the ledger says that the files come in, and from then on the project's notebooks have them."""
    _require_incoming(given, asking, name)
    service.release(given, asking, name)
    return service.whole(given, asking, name)


@router.post("/ingress-requests/{name}/withdraw")
def withdraw(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """The author takes the request back; of an admitted one, author or reviewer take the files out of use."""
    _require_incoming(given, asking, name)
    service.withdraw(given, asking, name)
    return service.whole(given, asking, name)


@router.get("/incoming")
def incoming(given: Given, asking: Asking) -> dict[str, Any]:
    """Every file and package that came in to the caller's projects, by digest."""
    with given.pool.connection() as connection:
        return {"items": requests.admitted(connection, asking.projects), "next": None}


def _whole(given: Services, asking: Subject, name: str) -> dict[str, Any]:
    _require_incoming(given, asking, name)
    return service.whole(given, asking, name)


def _require_incoming(given: Services, asking: Subject, name: str) -> None:
    """The request is of this direction. Raises EgressNotFound."""
    if service.visible(given, asking, name).direction is not Direction.IN:
        raise EgressNotFound("There is no such request to come in; `sallyport ingress list` shows those that are.")
