"""The policy enforcement point: every question put to policy is recorded before its answer is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NoReturn
from uuid import uuid4

from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from compliance.canonical import canonical_json, digest
from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from gateway.identity import Subject
from gateway.problems import Denied
from gateway.tracing import span
from policies.bundle import Bundle
from policies.client import PolicyClient
from policies.decisions import Decision
from policies.embedded import EmbeddedEngine


class Enforcer:
    """Asks policy about a subject, records question and answer in one transaction, and only then gives the answer."""

    def __init__(
        self,
        *,
        client: PolicyClient,
        pool: ConnectionPool,
        datasets: Callable[[], Mapping[str, Any]],
        clock: Callable[[], datetime],
    ) -> None:
        self._client, self._pool, self._datasets, self._clock = client, pool, datasets, clock
        self._here: PolicyClient | None = None

    @property
    def policies(self) -> Bundle:
        """The policies in force."""
        return self._client.engine.bundle

    @property
    def digest(self) -> str:
        """Which policies decide."""
        return self._client.digest

    def decide(
        self, input: Mapping[str, Any], *, datasets: Mapping[str, Any] | None = None, decision_id: str | None = None,
        client: PolicyClient | None = None,
    ) -> Decision:  # fmt: skip
        """The decision on `input`, already in the ledger; a failure to record it raises, so nothing goes ahead."""
        decision_id = decision_id or uuid4().hex
        with span("decide", decision_id=decision_id):
            known = self._datasets() if datasets is None else datasets
            decision = (client or self._client).decide(input, datasets=known, decision_id=decision_id)
            with self._pool.connection() as connection:
                self._record(connection, input, decision)
        return decision

    def peek(self, input: Mapping[str, Any]) -> Decision:
        """What policy would say, not recorded: only to learn whether a recorded decision still holds, never to go ahead on."""
        return self._client.decide(input, datasets=self._datasets(), decision_id="")

    def require(
        self, subject: Subject, action: str, resource: Mapping[str, Any], *, what: str, context: Mapping[str, Any] | None = None
    ) -> Decision:
        """Policy allows `subject` to do `action` on `resource` now; otherwise Denied is raised."""
        decision = self.decide(self.question(subject, action, resource, context))
        if not decision.allow:
            raise Denied(decision, what)
        return decision

    def require_here(self, subject: Subject, action: str, resource: Mapping[str, Any], *, what: str) -> Decision:
        """As `require`, decided by the same policies in this process, as the server that decides may be the one who asks."""
        if self._here is None:
            self._here = PolicyClient(EmbeddedEngine(self.policies))
        decision = self.decide(self.question(subject, action, resource), datasets={}, client=self._here)
        if not decision.allow:
            raise Denied(decision, what)
        return decision

    def refuse(self, subject: Subject, action: str, resource: Mapping[str, Any], *, reason: str, what: str) -> NoReturn:
        """Denied for a reason the gateway sees before it asks policy; recorded like policy's own answers."""
        decision = Decision(False, (reason,), uuid4().hex, self.digest)
        with self._pool.connection() as connection:
            self._record(connection, self.question(subject, action, resource), decision)
        raise Denied(decision, what)

    def question(
        self, subject: Subject, action: str, resource: Mapping[str, Any], context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """A policy input in the shape of POLICY.md, at the time of this clock."""
        now = int(self._clock().timestamp())
        return {
            "subject": subject.policy_input(),
            "action": action,
            "resource": dict(resource),
            "context": {"now": now, **(context or {})},
        }

    def _record(self, connection: Any, input: Mapping[str, Any], decision: Decision) -> None:
        subject, resource = _mapping(input.get("subject")), _mapping(input.get("resource"))
        now = self._clock()
        connection.execute(
            "INSERT INTO catalog.decisions VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                decision.decision_id,
                now,
                str(subject.get("id")),
                str(input.get("action")),
                decision.allow,
                list(decision.reasons),
                decision.policy_digest,
                Jsonb(dict(input)),
            ),
        )
        append(
            connection,
            Entry(
                type="decision:made",
                actor=Actor(id=str(subject.get("id")), kind=_kind(subject), roles=tuple(map(str, subject.get("roles", ())))),
                object=ObjectRef(type=str(resource.get("type")), id=str(resource.get("id"))),
                project=resource.get("project"),
                outcome="allow" if decision.allow else "deny",
                reasons=decision.reasons,
                refs={"decision_id": decision.decision_id, "policy_digest": decision.policy_digest},
                detail={"action": str(input.get("action")), "input_digest": digest(canonical_json(dict(input)))},
                occurred_at=now,
            ),
        )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _kind(subject: Mapping[str, Any]) -> Any:
    kind = subject.get("type")
    return kind if kind in ("person", "service") else "system"
