"""`/v1/notebook-cells`: which code ran in whose notebook, by its hash, and what it read; no code and no outputs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from compliance.entries import Entry, ObjectRef
from compliance.ledger import append
from gateway.api.dependencies import Asking, Given

router = APIRouter(tags=["notebooks"])
EVENTS = {"started": "cell:started", "ended": "cell:ended"}


class Cell(BaseModel):
    """A cell that is about to run, or has run."""

    event: Literal["started", "ended"]
    kernel: str = Field(max_length=80)
    cell: str = Field(max_length=80)
    code_hash: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    project: str | None = Field(default=None, max_length=63)
    seconds: float | None = Field(default=None, ge=0, le=1e7)
    status: Literal["ok", "error"] | None = None
    snapshots: list[Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]] = Field(default=[], max_length=200)


@router.post("/notebook-cells", status_code=201)
def record(body: Cell, given: Given, asking: Asking) -> dict[str, Any]:
    """The cell is in the ledger as the caller's."""
    if body.project is not None and body.project not in asking.projects:
        resource = {"type": "kernel", "id": body.kernel, "project": body.project}
        given.enforcer.refuse(asking, "run", resource, reason="not_in_project", what="work in this project")
    measured = {"seconds": body.seconds, "status": body.status, "snapshots": body.snapshots} if body.event == "ended" else {}
    with given.pool.connection() as connection:
        identity = append(connection, Entry(
            type=EVENTS[body.event], actor=asking.actor(), object=ObjectRef("kernel", body.kernel, body.code_hash),
            project=body.project, outcome="failed" if body.status == "error" else "done", refs={"cell": body.cell},
            detail=measured, occurred_at=given.clock(),
        ))  # fmt: skip
    return {"id": identity}
