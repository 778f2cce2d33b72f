"""`/v1/access-reviews`: who holds what is put to the data's stewards, in campaigns."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from gateway import reviewing
from gateway.api.audit import require
from gateway.api.dependencies import Asking, Given
from gateway.catalog import reviews

router = APIRouter(tags=["access-reviews"], prefix="/access-reviews")


class NewCampaign(BaseModel):
    """Which projects (none: all), and how many days stewards have to answer."""

    projects: list[Annotated[str, Field(max_length=100)]] = Field(default=[], max_length=200)
    days: float = Field(default=14, gt=0, le=366)


class Answer(BaseModel):
    """Whether the holder keeps the access, and why."""

    answer: Literal["keep", "revoke"]
    why: str = Field(min_length=1, max_length=2000)


@router.post("", status_code=201)
def start(body: NewCampaign, given: Given, asking: Asking) -> dict[str, Any]:
    """Every grant that stands is put to its project's stewards; only a compliance officer starts that."""
    decision = require(given, asking, "start an access review")
    now = given.clock()
    with given.pool.connection() as connection:
        return reviews.start(
            connection, projects=body.projects, due_at=now + timedelta(days=body.days), actor=asking.actor(),
            decision_id=decision.decision_id, now=now,
        ).as_json()  # fmt: skip


@router.get("")
def every(given: Given, asking: Asking, whole: bool = False) -> dict[str, Any]:
    """The campaigns with the questions of the caller's projects, newest first; `whole` with all, for who may read evidence."""
    if whole:
        require(given, asking, "see access reviews")
    with given.pool.connection() as connection:
        found = reviews.every(connection)
    if whole:
        return {"items": [campaign.as_json() for campaign in found], "next": None}
    found = [reviewing.visible(campaign, asking) for campaign in found]
    return {"items": [campaign.as_json() for campaign in found if campaign.items], "next": None}


@router.get("/{name}")
def one(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """A whole campaign, for whoever may read evidence."""
    require(given, asking, "see an access review")
    with given.pool.connection() as connection:
        return reviews.get(connection, name).as_json()


@router.post("/items/{name}/answer")
def answer(name: str, body: Answer, given: Given, asking: Asking) -> dict[str, Any]:
    """A steward of the data has answered: the holder keeps the access, or it has ended now."""
    return reviewing.answer(given, asking, name, to=body.answer, why=body.why).as_json()


@router.post("/{name}/close")
def close(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """The campaign is over, and its outcome is attested: every question is answered, or the time is over."""
    decision = require(given, asking, "close an access review")
    return reviewing.close(given, asking, decision, name).as_json()
