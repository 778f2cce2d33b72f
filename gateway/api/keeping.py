"""`/v1/audit/holds` and `/v1/audit/retention`: what may be deleted when, and what stops it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from compliance.retention import load_classes
from gateway import keeping
from gateway.api.audit import require
from gateway.api.dependencies import Asking, Given
from gateway.catalog import holds

router = APIRouter(tags=["audit"], prefix="/audit")
Name = Annotated[str | None, Field(default=None, min_length=1, max_length=200)]


class NewHold(BaseModel):
    """Why, and over what: all that agrees with every part given; with none, over everything."""

    reason: str = Field(min_length=1, max_length=2000)
    kind: Literal["exports", "predictions", "rows", "snapshots"] | None = None
    project: Name
    dataset: Name
    thing: Name


@router.get("/holds")
def every(given: Given, asking: Asking) -> dict[str, Any]:
    """All legal holds, those that stand first."""
    require(given, asking, "see legal holds")
    with given.pool.connection() as connection:
        return {"items": [hold.as_json() for hold in holds.every(connection)], "next": None}


@router.post("/holds", status_code=201)
def place(body: NewHold, given: Given, asking: Asking) -> dict[str, Any]:
    """A legal hold stands: nothing it covers is deleted until it is lifted."""
    decision = require(given, asking, "place a legal hold")
    with given.pool.connection() as connection:
        made = holds.place(
            connection, reason=body.reason, scope=body.model_dump(exclude={"reason"}), actor=asking.actor(),
            decision_id=decision.decision_id, now=given.clock(),
        )  # fmt: skip
    return made.as_json()


@router.post("/holds/{name}/lift")
def lift(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """The hold stands no more; what it covered is deleted only when somebody asks for that."""
    decision = require(given, asking, "lift a legal hold")
    with given.pool.connection() as connection:
        return holds.lift(
            connection, name, actor=asking.actor(), decision_id=decision.decision_id, now=given.clock()
        ).as_json()  # fmt: skip


@router.get("/retention")
def kept(given: Given, asking: Asking) -> dict[str, Any]:
    """The retention classes, and for everything in one: until when it is kept, which holds keep it, whether it may go now."""
    require(given, asking, "see what is kept")
    now = given.clock()
    classes = [
        {"kind": one.kind, "days": one.days, "least_days": one.least_days, "title": one.title, "source": one.source}
        for one in load_classes(given.settings.retention_days).values()
    ]
    items = [one.as_json() | {"may_go": one.may_go(now)} for one in keeping.kept(given)]
    return {"classes": classes, "items": items, "next": None}


@router.post("/retention/delete")
def delete(given: Given, asking: Asking) -> dict[str, Any]:
    """What may go now is deleted, each thing with its ledger entry; what went. The ledger itself keeps everything."""
    decision = require(given, asking, "delete what is kept no longer")
    return {"items": [one.as_json() for one in keeping.delete_due(given, asking, decision)], "next": None}
