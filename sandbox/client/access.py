"""Live data from a notebook: asked for anywhere, read outside of the jail under a lease that ends with the block."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from sandbox.client import connection
from sandbox.client.display import table
from sandbox.client.errors import NotConnected, NotFound, NotHere
from sandbox.client.guard import guarded
from sandbox.client.magic import sql_magic

SHOWN = ("id", "dataset", "purpose", "state")
GRANTED = "granted"
NEXT = {
    "pending": "Others decide now: .refresh() shows how it stands.",
    GRANTED: "Read outside of the sandbox: sp.live(...), or sallyport access lease.",
}


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """A request for live columns, as it was when it was looked at."""

    id: str
    state: str
    facts: dict[str, Any]

    def refresh(self) -> AccessRequest:
        """The request as it is now."""
        for one in requests():
            if one.id == self.id:
                return one
        raise NotFound("The request is gone.", "sp.requests() shows those that are.")

    def wait(self, seconds: float = 600) -> AccessRequest:
        """The request once somebody decided, or after `seconds`."""
        until, now = time.monotonic() + seconds, self.refresh()
        while now.state in ("requested", "pending", "submitted", "waiting") and time.monotonic() < until:
            time.sleep(2)
            now = self.refresh()
        return now

    def _repr_html_(self) -> str:
        facts = [{"": name, "value": value} for name, value in self.facts.items()]
        return table("Access request", facts, ("", "value"), NEXT.get(self.state, ""))


class AccessRequests(list[AccessRequest]):
    """The requests of your projects, newest first."""

    def _repr_html_(self) -> str:
        return table("Access requests", [one.facts for one in self], SHOWN)


def request_access(dataset: str, *, columns: Sequence[str], purpose: str, why: str, hours: float = 1.0) -> AccessRequest:
    """Ask for live `columns` (as table.column) of `dataset`; a steward decides. What nobody could approve is refused at once."""
    body = {"dataset": dataset, "columns": list(columns), "purpose": purpose, "hours": hours, "why": why}
    return _request(connection.call("POST", "/v1/access-requests", json=body))


def requests() -> AccessRequests:
    """The access requests you may see, newest first."""
    return AccessRequests(_request(one) for one in connection.every("/v1/access-requests"))


@contextmanager
def live(request: str | AccessRequest, *, purpose: str | None = None) -> Iterator[Any]:
    """A psycopg connection to the lease's masked views; when the block ends so does the lease. In it, `%sql SELECT ...` works.

    `request` is a request or its id; or a dataset, with the `purpose` for which you were granted access to it. Works outside of
    the sandbox only, since the jail has no network: live rows never stand beside a notebook's outputs.
    """
    if connection.inside():
        step = "Ask with sp.request_access(...) here; read outside of the sandbox with sp.live(...) or sallyport access lease."
        raise NotHere("Live data cannot be reached from inside of the sandbox.", step)
    import psycopg

    name = request.id if isinstance(request, AccessRequest) else _granted(request, purpose) if purpose else request
    lease = connection.call("POST", "/v1/leases", json={"request": name})
    with guarded(lease["id"]):
        credential = _unwrap(lease["vault_address"], lease["wrapping_token"])
        with (
            psycopg.connect(user=credential["username"], password=credential["password"], **lease["database"]) as opened,
            sql_magic(opened),
        ):
            yield opened


def _granted(dataset: str, purpose: str) -> str:
    """The newest request for the dataset and purpose that was granted. Raises NotFound."""
    found = [one for one in requests() if (one.facts["dataset"], one.facts["purpose"]) == (dataset, purpose)]
    for one in found:
        if one.state == GRANTED:
            return one.id
    if found:
        raise NotFound(
            "Nobody has granted it yet.", f"Wait for the approvals: sp.requests() says your request is {found[0].state}."
        )
    step = f"Ask for it: sp.request_access({dataset!r}, columns=[...], purpose={purpose!r}, why=...)."
    raise NotFound(f"You have asked for no access to {dataset} for {purpose}.", step)


def _unwrap(address: str, token: str) -> dict[str, str]:
    """The credential behind the token, which is spent by this; the gateway never saw it."""
    try:
        with httpx.Client(base_url=address, timeout=30, trust_env=False) as http:
            answer = http.post("/v1/sys/wrapping/unwrap", headers={"X-Vault-Token": token}).raise_for_status().json()
    except httpx.HTTPError as error:
        raise NotConnected("Vault did not give the credential out.", "Open the lease again.") from error
    data = answer["data"]
    return dict(data.get("data", data))


def _request(one: dict[str, Any]) -> AccessRequest:
    return AccessRequest(one["id"], one["state"], one)
