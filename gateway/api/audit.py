"""`/v1/audit`: the ledger's entries, and bundles that verify without us."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydantic import AwareDatetime, BaseModel, Field

from gateway.api.dependencies import Asking, Given

router = APIRouter(tags=["audit"], prefix="/audit")


class NewExport(BaseModel):
    """Which period, and for which regulation profile."""

    since: AwareDatetime
    until: AwareDatetime
    profile: str = Field(default="hipaa", pattern=r"^[a-z0-9-]{1,40}$")


@router.get("/entries")
def entries(given: Given, asking: Asking, after: int = 0, limit: int = 100, since: datetime | None = None) -> dict[str, Any]:
    """The ledger's entries after sequence number `after`, in order."""
    given.enforcer.require(asking, "export", {"type": "audit", "id": "ledger"}, what="read the ledger")
    with given.pool.connection() as connection:
        rows = connection.execute(
            "SELECT seq, entry FROM ledger.entries WHERE seq > %s ORDER BY seq LIMIT %s", (after, min(limit, 1000))
        ).fetchall()
    items = [entry for _, entry in rows]
    return {"items": items, "next": rows[-1][0] if len(rows) == min(limit, 1000) else None}


@router.post("/exports", status_code=201)
def export(body: NewExport, given: Given, asking: Asking) -> dict[str, Any]:
    """A signed bundle of the period's evidence; making it is itself in the ledger, and in the bundle."""
    decision = given.enforcer.require(asking, "export", {"type": "audit", "id": "ledger"}, what="export evidence")
    return given.export_bundle(asking, decision, since=body.since, until=body.until, profile=body.profile)


@router.get("/exports/{name}")
def download(name: str, given: Given, asking: Asking) -> FileResponse:
    """The bundle as one archive."""
    given.enforcer.require(asking, "export", {"type": "audit", "id": "ledger"}, what="download evidence")
    return FileResponse(given.export_archive(name), media_type="application/x-tar", filename=f"{name}.tar")
