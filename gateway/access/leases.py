"""A lease that stands: as the control database knows it, renewed, and ended on all three sides (control, live, Vault).

Effects outside the control database follow one order: the intention is committed, the effect is made, its outcome is committed;
what fails on the way is taken back, and the reconciler takes back what a crash left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from psycopg import Connection
from psycopg import Error as PostgresError
from psycopg_pool import ConnectionPool

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from gateway.access import views
from gateway.errors import GatewayError, VaultError, VaultUnavailable
from gateway.vault import Vault
from policies.decisions import Decision

WRAP_SECONDS = 120
COLUMNS = (
    "id, request, subject, dataset, project, state, decision_id, obligations, opened_at, expires, basis, basis_id, asker,"
    " purpose, columns"
)
# What may go wrong on the way; LookupError and TypeError are what nonsense from Vault looks like.
FAILURES = (PostgresError, VaultError, VaultUnavailable, ValueError, LookupError, TypeError)


class LeaseNotFound(GatewayError):
    """There is no such open lease."""

    code: ClassVar[str] = "lease_not_found"


class LeaseNotOpen(GatewayError):
    """The lease is not open any more."""

    code: ClassVar[str] = "lease_not_open"


@dataclass(frozen=True, slots=True)
class Zone:
    """What a lease needs on every side; `live` gives a connection to the live database as gateway_live."""

    pool: ConnectionPool
    live: Callable[[], AbstractContextManager[Connection[Any]]]
    vault: Vault
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Row:
    """A lease as the control database knows it."""

    id: str
    request: str | None
    subject: str
    dataset: str
    project: str
    state: str
    decision_id: str
    obligations: Mapping[str, Any]
    opened_at: datetime
    expires: datetime
    basis: str
    basis_id: str | None
    asker: Mapping[str, Any]
    purpose: str | None
    columns: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For pages and API; times are left as they are."""
        return {
            "id": self.id, "request": self.request, "basis": self.basis, "subject": self.subject, "dataset": self.dataset,
            "project": self.project, "purpose": self.purpose, "columns": dict(self.obligations.get("columns", {})),
            "row_filter": self.obligations.get("row_filter"), "state": self.state, "opened_at": self.opened_at,
            "expires": self.expires, "decision_id": self.decision_id,
        }  # fmt: skip


def get(connection: Connection[Any], lease: str) -> Row:
    """The lease of that id. Raises LeaseNotFound."""
    for found in select(connection, "WHERE id = %s", (lease,)):
        return found
    raise LeaseNotFound("There is no such lease; `sallyport access list` shows those that are.")


def standing(connection: Connection[Any]) -> list[Row]:
    """The leases that have not ended."""
    return select(connection, "WHERE state IN ('opening', 'open', 'ending')", ())


def select(connection: Connection[Any], tail: str, values: tuple[Any, ...]) -> list[Row]:
    rows = connection.execute(f"SELECT {COLUMNS} FROM access.leases {tail}", values).fetchall()  # noqa: S608
    return [Row(*_frozen(row)) for row in rows]


def end(zone: Zone, lease: str, *, by: Actor, why: str, refs: Mapping[str, str] | None = None) -> None:
    """The lease's sessions are dead, its role, views and key are gone, and the ledger says so; safe to do again.

    Without Vault its sessions are ended and its views dropped all the same, and VaultUnavailable raised: the identity, which then
    opens nothing, goes as soon as Vault answers the reconciler.
    """
    with zone.pool.connection() as connection:
        row = get(connection, lease)
        connection.execute("UPDATE access.leases SET state = 'ending' WHERE id = %s AND state IN ('opening', 'open')", (lease,))
    try:
        take_back(zone, lease)
    except (VaultError, VaultUnavailable):
        with zone.pool.connection() as connection:
            record(connection, "lease:ending", by, row, "failed", zone.clock(), {"why": why}, refs)
        raise
    now = zone.clock()
    with zone.pool.connection() as connection:
        changed = connection.execute(
            "UPDATE access.leases SET state = 'ended', ended_at = %s WHERE id = %s AND state = 'ending' RETURNING id",
            (now, lease),
        ).fetchone()
        if changed:
            event = "lease:expired" if why == "expired" else "lease:revoked"
            record(connection, event, by, row, "done", now, {"why": why}, refs)


def renew(zone: Zone, row: Row, decision: Decision, *, by: Actor, latest: datetime) -> datetime:
    """The lease and its credential live for the decision's time from now, not beyond `latest`. Raises LeaseNotOpen."""
    now = zone.clock()
    ttl = min(int(decision.obligations["ttl_seconds"]), int((latest - now).total_seconds()))
    expires = now + timedelta(seconds=ttl)
    if row.state != "open" or ttl <= 0:
        raise LeaseNotOpen("The lease is not open any more; open another with `sallyport access lease`.")
    granted = zone.vault.renew_leases_of_role(f"lease-{row.id}", ttl)
    if not granted:
        raise LeaseNotOpen("The lease's credential has ended; open another lease with `sallyport access lease`.")
    expires = min(expires, now + timedelta(seconds=granted))
    with zone.pool.connection() as connection:
        connection.execute("UPDATE access.leases SET expires = %s WHERE id = %s AND state = 'open'", (expires, row.id))
        record(connection, "lease:renewed", by, row, "done", now, {"ttl_seconds": granted}, {"decision_id": decision.decision_id})
    return expires


def take_back(zone: Zone, lease: str) -> None:
    """Nothing of the lease is left in Vault and in PostgreSQL: identities first, so that no session is left to use the views.

    Raises one of FAILURES; what can be taken back is, all the same.
    """
    try:
        zone.vault.revoke_leases_of_role(f"lease-{lease}")
        zone.vault.delete_database_role(f"lease-{lease}")
    finally:  # without Vault, an identity is left that sees nothing
        _take_views(zone, lease)


def record(
    connection: Connection[Any], event: str, by: Actor, row: Row, outcome: Any, now: datetime, detail: Mapping[str, Any],
    refs: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """The event is in the ledger, with the lease and what it stands on."""
    known = {
        "lease_id": row.id, "grant_id": row.request, "dataset": row.dataset, "decision_id": row.decision_id,
        "purpose": row.purpose, "holder": row.subject, **({} if row.basis == "grant" else {f"{row.basis}_id": row.basis_id}),
    }  # fmt: skip
    append(connection, Entry(
        type=event, actor=by, object=ObjectRef("lease", row.id), project=row.project, outcome=outcome,
        refs={name: value for name, value in {**known, **(refs or {})}.items() if value}, detail=detail, occurred_at=now,
    ))  # fmt: skip


def _take_views(zone: Zone, lease: str) -> None:
    with zone.live() as live:
        views.end_sessions(live, lease)
    with zone.live() as live:
        live.execute("SET LOCAL lock_timeout = '5s'")
        views.drop(live, lease)


def _frozen(row: tuple[Any, ...]) -> Any:
    return [tuple(value) if isinstance(value, list) else value for value in row]
