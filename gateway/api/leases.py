"""`/v1/access-requests` and `/v1/leases`: door 2."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field, model_validator

from gateway.access import break_glass, requests
from gateway.access.service import Lease, LeaseNotFound
from gateway.api.dependencies import Asking, Given, Paging, require_fresh_login
from gateway.composition import Services

router = APIRouter(tags=["live access"])

MOST_HOURS = 24 * 30


class NewAccessRequest(BaseModel):
    """Which live columns, for which purpose, how long and why."""

    dataset: str = Field(max_length=63)
    columns: list[str] = Field(min_length=1, max_length=1000)
    purpose: str = Field(min_length=1, max_length=100)
    hours: float = Field(gt=0, le=MOST_HOURS)
    why: str = Field(min_length=1, max_length=4000)


class NewLease(BaseModel):
    """A lease on a granted request, or for a deployed model; or, with neither, the question what policy says to live access."""

    request: str | None = Field(default=None, max_length=64)
    model: str | None = Field(default=None, max_length=200, pattern=r"^[^/]+/[^/]+$")
    dataset: str | None = Field(default=None, max_length=63)
    columns: list[str] = Field(default=[], max_length=1000)
    purpose: str | None = Field(default=None, max_length=100)

    @model_validator(mode="after")
    def _one_of_three(self) -> NewLease:
        if [self.request, self.model, self.dataset].count(None) != 2:
            raise ValueError("give a request, or a model, or a dataset with columns and purpose")
        return self


class BrokenGlass(BaseModel):
    """Which live columns are needed in which incident, and why there is no time for a grant."""

    dataset: str = Field(max_length=63)
    columns: list[str] = Field(min_length=1, max_length=1000)
    justification: str = Field(max_length=4000)
    incident: str = Field(max_length=200)


class Review(BaseModel):
    """What the review of a use of break-glass found."""

    outcome: Literal["justified", "not-justified"]
    note: str = Field(min_length=1, max_length=4000)


class Why(BaseModel):
    """The reason a person gives."""

    why: str = Field(min_length=1, max_length=4000)


@router.post("/access-requests", status_code=201)
def request(body: NewAccessRequest, given: Given, asking: Asking) -> dict[str, Any]:
    """The request waits for approval; what no approval could mend is denied at once."""
    made = given.access.request(
        asking, dataset=body.dataset, columns=tuple(dict.fromkeys(body.columns)), purpose=body.purpose, hours=body.hours,
        why=body.why,
    )  # fmt: skip
    return made.as_json()


@router.get("/access-requests")
def every(given: Given, asking: Asking, page: Paging) -> dict[str, Any]:
    """The requests of the caller's projects, newest first."""
    with given.pool.connection() as connection:
        found = requests.every(connection, asking.projects, page)
    return {"items": [one.as_json() for one in found], "next": page.next(found, "created_at")}


@router.post("/access-requests/{name}/approve")
def approve(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """The caller's approval counts, or is denied with the reason."""
    require_fresh_login(given, asking)
    return given.access.approve(asking, name).as_json()


@router.post("/access-requests/{name}/reject")
def reject(name: str, body: Why, given: Given, asking: Asking) -> dict[str, Any]:
    """The request is rejected; the reason stands in the ledger."""
    return given.access.reject(asking, name, body.why).as_json()


@router.post("/access-requests/{name}/withdraw")
def withdraw(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """The asker has taken the request back."""
    return given.access.withdraw(asking, name).as_json()


@router.post("/access-requests/{name}/revoke")
def revoke_grant(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """The grant is void, and every lease on it has ended."""
    return given.access.revoke_grant(asking, name).as_json()


@router.post("/leases", status_code=201)
def open_lease(body: NewLease, given: Given, asking: Asking) -> dict[str, Any]:
    """The lease is open; its credential is behind `wrapping_token`, to be unwrapped once at `vault_address`."""
    if body.dataset is not None:
        given.access.read_without_grant(asking, dataset=body.dataset, columns=tuple(body.columns), purpose=body.purpose or "")
        raise LeaseNotFound("Live data is read under a granted request.")
    if body.model is not None:
        columns = tuple(dict.fromkeys(body.columns))
        return _opened(given, given.access.open_for_model(asking, body.model, columns, public_keys=given.public_keys()))
    return _opened(given, given.access.open(asking, body.request or ""))


@router.get("/leases")
def leases(given: Given, asking: Asking, page: Paging, all_of_them: bool = False) -> dict[str, Any]:
    """Who has access now, to what, until when, in the caller's projects; ended leases too when asked for."""
    found = given.access.leases(asking.projects, page, all_of_them=all_of_them)
    return {"items": [one.as_json() for one in found], "next": page.next(found, "opened_at")}


@router.post("/leases/{name}/renew")
def renew(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """The lease lives on, within its grant."""
    return {"id": name, "expires": given.access.renew(asking, name).isoformat()}


@router.delete("/leases/{name}")
def end(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """The lease has ended: sessions, role and views are gone. Its holder and the project's stewards may do this."""
    given.access.end_by(asking, name)
    return {"id": name, "state": "ended"}


@router.post("/break-glass", status_code=201)
def break_the_glass(body: BrokenGlass, given: Given, asking: Asking) -> dict[str, Any]:
    """A short lease without a grant, for somebody on call; its review is due."""
    lease, used = given.access.open_in_emergency(
        asking, dataset=body.dataset, columns=tuple(dict.fromkeys(body.columns)), justification=body.justification,
        incident=body.incident,
    )  # fmt: skip
    return _opened(given, lease) | {"break_glass": used.as_json(given.clock())}


@router.get("/break-glass")
def uses_of_break_glass(given: Given, asking: Asking, page: Paging) -> dict[str, Any]:
    """The uses in the caller's projects (for a compliance officer: all), and which reviews are overdue."""
    projects = None if "compliance-officer" in asking.roles else asking.projects
    with given.pool.connection() as connection:
        found = break_glass.every(connection, projects, page)
    return {"items": [one.as_json(given.clock()) for one in found], "next": page.next(found, "at")}


@router.post("/break-glass/{name}/review")
def review(name: str, body: Review, given: Given, asking: Asking) -> dict[str, Any]:
    """The use is reviewed, once, by a steward other than who used it."""
    now = given.clock()
    with given.pool.connection() as connection:
        found = break_glass.review(connection, name, by=asking, outcome=body.outcome, note=body.note, now=now)
    return found.as_json(now)


def _opened(given: Services, lease: Lease) -> dict[str, Any]:
    database = {"host": given.settings.postgres_host, "port": str(given.settings.postgres_port), "dbname": "live"}
    return lease.as_json() | {"vault_address": given.vault.address, "database": database}
