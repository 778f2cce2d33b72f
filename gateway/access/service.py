"""Door 2 as a whole: ask, approve, open a lease, end it. The HTTP layer calls this and nothing below it.

Effects outside the control database follow one order: the intention is committed, the effect is made, its outcome is committed;
what fails on the way is taken back, and the reconciler takes back what a crash left.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from gateway.access import requests, views
from gateway.access.requests import AccessRequest
from gateway.catalog import datasets
from gateway.catalog.projects import wrapped_key
from gateway.enforcement import Enforcer
from gateway.errors import GatewayError, VaultError, VaultUnavailable
from gateway.identity import Subject
from gateway.problems import Denied
from gateway.vault import Vault
from policies.decisions import Decision

WRAP_SECONDS = 120
ONLY_APPROVALS_MISSING = ("approvals_missing",)
APPROVING_ROLES = ("data-steward", "privacy-officer")


class LeaseNotFound(GatewayError):
    """There is no such open lease."""

    code: ClassVar[str] = "lease_not_found"


class LeaseFailed(GatewayError):
    """The lease could not be opened; nothing of it is left."""

    code: ClassVar[str] = "lease_failed"


@dataclass(frozen=True, slots=True)
class Lease:
    """An open lease; the credential is behind `wrapping_token`, which only its holder can spend, once."""

    id: str
    request: str
    dataset: str
    expires: datetime
    decision_id: str
    obligations: Mapping[str, Any]
    wrapping_token: str

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "request": self.request, "dataset": self.dataset, "expires": self.expires.isoformat(),
            "decision_id": self.decision_id, "obligations": dict(self.obligations), "schema": views.schema_of(self.id),
            "wrapping_token": self.wrapping_token,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class AccessService:
    """What door 2 needs; `live` gives a connection to the live database as gateway_live."""

    pool: ConnectionPool
    live: Callable[[], AbstractContextManager[Connection[Any]]]
    vault: Vault
    enforcer: Enforcer
    clock: Callable[[], datetime]

    def request(
        self, subject: Subject, *, dataset: str, columns: tuple[str, ...], purpose: str, hours: float, why: str
    ) -> AccessRequest:
        """The request is made, unless policy would deny it even with every approval: then Denied says why."""
        now = self.clock()
        with self.pool.connection() as connection:
            found = datasets.get(connection, dataset)
        hypothetical = AccessRequest(
            "", subject.id, {}, dataset, found.project, columns, purpose, hours, why, "pending", now, None, None
        )
        decision = self._decide(subject, hypothetical, found.project, columns, now)
        if not decision.allow and decision.reasons != ONLY_APPROVALS_MISSING:
            raise Denied(decision, f"request access to {dataset}")
        with self.pool.connection() as connection:
            return requests.create(
                connection, actor=subject.actor(), asker=subject.policy_input(), dataset=dataset, project=found.project,
                columns=columns, purpose=purpose, hours=hours, why=why, now=now,
            )  # fmt: skip

    def approve(self, by: Subject, request: str) -> AccessRequest:
        """The approval is recorded, and the request granted once policy misses no approval. Raises Denied."""
        now, actor = self.clock(), by.actor()
        with self.pool.connection() as connection:
            found = requests.get(connection, request)
        if found.state != "pending":
            raise requests.WrongState(f"An access request that is {found.state} takes no approval.")
        roles = [role for role in APPROVING_ROLES if role in by.roles]
        extra = tuple({"by": by.id, "role": role, "at": int(now.timestamp())} for role in roles or ["none"])
        # The subject's own conditions are judged again when the lease is opened; here: does this approval count?
        decision = self._decide(_asker(found), found, found.project, found.columns, now, extra=extra)
        if not roles or "self_approval" in decision.reasons:
            reasons = ("self_approval",) if "self_approval" in decision.reasons else ("role_not_permitted",)
            refused = Decision(False, reasons, decision.decision_id, decision.policy_digest)
            with self.pool.connection() as connection:
                requests.record(
                    connection, found, "access-request:approval-refused", "refused", actor, now, reasons=reasons,
                    refs={"decision_id": decision.decision_id},
                )  # fmt: skip
            raise Denied(refused, "approve this request")
        with self.pool.connection() as connection:
            found = requests.get(connection, request, lock=True)
            for role in roles:
                found = requests.approve(connection, found, by=actor, role=role, now=now)
        return self._grant_when_enough(found, actor, now)

    def reject(self, by: Subject, request: str) -> AccessRequest:
        """A steward has rejected the request."""
        with self.pool.connection() as connection:
            found = requests.get(connection, request)
            if not set(APPROVING_ROLES) & set(by.roles):
                decision = Decision(False, ("role_not_permitted",), "", self.enforcer.digest)
                raise Denied(decision, "reject this request")
            return requests.move(connection, found.id, "rejected", actor=by.actor(), now=self.clock())

    def open(self, subject: Subject, request: str) -> Lease:
        """A lease on a grant is open, and its credential wrapped for the caller alone. Raises Denied, LeaseFailed."""
        now = self.clock()
        with self.pool.connection() as connection:
            found = requests.get(connection, request)
        decision = self._decide(subject, found, found.project, found.columns, now)
        if not decision.allow or found.state != "granted":
            if decision.allow:
                decision = Decision(False, ("no_grant",), decision.decision_id, decision.policy_digest)
            raise Denied(decision, f"read live {found.dataset}")
        return self._open(subject.actor(), found, decision, now)

    def read_without_grant(self, subject: Subject, *, dataset: str, columns: tuple[str, ...], purpose: str) -> Decision:
        """What policy says to live access with no grant at all; it is recorded like any other."""
        with self.pool.connection() as connection:
            found = datasets.get(connection, dataset)
        resource = {"type": "dataset", "id": dataset, "project": found.project, "zone": "live", "columns": list(columns)}
        return self.enforcer.require(subject, "read", resource, what=f"read live {dataset}", context={"purpose": purpose})

    def end(self, lease: str, *, by: Actor, why: str = "revoked") -> None:
        """The lease's sessions are dead, its role, views and key are gone, and the ledger says so; safe to do again."""
        now = self.clock()
        with self.pool.connection() as connection:
            row = connection.execute(
                "SELECT state, project, dataset, request FROM access.leases WHERE id = %s", (lease,)
            ).fetchone()
        if row is None:
            raise LeaseNotFound("There is no such lease; `sallyport access list` shows those that are.")
        self._take_back(lease)
        with self.pool.connection() as connection:
            changed = connection.execute(
                "UPDATE access.leases SET state = 'ended', ended_at = %s WHERE id = %s AND state IN ('opening', 'open')"
                " RETURNING id", (now, lease),
            ).fetchone()  # fmt: skip
            if changed:
                _record(connection, "lease:revoked", by, lease, row[1], row[2], row[3], "done", now, {"why": why})

    def leases(self, projects: tuple[str, ...]) -> list[dict[str, Any]]:
        """The leases of these projects, newest first."""
        with self.pool.connection() as connection:
            rows = connection.execute(
                "SELECT id, request, subject, dataset, state, opened_at, expires, decision_id FROM access.leases"
                " WHERE project = ANY(%s) ORDER BY opened_at DESC LIMIT 500", (list(projects),),
            ).fetchall()  # fmt: skip
        names = ("id", "request", "subject", "dataset", "state", "opened_at", "expires", "decision_id")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def owner(self, lease: str) -> tuple[str, str]:
        """(subject, project) of the lease. Raises LeaseNotFound."""
        with self.pool.connection() as connection:
            row = connection.execute("SELECT subject, project FROM access.leases WHERE id = %s", (lease,)).fetchone()
        if row is None:
            raise LeaseNotFound("There is no such lease; `sallyport access list` shows those that are.")
        return row[0], row[1]

    def reconcile(self) -> list[str]:
        """Leases that ended by time or were left by a crash are taken back on every side; their ids."""
        now = self.clock()
        with self.pool.connection() as connection:
            rows = connection.execute(
                "SELECT id FROM access.leases WHERE state IN ('opening', 'open') AND (expires < %s OR state = 'opening'"
                " AND opened_at < %s)", (now, now - timedelta(seconds=WRAP_SECONDS)),
            ).fetchall()  # fmt: skip
            standing = {
                r[0] for r in connection.execute("SELECT id FROM access.leases WHERE state IN ('opening', 'open')").fetchall()
            }
        overdue = {row[0] for row in rows}
        with self.live() as live:
            orphans = {lease for lease in views.schemas(live) if lease not in standing}
        for name in self.vault.list_database_roles("lease-"):
            orphans |= {name.removeprefix("lease-")} - standing
        system = Actor("reconciler", "system")
        for lease in sorted(overdue):
            self.end(lease, by=system, why="expired")
        for lease in sorted(orphans):
            self._take_back(lease)
            with self.pool.connection() as connection:
                _record(connection, "lease:orphan-removed", system, lease, None, "?", "", "done", now, {})
        return sorted(overdue | orphans)

    def _open(self, actor: Actor, found: AccessRequest, decision: Decision, now: datetime) -> Lease:
        lease, ttl = uuid4().hex[:16], int(decision.obligations["ttl_seconds"])
        expires = now + timedelta(seconds=ttl)
        refs = {"decision_id": decision.decision_id}
        with self.pool.connection() as connection:
            connection.execute(
                "INSERT INTO access.leases VALUES (%s, %s, %s, %s, %s, 'opening', %s, %s, %s, %s)",
                (lease, found.id, actor.id, found.dataset, found.project, decision.decision_id,
                 Jsonb(dict(decision.obligations)), now, expires),
            )  # fmt: skip
            _record(connection, "lease:opening", actor, lease, found.project, found.dataset, found.id, "done", now, {}, refs)
            contract = datasets.get(connection, found.dataset).contract
            key = self.vault.unwrap_data_key(wrapped_key(connection, found.project))
        row_filter = contract.row_filters.get(found.purpose)
        if (row_filter.name if row_filter else None) != decision.obligations["row_filter"]:
            return self._failed(lease, actor, found, now, None)
        try:
            with self.live() as live:
                views.create(
                    live, lease=lease, contract=contract, columns=decision.obligations["columns"], row_filter=row_filter, key=key
                )
            self.vault.write_database_role(
                f"lease-{lease}", creation=views.creation(lease), revocation=views.REVOCATION, ttl=ttl, max_ttl=ttl
            )
            token = self.vault.wrapped_credential(f"lease-{lease}", WRAP_SECONDS)
        except (PostgresError, VaultError, VaultUnavailable, ValueError) as error:
            return self._failed(lease, actor, found, now, error)
        with self.pool.connection() as connection:
            connection.execute("UPDATE access.leases SET state = 'open' WHERE id = %s", (lease,))
            detail = {"ttl_seconds": ttl, "columns": dict(decision.obligations["columns"])}
            _record(connection, "lease:opened", actor, lease, found.project, found.dataset, found.id, "done", now, detail, refs)
        return Lease(lease, found.id, found.dataset, expires, decision.decision_id, decision.obligations, token)

    def _failed(self, lease: str, actor: Actor, found: AccessRequest, now: datetime, error: Exception | None) -> Lease:
        """What was made is taken back, the failure is recorded, and LeaseFailed raised."""
        with suppress(PostgresError, VaultError, VaultUnavailable):
            self._take_back(lease)
        with self.pool.connection() as connection:
            connection.execute("UPDATE access.leases SET state = 'failed', ended_at = %s WHERE id = %s", (now, lease))
            detail = {"error": type(error).__name__ if error else "row_filter"}
            _record(connection, "lease:failed", actor, lease, found.project, found.dataset, found.id, "failed", now, detail)
        raise LeaseFailed(
            "The lease could not be opened; nothing of it is left. Try again, or see `sallyport status`."
        ) from error

    def _take_back(self, lease: str) -> None:
        """Vault's identities first, so that no session is left to use the views."""
        self.vault.revoke_leases_of_role(f"lease-{lease}")
        self.vault.delete_database_role(f"lease-{lease}")
        with self.live() as live:
            views.drop(live, lease)

    def _grant_when_enough(self, found: AccessRequest, actor: Actor, now: datetime) -> AccessRequest:
        decision = self._decide(_asker(found), found, found.project, found.columns, now)
        if "approvals_missing" in decision.reasons or "privacy_officer_missing" in decision.reasons:
            return found
        with self.pool.connection() as connection:
            if requests.get(connection, found.id, lock=True).state != "pending":
                return requests.get(connection, found.id)
            return requests.move(
                connection, found.id, "granted", actor=actor, now=now, refs={"decision_id": decision.decision_id}
            )

    def _decide(
        self, subject: Subject, found: AccessRequest, project: str, columns: tuple[str, ...], now: datetime, *,
        extra: tuple[Mapping[str, Any], ...] = (),
    ) -> Decision:  # fmt: skip
        resource = {"type": "dataset", "id": found.dataset, "project": project, "zone": "live", "columns": list(columns)}
        context = {"purpose": found.purpose, "grant": found.grant(now=now, extra=extra)}
        question = self.enforcer.question(subject, "read", resource, context)
        question["context"]["now"] = int(now.timestamp())
        return self.enforcer.decide(question)


def _asker(found: AccessRequest) -> Subject:
    """Who asked, as the issuer described them when they did; they are judged afresh when a lease is opened."""
    said = found.asker
    return Subject(
        said["id"], said["type"], tuple(said["roles"]), tuple(said["projects"]), said.get("training_until"), mfa=said["mfa"]
    )


def _record(
    connection: Connection[Any], event: str, actor: Actor, lease: str, project: str | None, dataset: str, request: str,
    outcome: Any, now: datetime, detail: Mapping[str, Any], refs: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    append(connection, Entry(
        type=event, actor=actor, object=ObjectRef("lease", lease), project=project, outcome=outcome,
        refs={"lease_id": lease, "grant_id": request, "dataset": dataset, **(refs or {})}, detail=detail, occurred_at=now,
    ))  # fmt: skip
