"""The ledger for people: search, the timeline of one identifier, exports, checkpoints."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

from compliance.ledger import last_seq
from compliance.redaction import readers
from compliance.regulations import profile_names
from compliance.search import COLUMNS
from gateway.api import audit as api
from gateway.api.dependencies import Given
from gateway.catalog import exports as catalog
from gateway.composition import Services
from gateway.exporting import NAME
from gateway.web.access import FormInvalid
from gateway.web.rendering import page
from gateway.web.visitors import Acting, Visiting

router = APIRouter(prefix="/audit")

PAGE = 50
LABELS = {
    "type": "Event", "actor": "Who", "project": "Project", "object_type": "Kind of object", "object_id": "Object",
    "outcome": "Outcome",
}  # fmt: skip
IDENTIFIER = re.compile(r"[^\x00-\x1f]{3,200}")


@router.get("")
def search(request: Request, given: Given, who: Visiting, after: int | None = None) -> Response:
    """Entries that agree with every field filled in; with none, the newest."""
    asked = {name: request.query_params.get(name, "").strip()[:200] for name in COLUMNS}
    wanted = {name: value for name, value in asked.items() if value and "\x00" not in value}
    start = min(max(after, 0), 2**62) if after is not None else (0 if wanted else max(0, _size(given) - PAGE))
    found = api.entries(given, who.asking, after=start, limit=PAGE, **wanted)  # type: ignore[arg-type]
    following = f"/web/audit?{urlencode(wanted | {'after': found['next']})}" if found["next"] else None
    return page(
        request, "audit.html", who, items=found["items"], asked=asked, labels=LABELS, following=following, newest=not wanted,
    )  # fmt: skip


@router.get("/timeline")
def timeline(request: Request, given: Given, who: Visiting, id: str = "", after: int = 0) -> Response:
    """Every entry in which one identifier stands: a request, lease, promotion, decision, digest or person."""
    id = id.strip()
    if not IDENTIFIER.fullmatch(id):
        raise FormInvalid("Give an identifier of 3 to 200 characters.")
    found = api.entries(given, who.asking, after=min(max(after, 0), 2**62), limit=200, text=id)
    following = f"/web/audit/timeline?{urlencode({'id': id, 'after': found['next']})}" if found["next"] else None
    return page(request, "timeline.html", who, items=found["items"], id=id, following=following, traced=None)


@router.get("/trace")
def trace(request: Request, given: Given, who: Visiting, id: str = "") -> Response:
    """The identifier followed: also entries that hang together with it without naming it, and the exports that hold them."""
    id = id.strip()
    if not IDENTIFIER.fullmatch(id):
        raise FormInvalid("Give an identifier of 3 to 200 characters.")
    found = api.traced(given, who.asking, id)
    return page(request, "timeline.html", who, items=found["items"], id=id, following=None, traced=found)


@router.get("/exports")
def exports(request: Request, given: Given, who: Visiting) -> Response:
    """What was exported, and the form for another export."""
    found = api.entries(given, who.asking, after=0, limit=1000, type="audit:exported")["items"]
    today = given.clock().date()
    with given.pool.connection() as connection:
        waiting = [one.as_json() for one in catalog.every(connection) if one.state in ("queued", "building")]
    return page(
        request, "exports.html", who, items=[_export(given, entry) for entry in reversed(found)], profiles=profile_names(),
        readers=readers(), waiting=waiting, since=today - timedelta(days=30), until=today,
    )  # fmt: skip


@router.post("/exports")
def export(
    given: Given, who: Acting, since: Annotated[str, Form(max_length=10)] = "", until: Annotated[str, Form(max_length=10)] = "",
    profile: Annotated[str, Form(max_length=40)] = "hipaa", reader: Annotated[str, Form(max_length=40)] = "regulator",
) -> Response:  # fmt: skip
    """A bundle of the days from `since` to the end of `until` is being made, as the API does it."""
    if not re.fullmatch(r"[a-z0-9-]{1,40}", profile):
        raise FormInvalid("There is no such profile.")
    if reader not in readers():
        raise FormInvalid("There is no such reader.")
    body = api.NewExport(since=_day(since), until=_day(until) + timedelta(days=1), profile=profile, reader=reader)
    api.export(body, given, who.asking)
    return RedirectResponse("/web/audit/exports?done=exported", 303)


@router.get("/exports/{name}")
def download(name: str, given: Given, who: Visiting) -> Response:
    """The bundle as one archive."""
    return api.download(name, given, who.asking)


@router.post("/checkpoint")
def checkpoint(given: Given, who: Acting) -> Response:
    """A signed checkpoint of the ledger as it is now, as a file to keep elsewhere."""
    note = api.checkpoint(given, who.asking)
    headers = {"Content-Disposition": 'attachment; filename="sallyport-checkpoint.txt"'}
    return PlainTextResponse(bytes(note.body), headers=headers)


def _export(given: Services, entry: dict[str, Any]) -> dict[str, Any]:
    name = str(entry["object"]["id"])
    there = bool(NAME.fullmatch(name)) and (given.home.folder("exports") / f"{name}.tar").is_file()
    return {"entry": entry, "id": name, "there": there}


def _size(given: Services) -> int:
    with given.pool.connection() as connection:
        return last_seq(connection)


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise FormInvalid("Give both days of the period as YYYY-MM-DD.") from error
