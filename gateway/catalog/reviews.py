"""Campaigns of access review: who holds which grant is put to the stewards of the data, and each answer is on record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import uuid4

from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.canonical import canonical_json, digest
from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from gateway.errors import GatewayError

SYSTEM = Actor("reconciler", "system")
MEANINGS = {"keep": "the access is still needed", "revoke": "the access is to end"}
CAMPAIGN = "id, projects, started_by, started_at, due_at, closed_by, closed_at"
ITEM = (
    "id, campaign, grant_id, holder, dataset, project, facts, answer, why, answered_by, answered_at, carried_out, overdue_noted"
)
# Each standing grant, with what was done under it.
GRANTS = """
SELECT r.id, r.subject, r.dataset, r.project, r.purpose, r.expires, count(l.id), max(l.opened_at),
    (SELECT array_agg(a.by ORDER BY a.at) FROM access.approvals a WHERE a.request = r.id)
FROM access.requests r LEFT JOIN access.leases l ON l.request = r.id AND l.state <> 'failed'
WHERE r.state = 'granted' AND r.expires > %s AND (cardinality(%s::text[]) = 0 OR r.project = ANY(%s)) GROUP BY r.id ORDER BY r.id
"""


class ReviewNotFound(GatewayError):
    """There is no such review, or none of your projects."""

    code: ClassVar[str] = "review_not_found"


class ReviewOver(GatewayError):
    """The review takes no such step any more, or not yet."""

    code: ClassVar[str] = "review_over"


@dataclass(frozen=True, slots=True)
class Item:
    """One question: is `holder` to keep the grant? `facts` say what was done under it."""

    id: str
    campaign: str
    grant_id: str
    holder: str
    dataset: str
    project: str
    facts: Mapping[str, Any]
    answer: str | None = None
    why: str | None = None
    answered_by: str | None = None
    answered_at: datetime | None = None
    carried_out: bool = False
    overdue_noted: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "grant_id": self.grant_id, "holder": self.holder, "dataset": self.dataset, "project": self.project,
            "facts": dict(self.facts), "answer": self.answer, "why": self.why, "answered_by": self.answered_by,
            "answered_at": self.answered_at and self.answered_at.isoformat(), "carried_out": self.carried_out,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Campaign:
    """One campaign over `projects` (none: all) with its questions."""

    id: str
    projects: tuple[str, ...]
    started_by: str
    started_at: datetime
    due_at: datetime
    closed_by: str | None
    closed_at: datetime | None
    items: tuple[Item, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "projects": list(self.projects), "started_by": self.started_by,
            "started_at": self.started_at.isoformat(), "due_at": self.due_at.isoformat(), "closed_by": self.closed_by,
            "closed_at": self.closed_at and self.closed_at.isoformat(), "counts": self.counts(),
            "items": [item.as_json() for item in self.items],
        }  # fmt: skip

    def counts(self) -> dict[str, int]:
        """How many questions were answered how."""
        return {name: sum((one.answer or "open") == name for one in self.items) for name in ("keep", "revoke", "open")}


def start(
    connection: Connection[Any], *, projects: Sequence[str], due_at: datetime, actor: Actor, decision_id: str, now: datetime
) -> Campaign:
    """Every grant that stands in `projects` is a question to that project's stewards, each with its ledger entry."""
    campaign, wanted = uuid4().hex[:16], list(projects)
    connection.execute(
        "INSERT INTO catalog.review_campaigns (id, projects, started_by, started_at, due_at, decision_id)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        (campaign, wanted, actor.id, now, due_at, decision_id),
    )
    found = connection.execute(GRANTS, (now, wanted, wanted)).fetchall()
    detail = {"due": due_at.isoformat(), "questions": len(found), "projects": wanted}
    _record(connection, "access-review:started", campaign, actor, now, detail, {"decision_id": decision_id})
    for grant, holder, dataset, project, purpose, expires, leases, last, approved_by in found:
        facts = {
            "purpose": purpose, "expires": expires.isoformat(), "leases": leases, "last_opened": last and last.isoformat(),
            "approved_by": approved_by or [],
        }  # fmt: skip
        item = Item(uuid4().hex[:16], campaign, grant, holder, dataset, project, facts)
        connection.execute(
            "INSERT INTO catalog.review_items (id, campaign, grant_id, holder, dataset, project, facts)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (item.id, campaign, grant, holder, dataset, project, Jsonb(facts)),
        )
        _of_item(connection, "access-review:asked", item, actor, now, {"due": due_at.isoformat()})
    return get(connection, campaign)


def answer(connection: Connection[Any], item: Item, *, to: str, why: str, actor: Actor, now: datetime) -> Item:
    """The answer stands, once, and the ledger says what it means. Raises ReviewOver."""
    changed = connection.execute(
        "UPDATE catalog.review_items SET answer = %s, why = %s, answered_by = %s, answered_at = %s"
        " WHERE id = %s AND answer IS NULL AND"
        " (SELECT closed_at FROM catalog.review_campaigns WHERE id = campaign FOR SHARE) IS NULL",
        (to, why, actor.id, now, item.id),
    )
    if changed.rowcount != 1:
        raise ReviewOver("This question was answered before, or its campaign is closed.")
    late = get(connection, item.campaign).due_at < now
    _of_item(connection, "access-review:answered", item, actor, now, {"answer": to, "meaning": MEANINGS[to], "late": late})
    return get_item(connection, item.id)


def close(
    connection: Connection[Any], campaign: str, *, actor: Actor, decision_id: str, now: datetime, envelope: Mapping[str, Any]
) -> Campaign:
    """The campaign takes no answer any more, and its attested outcome is in the ledger. Raises ReviewOver."""
    found = get(connection, campaign, lock=True)
    if found.closed_at or (found.counts()["open"] and now < found.due_at):
        raise ReviewOver("A campaign is closed once, when every question is answered or its time is over.")
    connection.execute(
        "UPDATE catalog.review_campaigns SET closed_by = %s, closed_at = %s, envelope = %s WHERE id = %s",
        (actor.id, now, Jsonb(dict(envelope)), campaign),
    )
    detail = {**found.counts(), "envelope": digest(canonical_json(envelope))}
    _record(connection, "access-review:closed", campaign, actor, now, detail, {"decision_id": decision_id})
    return get(connection, campaign)


def note_overdue(connection: Connection[Any], now: datetime) -> list[str]:
    """The ledger has a finding for each question nobody answered in time, once; their ids."""
    rows = _items(connection, (
        "WHERE answer IS NULL AND NOT overdue_noted AND campaign IN (SELECT id FROM catalog.review_campaigns WHERE due_at < %s)"
        " FOR UPDATE SKIP LOCKED"
    ), (now,))  # fmt: skip
    for row in rows:
        connection.execute("UPDATE catalog.review_items SET overdue_noted = true WHERE id = %s", (row.id,))
        _of_item(connection, "access-review:overdue", row, SYSTEM, now, {}, outcome="failed")
    return [row.id for row in rows]


def to_carry_out(connection: Connection[Any]) -> list[Item]:
    """The questions answered with revoke whose grant may stand still."""
    return list(_items(connection, "WHERE answer = 'revoke' AND NOT carried_out", ()))


def carried_out(connection: Connection[Any], item: str) -> None:
    """That the grant is void is known; its own ledger entry was written when it became so."""
    connection.execute("UPDATE catalog.review_items SET carried_out = true WHERE id = %s", (item,))


def get(connection: Connection[Any], campaign: str, *, lock: bool = False) -> Campaign:
    """The campaign of that id. Raises ReviewNotFound."""
    for found in _campaigns(connection, f"WHERE id = %s{' FOR UPDATE' if lock else ''}", (campaign,)):
        return found
    raise ReviewNotFound("There is no such campaign of access review.")


def every(connection: Connection[Any]) -> list[Campaign]:
    """The newest campaigns, newest first."""
    return _campaigns(connection, "ORDER BY started_at DESC, id LIMIT 100", ())


def get_item(connection: Connection[Any], item: str) -> Item:
    """The question of that id. Raises ReviewNotFound."""
    for found in _items(connection, "WHERE id = %s", (item,)):
        return found
    raise ReviewNotFound("There is no such question of an access review.")


def _campaigns(connection: Connection[Any], tail: str, values: tuple[Any, ...]) -> list[Campaign]:
    rows = connection.execute(f"SELECT {CAMPAIGN} FROM catalog.review_campaigns {tail}", values).fetchall()  # noqa: S608
    return [_campaign(row, _items(connection, "WHERE campaign = %s ORDER BY project, holder, id", row[:1])) for row in rows]


def _campaign(row: tuple[Any, ...], items: tuple[Item, ...]) -> Campaign:
    name, projects, *rest = row
    started_by, started_at, due_at, closed_by, closed_at = rest
    return Campaign(name, tuple(projects), started_by, started_at, due_at, closed_by, closed_at, items)


def _items(connection: Connection[Any], tail: str, values: tuple[Any, ...]) -> tuple[Item, ...]:
    return tuple(Item(*row) for row in connection.execute(f"SELECT {ITEM} FROM catalog.review_items {tail}", values))  # noqa: S608


def _of_item(
    connection: Connection[Any], event: str, item: Item, actor: Actor, now: datetime, detail: Mapping[str, Any], *,
    outcome: Any = "done",
) -> None:  # fmt: skip
    refs = {"campaign": item.campaign, "grant_id": item.grant_id, "dataset": item.dataset, "holder": item.holder}
    append(connection, Entry(
        type=event, actor=actor, object=ObjectRef("access-review", item.id), project=item.project, outcome=outcome, refs=refs,
        detail=detail, occurred_at=now,
    ))  # fmt: skip


def _record(
    connection: Connection[Any], event: str, campaign: str, actor: Actor, now: datetime, detail: Mapping[str, Any],
    refs: Mapping[str, str],
) -> None:  # fmt: skip
    append(connection, Entry(
        type=event, actor=actor, object=ObjectRef("access-review", campaign), outcome="done", refs={"campaign": campaign, **refs},
        detail=detail, occurred_at=now,
    ))  # fmt: skip
