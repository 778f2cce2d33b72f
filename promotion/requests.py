"""Promotions in PostgreSQL: each change of state with its ledger entry, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.canonical import canonical_json, digest
from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from compliance.paging import NEWEST, Page
from promotion.checks import CHECKS
from promotion.checks.context import CheckResult
from promotion.errors import PromotionNotFound, WrongState
from promotion.model_contracts import ModelContract
from promotion.states import EVENTS, TRANSITIONS, State

DUE_DAYS = {"critical": 7, "high": 14, "medium": 30, "low": 90}
COLUMNS = "id, project, name, version, digest, tier, author, run_id, contract, contract_digest, state, submitted_at"


@dataclass(frozen=True, slots=True)
class Promotion:
    """A model on its way. `digest` names exactly the bytes that were submitted."""

    id: str
    project: str
    name: str
    version: int
    digest: str
    tier: str
    author: str
    run_id: str | None
    contract: str
    contract_digest: str
    state: State
    submitted_at: datetime

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "project": self.project, "name": self.name, "version": self.version, "digest": self.digest,
            "tier": self.tier, "author": self.author, "run_id": self.run_id, "contract_digest": self.contract_digest,
            "state": str(self.state), "submitted_at": self.submitted_at.isoformat(),
        }  # fmt: skip


def submit(
    connection: Connection[Any], *, project: str, contract: ModelContract, text: str, digest: str, run_id: str | None,
    author: Actor, now: datetime,
) -> Promotion:  # fmt: skip
    """A promotion of these bytes exists, of the next version of its name; submitting it is in the ledger."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"{project}/{contract.name}",))
    request = uuid4().hex
    connection.execute(
        "INSERT INTO promotion.requests SELECT %s, %s, %s, coalesce(max(version), 0) + 1, %s, %s, %s, %s, %s, %s, %s, %s, %s"
        " FROM promotion.requests WHERE project = %s AND name = %s",
        (
            request, project, contract.name, digest, contract.tier, author.id, run_id, text, contract.digest,
            State.SUBMITTED, now, now, project, contract.name,
        ),
    )  # fmt: skip
    made = get(connection, request)
    record(connection, made, EVENTS[State.SUBMITTED], "done", author, now, detail={"version": made.version})
    return made


def move(
    connection: Connection[Any], promotion: str, to: State, *, actor: Actor, now: datetime, refs: Mapping[str, str] | None = None,
    detail: Mapping[str, Any] | None = None, event: str | None = None,
) -> Promotion:  # fmt: skip
    """The promotion is in state `to`, and the ledger says so, by `event` if it is another than the state's own.

    Raises WrongState when its life cycle does not allow it.
    """
    before = get(connection, promotion, lock=True)
    if to not in TRANSITIONS[before.state]:
        raise WrongState(f"A promotion that is {before.state} cannot become {to}.")
    connection.execute("UPDATE promotion.requests SET state = %s, changed_at = %s WHERE id = %s", (to, now, promotion))
    outcome = "refused" if to in (State.REFUSED, State.REJECTED) else "done"
    record(connection, before, event or EVENTS[to], outcome, actor, now, refs=refs, detail=detail)
    return get(connection, promotion)


def record(
    connection: Connection[Any], promotion: Promotion, event: str, outcome: Any, actor: Actor, now: datetime, *,
    refs: Mapping[str, str] | None = None, detail: Mapping[str, Any] | None = None, reasons: tuple[str, ...] = (),
) -> None:  # fmt: skip
    """The event is in the ledger, about exactly the promotion's bytes."""
    append(connection, Entry(
        type=event, actor=actor, object=ObjectRef("model", f"{promotion.project}/{promotion.name}", promotion.digest),
        project=promotion.project, outcome=outcome, reasons=reasons, refs={"promotion": promotion.id, **(refs or {})},
        detail=detail or {}, occurred_at=now,
    ))  # fmt: skip


def store_check(
    connection: Connection[Any], promotion: Promotion, check: CheckResult, *, envelope: Mapping[str, Any], seconds: float,
    actor: Actor, now: datetime, days: Mapping[str, int] | None = None, refs: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """The check's signed result stands with the promotion, once, however often its step ran; its findings are open.

    The author is to see to a finding within the `days` of its severity; one of no severity there is due on no day.
    """
    stored = connection.execute(
        "INSERT INTO promotion.checks VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING name",
        (promotion.id, check.name, check.outcome, check.digest, check.summary, seconds, Jsonb(dict(envelope))),
    ).fetchone()
    if not stored:
        return
    for finding in check.findings:
        connection.execute(
            "INSERT INTO promotion.findings (request, id, severity, detail, check_name, owner, due)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                promotion.id,
                finding.id,
                finding.severity,
                finding.detail,
                check.name,
                promotion.author,
                _due(now, (DUE_DAYS if days is None else days).get(finding.severity)),
            ),
        )
    record(
        connection, promotion, "check:completed", "done" if check.outcome == "passed" else "failed", actor, now,
        refs={"check": check.name, **(refs or {})},
        detail={"findings": len(check.findings), "envelope": digest(canonical_json(dict(envelope)))},
    )  # fmt: skip


def get(connection: Connection[Any], promotion: str, *, lock: bool = False) -> Promotion:
    """The promotion of that id. Raises PromotionNotFound."""
    for found in _select(connection, f"WHERE id = %s{' FOR UPDATE' if lock else ''}", (promotion,)):
        return found
    raise PromotionNotFound("There is no such promotion; `sallyport promote list` shows those that are.")


def every(connection: Connection[Any], projects: tuple[str, ...], page: Page = NEWEST) -> list[Promotion]:
    """The promotions of these projects, newest first."""
    return _select(connection, "WHERE project = ANY(%s)" + page.tail("submitted_at"), (list(projects), *page.values))


def checks(connection: Connection[Any], promotion: str) -> list[dict[str, Any]]:
    """The promotion's checks as policy and people read them, in the order they run."""
    found = _rows(
        connection, "SELECT name, outcome, digest, summary, seconds FROM promotion.checks WHERE request = %s ORDER BY name",
        promotion,
    )  # fmt: skip
    order = {name: place for place, name in enumerate(CHECKS)}
    return sorted(found, key=lambda one: order.get(one["name"], len(order)))


def findings(connection: Connection[Any], promotion: str) -> list[dict[str, Any]]:
    """The promotion's findings, each with its owner and the day it is due; a closed one says who closed it and why."""
    return _rows(
        connection, "SELECT id, severity, detail, open, check_name AS check, closed_by, closed_at, closed_why AS why, owner,"
        " due::text AS due FROM promotion.findings WHERE request = %s ORDER BY id", promotion,
    )  # fmt: skip


def approvals(connection: Connection[Any], promotion: str) -> list[dict[str, Any]]:
    """The promotion's approvals; `at` in seconds since the epoch."""
    return _rows(
        connection, "SELECT by, role, digest, floor(extract(epoch FROM at))::bigint AS at, meaning FROM promotion.approvals"
        " WHERE request = %s ORDER BY at", promotion,
    )  # fmt: skip


def _due(now: datetime, days: int | None) -> date | None:
    return None if days is None else (now + timedelta(days=days)).date()


def _rows(connection: Connection[Any], query: Any, promotion: str) -> list[dict[str, Any]]:
    cursor = connection.execute(query, (promotion,))
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _select(connection: Connection[Any], tail: str, values: tuple[Any, ...]) -> list[Promotion]:
    query: Any = f"SELECT {COLUMNS} FROM promotion.requests {tail}"  # noqa: S608 - constants of this module
    fields = COLUMNS.split(", ")
    return [
        Promotion(**dict(zip(fields, row, strict=True)) | {"state": State(row[10])}) for row in connection.execute(query, values)
    ]
