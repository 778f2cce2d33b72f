"""`/v1/promotions/ID/stage` and `/v1/models/PROJECT/NAME/stages`: who stands beside a champion."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from gateway.api.dependencies import Asking, Given
from gateway.api.promotions import record_refusal, visible
from gateway.publishing import publish
from promotion import stages
from promotion.errors import ApprovalRefused, NotDeployed
from promotion.stages import Stage

router = APIRouter(tags=["promotion"])


class Placing(BaseModel):
    """Where the model is to stand; of a hundred requests, how many a challenger answers."""

    stage: Stage
    share: int = Field(default=0, ge=0, le=100)


@router.post("/promotions/{name}/stage")
def place(name: str, body: Placing, given: Given, asking: Asking) -> dict[str, Any]:
    """Policy is asked as for a deployment; the model stands beside the champion, under a signature that names the stage."""
    promotion = visible(given, asking, name)
    try:
        with given.pool.connection() as connection:
            stages.place(
                connection, name, body.stage, share=body.share, store=given.store, by=asking.actor(),
                subject=asking.policy_input(), signer=given.signer, decide=given.enforcer.decide, now=given.clock(),
            )  # fmt: skip
    except ApprovalRefused as refused:
        record_refusal(given, name, refused, asking)
        raise
    publish(given)
    return beside(promotion.project, promotion.name, given, asking)


@router.get("/models/{project}/{name}/stages")
def beside(project: str, name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """Who stands beside the champion of that name, and what was predicted there."""
    if project not in asking.projects:
        raise NotDeployed("No such model in your projects.")
    with given.pool.connection() as connection:
        return {"items": stages.compared(connection, project, name), "next": None}


@router.post("/models/{project}/{name}/stages/{stage}/withdraw")
def withdraw(project: str, name: str, stage: Stage, given: Given, asking: Asking) -> dict[str, Any]:
    """Nobody stands in that stage any more."""
    if project not in asking.projects:
        raise NotDeployed("No such model in your projects.")
    resource = {"type": "model", "id": f"{project}/{name}", "project": project}
    given.enforcer.require(asking, "withdraw", resource, what="withdraw this model")
    with given.pool.connection() as connection:
        stages.withdraw(connection, project, name, stage, by=asking.actor(), now=given.clock())
    publish(given)
    return beside(project, name, given, asking)
