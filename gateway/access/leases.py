"""A lease's life: opened, renewed, ended, on all three sides (control database, live database, Vault).

Effects outside the control database follow one order: the intention is committed, the effect is made, its outcome is committed;
what fails on the way is taken back, and the reconciler takes back what a crash left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

from psycopg import Connection
from psycopg import Error as PostgresError
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from gateway.access import views
from gateway.catalog import datasets
from gateway.catalog.projects import wrapped_key
from gateway.errors import GatewayError, VaultError, VaultUnavailable
from gateway.identity import Subject
from gateway.vault import Vault
from policies.decisions import Decision
from sandbox.contracts import Contract

WRAP_SECONDS = 120
OPENED = {"grant": "lease:opened", "break-glass": "lease:opened-in-emergency", "promotion": "lease:opened-for-service"}
COLUMNS = (
    "id, request, subject, dataset, project, state, decision_id, obligations, opened_at, expires, basis, basis_id, asker,"
    " purpose, columns"
)
# What may go wrong on the way; LookupError and TypeError are what nonsense from Vault looks like.
FAILURES = (PostgresError, VaultError, VaultUnavailable, ValueError, LookupError, TypeError)


class LeaseNotFound(GatewayError):
    """There is no such open lease."""

    code: ClassVar[str] = "lease_not_found"


class LeaseFailed(GatewayError):
    """The lease could not be opened; nothing of it is left."""

    code: ClassVar[str] = "lease_failed"


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
class Terms:
    """What a lease is to stand on: who reads what under which decision, and until when it could be renewed at most."""

    subject: Subject
    dataset: str
    project: str
    columns: tuple[str, ...]
    purpose: str | None
    basis: str  # grant, break-glass or promotion
    basis_id: str
    decision: Decision
    latest: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """An open lease; the credential is behind `wrapping_token`, which only its holder can spend, once."""

    id: str
    terms: Terms
    expires: datetime
    wrapping_token: str

    def as_json(self) -> dict[str, Any]:
        terms = self.terms
        return {
            "id": self.id, "basis": terms.basis, "request": terms.basis_id if terms.basis == "grant" else None,
            "basis_id": terms.basis_id, "dataset": terms.dataset, "expires": self.expires.isoformat(),
            "decision_id": terms.decision.decision_id, "obligations": dict(terms.decision.obligations),
            "schema": views.schema_of(self.id), "wrapping_token": self.wrapping_token,
        }  # fmt: skip


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


def open_lease(zone: Zone, terms: Terms) -> Lease:
    """A lease on these terms is open, its credential wrapped for the caller alone. Raises LeaseFailed."""
    now, lease = zone.clock(), uuid4().hex[:16]
    ttl = int(terms.decision.obligations["ttl_seconds"])
    expires = now + timedelta(seconds=ttl)
    with ThreadPoolExecutor(1) as aside:  # what it asks aside has ended before anything is handed over
        read = aside.submit(_read, zone, terms)  # no effect, so it need not wait for the intention
        row = _intend(zone, lease, terms, now, expires)
        try:
            token = _make(zone, lease, terms, ttl, now, aside, read)
        except FAILURES as error:
            _failed(zone, row, type(error).__name__)
            raise LeaseFailed(
                "The lease could not be opened; nothing of it is left. Try again, or see `sallyport status`."
            ) from error
    with zone.pool.connection() as connection:
        opened = connection.execute(
            "UPDATE access.leases SET state = 'open' WHERE id = %s AND state = 'opening' RETURNING id", (lease,)
        ).fetchone()
        if opened:
            detail = {"ttl_seconds": ttl, "columns": dict(terms.decision.obligations["columns"]), "basis": terms.basis}
            record(connection, OPENED[terms.basis], terms.subject.actor(), row, "done", now, detail)
    if not opened:  # it was ended while it was being made
        take_back(zone, lease)
        raise LeaseFailed("The lease was ended while it was being opened; nothing of it is left.")
    return Lease(lease, terms, expires, token)


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


def _intend(zone: Zone, lease: str, terms: Terms, now: datetime, expires: datetime) -> Row:
    """That the lease is about to be made is committed."""
    decision, subject = terms.decision, terms.subject
    request = terms.basis_id if terms.basis == "grant" else None
    row = Row(
        lease, request, subject.id, terms.dataset, terms.project, "opening", decision.decision_id, decision.obligations, now,
        expires, terms.basis, terms.basis_id, subject.policy_input(), terms.purpose, terms.columns,
    )  # fmt: skip
    values = (
        row.id, row.request, row.subject, row.dataset, row.project, row.state, row.decision_id, Jsonb(dict(row.obligations)),
        row.opened_at, row.expires, row.basis, row.basis_id, Jsonb(dict(row.asker)), row.purpose, list(row.columns),
    )  # fmt: skip
    with zone.pool.connection() as connection:
        places = ", ".join(["%s"] * len(values))
        connection.execute(f"INSERT INTO access.leases ({COLUMNS}) VALUES ({places})", values)  # noqa: S608
        record(connection, "lease:opening", subject.actor(), row, "done", now, {"basis": terms.basis})
    return row


def _read(zone: Zone, terms: Terms) -> tuple[Contract, bytes]:
    """The contract that is leased, and the key of its project's pseudonyms."""
    with zone.pool.connection() as connection:
        contract = datasets.get(connection, terms.dataset).contract
        wrapped = wrapped_key(connection, terms.project)
    return contract, zone.vault.unwrap_data_key(wrapped)


def _make(
    zone: Zone, lease: str, terms: Terms, ttl: int, now: datetime, aside: Executor, read: Future[tuple[Contract, bytes]]
) -> str:  # fmt: skip
    """The views and the Vault role exist, made at once; the wrapping token. Raises one of FAILURES."""
    contract, key = read.result()
    row_filter = contract.row_filters.get(terms.purpose or "")
    named = terms.decision.obligations["row_filter"]
    if named is None:
        row_filter = None
    elif row_filter is None or row_filter.name != named:
        raise ValueError("policy obliges to a row filter that the contract does not have")
    obliged = terms.decision.obligations["columns"]
    longest = max(ttl, int((terms.latest - now).total_seconds()))
    role = aside.submit(
        zone.vault.write_database_role, f"lease-{lease}", creation=views.creation(lease, service=terms.basis == "promotion"),
        revocation=views.REVOCATION, ttl=ttl, max_ttl=longest,
    )  # fmt: skip
    try:
        with zone.live() as live:
            views.create(live, lease=lease, contract=contract, columns=obliged, row_filter=row_filter, key=key)
    finally:
        wait([role])  # so that nothing is taken back while it is still being made
    role.result()
    return zone.vault.wrapped_credential(f"lease-{lease}", WRAP_SECONDS)


def _failed(zone: Zone, row: Row, error: str) -> None:
    """What was made is taken back and the failure recorded; what cannot be taken back now is left to the reconciler."""
    clean = False
    with suppress(*FAILURES):
        take_back(zone, row.id)
        clean = True
    now = zone.clock()
    with zone.pool.connection() as connection:
        connection.execute(
            "UPDATE access.leases SET state = %s, ended_at = %s WHERE id = %s", ("failed" if clean else "ending", now, row.id)
        )
        actor = Actor(row.subject, row.asker["type"], tuple(row.asker["roles"]))
        record(connection, "lease:failed", actor, row, "failed", now, {"error": error, "taken_back": clean})


def _take_views(zone: Zone, lease: str) -> None:
    with zone.live() as live:
        views.end_sessions(live, lease)
    with zone.live() as live:
        live.execute("SET LOCAL lock_timeout = '5s'")
        views.drop(live, lease)


def _frozen(row: tuple[Any, ...]) -> Any:
    return [tuple(value) if isinstance(value, list) else value for value in row]
