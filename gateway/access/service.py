"""Door 2 as a whole: ask, approve, open a lease, renew it, end it. The HTTP layer calls this and nothing below it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool

from compliance.entries import Actor
from compliance.paging import NEWEST, Page
from gateway.access import break_glass, leases, requests, services
from gateway.access.leases import LeaseNotFound, Row, Zone
from gateway.access.opening import Lease, Terms, open_lease
from gateway.access.requests import AccessRequest
from gateway.catalog import datasets
from gateway.enforcement import Enforcer
from gateway.identity import NotAuthenticated, Subject
from gateway.problems import Denied
from gateway.vault import Vault
from policies.decisions import Decision

__all__ = ["AccessService", "Lease", "LeaseNotFound"]

# What others' approvals can mend; anything else is denied at once.
MENDABLE = {"approvals_missing", "privacy_officer_missing"}
APPROVING_ROLES = ("data-steward", "privacy-officer")
STEWARD = "data-steward"
log = logging.getLogger("sallyport.access")


def as_they_said(subject: Subject) -> Subject | None:
    """The subject as its token says: where the gateway cannot ask the issuer about somebody."""
    return subject


@dataclass(frozen=True, slots=True)
class AccessService:
    """What door 2 needs. `live` gives a connection to the live database as gateway_live; `directory` says what the issuer says of
    a subject now, None when it is gone."""

    pool: ConnectionPool
    live: Callable[[], AbstractContextManager[Connection[Any]]]
    vault: Vault
    enforcer: Enforcer
    clock: Callable[[], datetime]
    directory: Callable[[Subject], Subject | None] = as_they_said
    unanswered: dict[str, datetime] = field(default_factory=dict)  # since when policy gives no answer about a lease

    @property
    def zone(self) -> Zone:
        return Zone(self.pool, self.live, self.vault, self.clock)

    def request(
        self, subject: Subject, *, dataset: str, columns: tuple[str, ...], purpose: str, hours: float, why: str
    ) -> AccessRequest:
        """The request is made, unless policy would deny it even with every approval: then Denied says why."""
        now = self.clock()
        subject = self._current(subject)
        with self.pool.connection() as connection:
            found = datasets.get(connection, dataset)
        asked = AccessRequest(
            "", subject.id, {}, dataset, found.project, columns, purpose, hours, why, "pending", now, None, None
        )
        decision = self._decide(subject, asked, now)
        if set(decision.reasons) - MENDABLE:
            raise Denied(decision, f"request access to {dataset}")
        with self.pool.connection() as connection:
            return requests.create(
                connection, actor=subject.actor(), asker=subject.policy_input(), dataset=dataset, project=found.project,
                columns=columns, purpose=purpose, hours=hours, why=why, now=now,
            )  # fmt: skip

    def approve(self, by: Subject, request: str) -> AccessRequest:
        """The approval is recorded, and the request granted once policy misses no approval. Raises Denied."""
        now, by = self.clock(), self._current(by)
        with self.pool.connection() as connection:
            found = requests.get(connection, request)
        if found.state != "pending":
            raise requests.WrongState(f"An access request that is {found.state} takes no approval.")
        roles = [role for role in APPROVING_ROLES if role in by.roles]
        self._require_decider(by, found, "approve")
        extra = tuple({"by": by.id, "role": role, "at": int(now.timestamp())} for role in roles)
        decision = self._decide(asker(found.asker), found, now, extra=extra)
        if set(decision.reasons) - MENDABLE:  # an approval counts only where everything else holds
            reasons = ("self_approval",) if "self_approval" in decision.reasons else decision.reasons
            self._refuse(by, found, "approve", reasons, decision.decision_id)
        with self.pool.connection() as connection:
            for role in roles:
                found = requests.approve(connection, found, by=by.actor(), role=role, now=now)
        return self._grant_when_enough(found, by.actor(), now)

    def reject(self, by: Subject, request: str, why: str) -> AccessRequest:
        """A steward has rejected the request, and the ledger says why."""
        by = self._current(by)
        with self.pool.connection() as connection:
            found = requests.get(connection, request)
        self._require_decider(by, found, "reject")
        with self.pool.connection() as connection:
            return requests.move(connection, found.id, "rejected", actor=by.actor(), now=self.clock(), detail={"why": why[:200]})

    def withdraw(self, by: Subject, request: str) -> AccessRequest:
        """The asker has taken the request back."""
        with self.pool.connection() as connection:
            found = requests.get(connection, request)
        if by.id != found.subject:
            self._refuse(by, found, "withdraw", ("role_not_permitted",), "")
        with self.pool.connection() as connection:
            return requests.move(connection, found.id, "withdrawn", actor=by.actor(), now=self.clock())

    def revoke_grant(self, by: Subject, request: str) -> AccessRequest:
        """The grant is void and every lease on it has ended. Its holder and the project's stewards may do this."""
        with self.pool.connection() as connection:
            found = requests.get(connection, request)
        if by.id != found.subject:
            self._require_decider(self._current(by), found, "revoke")
        with self.pool.connection() as connection:
            revoked = requests.move(connection, found.id, "revoked", actor=by.actor(), now=self.clock())
            standing = [row for row in leases.standing(connection) if row.request == found.id]
        for row in standing:
            leases.end(self.zone, row.id, by=by.actor(), why="grant-revoked")
        return revoked

    def open(self, subject: Subject, request: str) -> Lease:
        """A lease on a grant is open, and its credential wrapped for the caller alone. Raises Denied, LeaseFailed."""
        now, subject = self.clock(), self._current(subject)
        with self.pool.connection() as connection:
            found = requests.get(connection, request)
        decision = self._decide(subject, found, now)
        if not decision.allow or found.state != "granted" or found.expires is None:
            if decision.allow:
                decision = Decision(False, ("no_grant",), decision.decision_id, decision.policy_digest)
            raise Denied(decision, f"read live {found.dataset}")
        return open_lease(self.zone, Terms(
            subject, found.dataset, found.project, found.columns, found.purpose, "grant", found.id, decision, found.expires
        ))  # fmt: skip

    def open_in_emergency(
        self, subject: Subject, *, dataset: str, columns: tuple[str, ...], justification: str, incident: str
    ) -> tuple[Lease, break_glass.BreakGlass]:
        """A short lease without a grant, which has to be reviewed. Raises Denied, LeaseFailed."""
        now, subject = self.clock(), self._current(subject)
        with self.pool.connection() as connection:
            found = datasets.get(connection, dataset)
        said = {"justification": justification, "incident": incident}
        context = {"purpose": break_glass.PURPOSE, "break_glass": said}
        decision = self._ask(subject, dataset, found.project, columns, context, now)
        if not decision.allow:
            raise Denied(decision, f"read live {dataset} in an emergency")
        with self.pool.connection() as connection:
            used = break_glass.use(
                connection, subject=subject, dataset=dataset, project=found.project, columns=columns, said=said,
                decision=decision, now=now,
            )  # fmt: skip
        latest = now + timedelta(seconds=int(decision.obligations["ttl_seconds"]))
        terms = Terms(subject, dataset, found.project, columns, break_glass.PURPOSE, "break-glass", used.id, decision, latest)
        return open_lease(self.zone, terms), used

    def open_for_model(self, subject: Subject, model: str, columns: tuple[str, ...], *, public_keys: Mapping[str, str]) -> Lease:
        """A lease for the service of a deployed model on columns of its contract (all of them if none is named)."""
        now, subject = self.clock(), self._current(subject)
        with self.pool.connection() as connection:
            found = services.deployed(connection, model, public_keys)
            dataset = datasets.get(connection, found.dataset)
        wanted = columns or found.columns
        decision = self._ask(subject, found.dataset, dataset.project, wanted, {"promotion": found.context()}, now)
        if not decision.allow:
            raise Denied(decision, f"read live {found.dataset} as {model}")
        latest = now + timedelta(seconds=int(decision.obligations["ttl_seconds"]))
        return open_lease(self.zone, Terms(
            subject, found.dataset, dataset.project, wanted, None, "promotion", model, decision, latest
        ))  # fmt: skip

    def read_without_grant(self, subject: Subject, *, dataset: str, columns: tuple[str, ...], purpose: str) -> Decision:
        """What policy says to live access with no grant at all; it is recorded like any other."""
        with self.pool.connection() as connection:
            found = datasets.get(connection, dataset)
        resource = {"type": "dataset", "id": dataset, "project": found.project, "zone": "live", "columns": list(columns)}
        return self.enforcer.require(subject, "read", resource, what=f"read live {dataset}", context={"purpose": purpose})

    def renew(self, subject: Subject, lease: str) -> datetime:
        """The holder's lease lives on as long as policy says now, within its grant; until when."""
        now, subject = self.clock(), self._current(subject)
        with self.pool.connection() as connection:
            row = leases.get(connection, lease)
            found = requests.get(connection, row.request) if row.request else None
        if subject.id != row.subject or found is None or found.expires is None:
            raise Denied(Decision(False, ("no_grant",), "", self.enforcer.digest), "renew this lease")
        decision = self._decide(subject, found, now)
        if not decision.allow:
            raise Denied(decision, "renew this lease")
        return leases.renew(self.zone, row, decision, by=subject.actor(), latest=found.expires)

    def end_by(self, subject: Subject, lease: str) -> None:
        """The lease has ended at the word of its holder or of a steward of its project. Raises Denied."""
        with self.pool.connection() as connection:
            row = leases.get(connection, lease)
            if subject.id != row.subject and not (STEWARD in subject.roles and row.project in subject.projects):
                reasons = ("role_not_permitted",)
                detail = {"reasons": list(reasons)}
                leases.record(connection, "lease:revocation-refused", subject.actor(), row, "refused", self.clock(), detail)
                connection.commit()
                raise Denied(Decision(False, reasons, "", self.enforcer.digest), "end this lease")
        self.end(lease, by=subject.actor())

    def end(self, lease: str, *, by: Actor, why: str = "revoked") -> None:
        """The lease's sessions are dead, its role, views and key are gone, and the ledger says so; safe to do again."""
        leases.end(self.zone, lease, by=by, why=why)

    def leases(self, projects: tuple[str, ...], page: Page = NEWEST, *, all_of_them: bool = False) -> list[Row]:
        """The leases of these projects, newest first; only those that have not ended, unless all are asked for."""
        ended = "" if all_of_them else " AND state IN ('opening', 'open', 'ending')"
        with self.pool.connection() as connection:
            return leases.select(
                connection, f"WHERE project = ANY(%s){ended}" + page.tail("opened_at"), (list(projects), *page.values)
            )

    def reconcile(self) -> list[str]:
        """Leases that ended, that policy allows no more, or that a crash left are taken back on every side; their ids."""
        from gateway.access.reconciling import reconcile

        return reconcile(self)

    def question_of(self, row: Row, subject: Subject, now: datetime) -> dict[str, Any]:
        """What policy was asked when the lease was opened, as it would be asked now."""
        with self.pool.connection() as connection:
            context: dict[str, Any] = {"purpose": row.purpose} if row.purpose else {}
            match row.basis:
                case "grant":
                    context["grant"] = requests.get(connection, row.request or "").grant(now=now)
                case "break-glass":
                    context["break_glass"] = break_glass.get(connection, row.basis_id or "").said()
                case _:
                    context["promotion"] = services.deployed(connection, row.basis_id or "").context()
        return self._question(subject, row.dataset, row.project, row.columns, context, now)

    def _current(self, subject: Subject) -> Subject:
        """The subject as its issuer describes it now. Raises NotAuthenticated when it is gone."""
        found = self.directory(subject)
        if found is None:
            raise NotAuthenticated("The issuer does not know you any more.")
        return found

    def _require_decider(self, by: Subject, found: AccessRequest, verb: str) -> None:
        """A person with an approving role, of the request's own project. Raises Denied."""
        if not set(APPROVING_ROLES) & set(by.roles) or by.kind != "person":
            self._refuse(by, found, verb, ("role_not_permitted",), "")
        if found.project not in by.projects:
            self._refuse(by, found, verb, ("not_in_project",), "")

    def _refuse(self, by: Subject, found: AccessRequest, verb: str, reasons: tuple[str, ...], decision_id: str) -> None:
        """The refusal is in the ledger, and raised."""
        event = "access-request:approval-refused" if verb == "approve" else "access-request:change-refused"
        with self.pool.connection() as connection:
            requests.record(
                connection, found, event, "refused", by.actor(), self.clock(), reasons=reasons, detail={"wanted": verb},
                refs={"decision_id": decision_id} if decision_id else None,
            )  # fmt: skip
        raise Denied(Decision(False, reasons, decision_id, self.enforcer.digest), f"{verb} this request")

    def _grant_when_enough(self, found: AccessRequest, actor: Actor, now: datetime) -> AccessRequest:
        decision = self._decide(asker(found.asker), found, now)
        with self.pool.connection() as connection:
            if not decision.allow or requests.get(connection, found.id, lock=True).state != "pending":
                return requests.get(connection, found.id)
            return requests.move(
                connection, found.id, "granted", actor=actor, now=now, refs={"decision_id": decision.decision_id}
            )

    def _decide(
        self, subject: Subject, found: AccessRequest, now: datetime, *, extra: tuple[Mapping[str, Any], ...] = ()
    ) -> Decision:
        context = {"purpose": found.purpose, "grant": found.grant(now=now, extra=extra)}
        return self._ask(subject, found.dataset, found.project, found.columns, context, now)

    def _ask(
        self, subject: Subject, dataset: str, project: str, columns: tuple[str, ...], context: Mapping[str, Any], now: datetime
    ) -> Decision:
        return self.enforcer.decide(self._question(subject, dataset, project, columns, context, now))

    def _question(
        self, subject: Subject, dataset: str, project: str, columns: tuple[str, ...], context: Mapping[str, Any], now: datetime
    ) -> dict[str, Any]:
        resource = {"type": "dataset", "id": dataset, "project": project, "zone": "live", "columns": list(columns)}
        return self.enforcer.question(subject, "read", resource, {**context, "now": int(now.timestamp())})


def asker(said: Mapping[str, Any]) -> Subject:
    """Who asked, as the issuer described them when they did."""
    return Subject(
        said["id"], said["type"], tuple(said["roles"]), tuple(said["projects"]), said.get("training_until"), mfa=said["mfa"]
    )
