"""Break-glass: live data in an incident without a grant, for minutes, and the review that must follow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

from psycopg import Connection

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from compliance.paging import NEWEST, Page
from gateway.errors import GatewayError
from gateway.identity import Subject
from gateway.problems import Denied
from policies.decisions import Decision

PURPOSE = "incident-response"
REVIEWER = "data-steward"
OUTCOMES = ("justified", "not-justified")
SYSTEM = Actor("reconciler", "system")
COLUMNS = (
    "id, subject, dataset, project, columns, justification, incident, at, review_due, overdue_noted, reviewed_by, reviewed_at,"
    " outcome, note"
)


class BreakGlassNotFound(GatewayError):
    """There is no such use of break-glass."""

    code: ClassVar[str] = "break_glass_not_found"


class AlreadyReviewed(GatewayError):
    """This use of break-glass was reviewed before."""

    code: ClassVar[str] = "already_reviewed"


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """One use: who, what, why, and what the review found."""

    id: str
    subject: str
    dataset: str
    project: str
    columns: tuple[str, ...]
    justification: str
    incident: str
    at: datetime
    review_due: datetime
    overdue_noted: bool
    reviewed_by: str | None
    reviewed_at: datetime | None
    outcome: str | None
    note: str | None

    def said(self) -> dict[str, str]:
        """`context.break_glass` of a policy question."""
        return {"justification": self.justification, "incident": self.incident}

    def as_json(self, now: datetime) -> dict[str, Any]:
        return {
            "id": self.id, "subject": self.subject, "dataset": self.dataset, "project": self.project,
            "columns": list(self.columns), "justification": self.justification, "incident": self.incident,
            "at": self.at.isoformat(), "review_due": self.review_due.isoformat(),
            "overdue": self.outcome is None and now > self.review_due, "reviewed_by": self.reviewed_by,
            "reviewed_at": self.reviewed_at and self.reviewed_at.isoformat(), "outcome": self.outcome, "note": self.note,
        }  # fmt: skip


def use(
    connection: Connection[Any], *, subject: Subject, dataset: str, project: str, columns: tuple[str, ...],
    said: Mapping[str, str], decision: Decision, now: datetime,
) -> BreakGlass:  # fmt: skip
    """The use is recorded, and that its review is due; both before anything can be read."""
    due = now + timedelta(seconds=int(decision.obligations["review_within_seconds"]))
    used = uuid4().hex[:16]
    connection.execute(
        "INSERT INTO access.break_glass (id, subject, dataset, project, columns, justification, incident, at, review_due)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (used, subject.id, dataset, project, list(columns), said["justification"], said["incident"], now, due),
    )
    made = get(connection, used)
    refs, detail = {"decision_id": decision.decision_id}, {"columns": list(columns)}
    _record(connection, made, "break-glass:used", subject.actor(), "done", now, detail, refs)
    _record(connection, made, "break-glass:review-due", subject.actor(), "done", now, {"due": due.isoformat()}, refs)
    return made


def review(connection: Connection[Any], used: str, *, by: Subject, outcome: str, note: str, now: datetime) -> BreakGlass:
    """The use was judged, once, by a steward of its project other than who used it. Raises Denied, AlreadyReviewed."""
    found = get(connection, used, lock=True)
    reason = _why_not(found, by)
    if reason:
        _record(connection, found, "break-glass:review-refused", by.actor(), "refused", now, {}, reasons=(reason,))
        connection.commit()
        raise Denied(Decision(False, (reason,), "", ""), "review this use of break-glass")
    if found.outcome:
        raise AlreadyReviewed("This use of break-glass was reviewed before.")
    connection.execute(
        "UPDATE access.break_glass SET reviewed_by = %s, reviewed_at = %s, outcome = %s, note = %s WHERE id = %s",
        (by.id, now, outcome, note, used),
    )
    detail = {"outcome": outcome, "late": now > found.review_due}
    _record(connection, found, "break-glass:reviewed", by.actor(), "done", now, detail)
    return get(connection, used)


def note_overdue(connection: Connection[Any], now: datetime) -> list[str]:
    """The ledger has a finding for each use whose review is overdue, once; their ids."""
    rows = _select(connection, "WHERE outcome IS NULL AND review_due < %s AND NOT overdue_noted FOR UPDATE SKIP LOCKED", (now,))
    for row in rows:
        connection.execute("UPDATE access.break_glass SET overdue_noted = true WHERE id = %s", (row.id,))
        _record(connection, row, "break-glass:review-overdue", SYSTEM, "failed", now, {"due": row.review_due.isoformat()})
    return [row.id for row in rows]


def get(connection: Connection[Any], used: str, *, lock: bool = False) -> BreakGlass:
    """The use of that id. Raises BreakGlassNotFound."""
    for found in _select(connection, f"WHERE id = %s{' FOR UPDATE' if lock else ''}", (used,)):
        return found
    raise BreakGlassNotFound("There is no such use of break-glass; `sallyport access list` shows those that are.")


def every(connection: Connection[Any], projects: tuple[str, ...] | None, page: Page = NEWEST) -> list[BreakGlass]:
    """The uses in these projects (None: all), newest first."""
    which, values = ("true", ()) if projects is None else ("project = ANY(%s)", (list(projects),))
    return _select(connection, f"WHERE {which}" + page.tail("at"), (*values, *page.values))


def _why_not(found: BreakGlass, by: Subject) -> str | None:
    if by.id == found.subject:
        return "self_approval"
    if by.kind != "person" or REVIEWER not in by.roles:
        return "role_not_permitted"
    return None if found.project in by.projects else "not_in_project"


def _select(connection: Connection[Any], tail: str, values: tuple[Any, ...]) -> list[BreakGlass]:
    rows = connection.execute(f"SELECT {COLUMNS} FROM access.break_glass {tail}", values).fetchall()  # noqa: S608
    return [BreakGlass(*_frozen(row)) for row in rows]


def _record(
    connection: Connection[Any], used: BreakGlass, event: str, actor: Actor, outcome: Any, now: datetime,
    detail: Mapping[str, Any], refs: Mapping[str, str] | None = None, reasons: tuple[str, ...] = (),
) -> None:  # fmt: skip
    append(connection, Entry(
        type=event, actor=actor, object=ObjectRef("break-glass", used.id), project=used.project, outcome=outcome,
        reasons=reasons, detail=detail, occurred_at=now,
        refs={"break_glass_id": used.id, "dataset": used.dataset, "purpose": PURPOSE, "holder": used.subject, **(refs or {})},
    ))  # fmt: skip


def _frozen(row: tuple[Any, ...]) -> Any:
    return [tuple(value) if isinstance(value, list) else value for value in row]
