"""`/v1/access-requests` and `/v1/leases`: door 2."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field, model_validator

from gateway.access import requests
from gateway.access.service import LeaseNotFound
from gateway.api.dependencies import Asking, Given
from gateway.problems import Denied
from policies.decisions import Decision

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
    """A lease on a granted request; or, with no grant, the question what policy says to live access."""

    request: str | None = None
    dataset: str | None = Field(default=None, max_length=63)
    columns: list[str] = Field(default=[], max_length=1000)
    purpose: str | None = Field(default=None, max_length=100)

    @model_validator(mode="after")
    def _one_of_both(self) -> NewLease:
        if (self.request is None) == (self.dataset is None):
            raise ValueError("give a request, or a dataset with columns and purpose")
        return self


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
def every(given: Given, asking: Asking) -> dict[str, Any]:
    """The requests of the caller's projects, newest first."""
    with given.pool.connection() as connection:
        found = requests.every(connection, asking.projects)
    return {"items": [one.as_json() for one in found], "next": None}


@router.post("/access-requests/{name}/approve")
def approve(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """The caller's approval counts, or is denied with the reason."""
    return given.access.approve(asking, name).as_json()


@router.post("/access-requests/{name}/reject")
def reject(name: str, body: Why, given: Given, asking: Asking) -> dict[str, Any]:
    """The request is rejected."""
    return given.access.reject(asking, name).as_json()


@router.post("/leases", status_code=201)
def open_lease(body: NewLease, given: Given, asking: Asking) -> dict[str, Any]:
    """The lease is open; its credential is behind `wrapping_token`, to be unwrapped once at `vault_address`."""
    if body.request is None:
        given.access.read_without_grant(
            asking, dataset=body.dataset or "", columns=tuple(body.columns), purpose=body.purpose or ""
        )
        raise LeaseNotFound("Live data is read under a granted request.")
    lease = given.access.open(asking, body.request)
    database = {"host": given.settings.postgres_host, "port": str(given.settings.postgres_port), "dbname": "live"}
    return lease.as_json() | {"vault_address": given.vault.address, "database": database}


@router.get("/leases")
def leases(given: Given, asking: Asking) -> dict[str, Any]:
    """Who has access now, to what, until when, in the caller's projects."""
    return {"items": given.access.leases(asking.projects), "next": None}


@router.delete("/leases/{name}")
def end(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """The lease has ended: sessions, role and views are gone. Its holder and the project's stewards may do this."""
    holder, project = given.access.owner(name)
    steward = "data-steward" in asking.roles and project in asking.projects
    if asking.id != holder and not steward:
        raise Denied(Decision(False, ("role_not_permitted",), "", given.policy.digest), "end this lease")
    given.access.end(name, by=asking.actor())
    return {"id": name, "state": "ended"}
