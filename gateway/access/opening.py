"""A lease is opened: its views, its Vault role and a credential for its holder alone, or nothing of them.

Effects outside the control database follow one order: the intention is committed, the effect is made, its outcome is committed;
what fails on the way is taken back, and the reconciler takes back what a crash left.
"""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

from psycopg.types.json import Jsonb

from compliance.entries import Actor
from gateway.access import views
from gateway.access.leases import COLUMNS, FAILURES, WRAP_SECONDS, Row, Zone, record, take_back
from gateway.catalog import datasets
from gateway.catalog.projects import wrapped_key
from gateway.errors import GatewayError
from gateway.identity import Subject
from policies.decisions import Decision
from sandbox.contracts import Contract

OPENED = {"grant": "lease:opened", "break-glass": "lease:opened-in-emergency", "promotion": "lease:opened-for-service"}


class LeaseFailed(GatewayError):
    """The lease could not be opened; nothing of it is left."""

    code: ClassVar[str] = "lease_failed"


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
