"""`/v1/scorings`: batch runs of models in production, and their schedules."""

from __future__ import annotations

from datetime import time
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from gateway import batch
from gateway.api.dependencies import Asking, Given, Paging
from promotion import scorings
from promotion.scorings import ScoringNotFound

router = APIRouter(tags=["promotion"], prefix="/scorings")
TIME = "^([01][0-9]|2[0-3]):[0-5][0-9]$"
MOST_SCORES = 10_000


class NewScoring(BaseModel):
    """The model as project/name, and how old the newest row of an entity may be (none: any)."""

    model: str = Field(pattern=r"^[^/]{1,63}/[^/]{1,63}$")
    since_days: int | None = Field(default=None, ge=1, le=36_500)

    @property
    def key(self) -> tuple[str, str]:
        project, _, name = self.model.partition("/")
        return project, name


class NewSchedule(NewScoring):
    """The same each day at that time (UTC)."""

    at: str = Field(pattern=TIME, max_length=5)


@router.post("", status_code=201)
def run(body: NewScoring, given: Given, asking: Asking) -> dict[str, Any]:
    """A run over all live rows of the model's features waits for the worker; policy is asked as for a reading of them."""
    decision = batch.require_may_read(given, asking, body.key, "score live rows")
    with given.pool.connection() as connection:
        made = scorings.request(
            connection, body.key, asker=asking.policy_input(), since_days=body.since_days, now=given.clock(),
            refs={"decision_id": decision.decision_id},
        )  # fmt: skip
    given.jobs.score(made.id)
    return made.as_json()


@router.get("")
def every(given: Given, asking: Asking, page: Paging) -> dict[str, Any]:
    """The runs of the caller's projects, newest first: how many rows, and what was wrong; never a score."""
    with given.pool.connection() as connection:
        found = scorings.every(connection, asking.projects, page)
    return {"items": [one.as_json() for one in found], "next": page.next(found, "requested_at")}


@router.post("/schedules", status_code=201)
def schedule(body: NewSchedule, given: Given, asking: Asking) -> dict[str, Any]:
    """The model is scored each day from within a minute on; each run asks policy again."""
    decision = batch.require_may_read(given, asking, body.key, "score live rows each day")
    with given.pool.connection() as connection:
        scorings.schedule(
            connection, body.key, time.fromisoformat(body.at), asker=asking.policy_input(), since_days=body.since_days,
            now=given.clock(), refs={"decision_id": decision.decision_id},
        )  # fmt: skip
    return body.model_dump()


@router.get("/schedules")
def schedules(given: Given, asking: Asking) -> dict[str, Any]:
    """The schedules of the caller's projects."""
    with given.pool.connection() as connection:
        found = [one for one in scorings.schedules(connection) if one["project"] in asking.projects]
    items = [
        {"model": f"{one['project']}/{one['name']}", "at": one["at"], "since_days": one["since_days"], "as": one["asker"]["id"]}
        for one in found
    ]
    return {"items": items, "next": None}


@router.delete("/schedules/{project}/{name}")
def unschedule(project: str, name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """The model is scored each day no more. Who set it and the project's stewards may say so."""
    with given.pool.connection() as connection:
        found = [one for one in scorings.schedules(connection) if (one["project"], one["name"]) == (project, name)]
    own = bool(found) and found[0]["asker"]["id"] == asking.id
    if project not in asking.projects or not (own or "data-steward" in asking.roles):
        resource = {"type": "model", "id": f"{project}/{name}", "project": project}
        given.enforcer.refuse(asking, "unschedule", resource, reason="role_not_permitted", what="end this schedule")
    with given.pool.connection() as connection:
        scorings.unschedule(connection, (project, name), by=asking.actor(), now=given.clock())
    return {"model": f"{project}/{name}", "at": None}


@router.get("/{name}")
def one(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """One run of the caller's projects."""
    with given.pool.connection() as connection:
        found = scorings.get(connection, name)
    if found.project not in asking.projects:
        raise ScoringNotFound("There is no such batch run.")
    return found.as_json()


@router.get("/{name}/results")
def results(
    name: str, given: Given, asking: Asking, after: Annotated[str, Query(max_length=200)] = "",
    most: Annotated[int, Query(ge=1, le=MOST_SCORES)] = MOST_SCORES,
) -> dict[str, Any]:  # fmt: skip
    """The scores of a published run by entity id, a page after the entity `after`; for whom policy lets read such rows."""
    page = batch.results(given, asking, name, after=after, most=most)
    return {
        "items": [{"entity_id": entity, "score": score} for entity, score in page],
        "next": page[-1][0] if len(page) == most else None,
    }
