"""Findings as the timer raised them: each once, said again when nobody saw to it in time, and over when nothing is to be seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from compliance.entries import Actor, Entry, ObjectRef
from compliance.findings import Finding
from compliance.ledger import append

TIMER = Actor("continuous-checks", "system")
COLUMNS = "id, code, severity, entry, raised_at, escalated_at"


@dataclass(frozen=True, slots=True)
class Raised:
    """A finding that stands: a code, how much it matters, the entry it is about, since when, and since when it is overdue."""

    id: int
    code: str
    severity: str
    entry: int
    raised_at: datetime
    escalated_at: datetime | None


def alone(connection: Connection[Any]) -> None:
    """Nobody else notes findings until the transaction ends: what was found earlier must not be noted later."""
    connection.execute("LOCK TABLE catalog.findings IN SHARE ROW EXCLUSIVE MODE")


def note(connection: Connection[Any], found: Sequence[Finding], *, now: datetime, overdue: timedelta) -> list[Raised]:
    """What was found (while `alone`) stands, what was not is over, what stands longer than `overdue` is said again; each once.

    Every change has its ledger entry. What stands now is returned, oldest first.
    """
    alone(connection)
    before, seen = {(one.code, one.entry): one for one in standing(connection)}, {(one.code, one.entry): one for one in found}
    for key, finding in seen.items():
        if key not in before:
            connection.execute(
                "INSERT INTO catalog.findings (code, severity, entry, raised_at) VALUES (%s, %s, %s, %s)",
                (finding.code, finding.severity, finding.entry, now),
            )
            _record(connection, "finding:raised", finding, now)
    for key, one in before.items():
        if key not in seen:
            connection.execute("UPDATE catalog.findings SET over_at = %s WHERE id = %s", (now, one.id))
            _record(connection, "finding:over", one, now)
        elif one.escalated_at is None and now - one.raised_at > overdue:
            connection.execute("UPDATE catalog.findings SET escalated_at = %s WHERE id = %s", (now, one.id))
            _record(connection, "finding:escalated", one, now)
    return standing(connection)


def standing(connection: Connection[Any]) -> list[Raised]:
    """The findings that are not over, oldest first."""
    rows = connection.execute(f"SELECT {COLUMNS} FROM catalog.findings WHERE over_at IS NULL ORDER BY id").fetchall()  # noqa: S608
    return [Raised(*row) for row in rows]


def _record(connection: Connection[Any], event: str, about: Finding | Raised, now: datetime) -> None:
    detail = {"code": about.code, "severity": about.severity, "entry": about.entry}
    append(connection, Entry(
        type=event, actor=TIMER, object=ObjectRef("finding", f"{about.code}-{about.entry}"), outcome="done", detail=detail,
        occurred_at=now,
    ))  # fmt: skip
