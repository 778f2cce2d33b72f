"""Exports of evidence as the gateway keeps them: asked for by a person, made by a worker, fetched as one archive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.entries import Actor, Entry, ObjectRef, Outcome
from compliance.errors import ExportNotFound
from compliance.ledger import append

# The life cycle: from each state, where an export may go.
TRANSITIONS: dict[str, tuple[str, ...]] = {
    "queued": ("building", "failed"),
    "building": ("building", "ready", "failed"),  # again, when a worker was killed in the middle
    "ready": (),
    "failed": (),
}
EVENTS: dict[str, tuple[str, Outcome]] = {"ready": ("audit:exported", "done"), "failed": ("audit:export-failed", "failed")}
COLUMNS = "id, since, until, profile, state, asker, decision_id, requested_at, progress, result, code, detail, accounting, reader"


@dataclass(frozen=True, slots=True)
class Export:
    """One export: its period [since, until) and profile, how far it is, and the `result` once it is ready."""

    id: str
    since: datetime
    until: datetime
    profile: str
    state: str
    asker: Mapping[str, Any]
    decision_id: str
    requested_at: datetime
    progress: Mapping[str, Any]
    result: Mapping[str, Any] | None
    code: str | None
    detail: str | None
    accounting: str | None
    reader: str

    @property
    def actor(self) -> Actor:
        """Who asked, with the roles held then."""
        return Actor(self.asker["id"], self.asker["kind"], tuple(self.asker["roles"]))

    def as_json(self) -> dict[str, Any]:
        about = {
            "id": self.id, "state": self.state, "since": self.since.isoformat(), "until": self.until.isoformat(),
            "profile": self.profile, "progress": dict(self.progress), "requested_by": self.asker["id"],
            "requested_at": self.requested_at.isoformat(), "code": self.code, "detail": self.detail,
            "accounting": self.accounting, "reader": self.reader,
        }  # fmt: skip
        return about | dict(self.result or {})


def request(
    connection: Connection[Any], *, since: datetime, until: datetime, profile: str, actor: Actor, decision_id: str,
    now: datetime, accounting: str | None = None, reader: str = "regulator",
) -> Export:  # fmt: skip
    """An export is queued, and the ledger says that it is to be made."""
    name = uuid4().hex
    connection.execute(
        "INSERT INTO catalog.exports (id, since, until, profile, state, asker, decision_id, requested_at, accounting,"
        " reader) VALUES (%s, %s, %s, %s, 'queued', %s, %s, %s, %s, %s)",
        (name, since, until, profile, Jsonb(actor.as_json()), decision_id, now, accounting, reader),
    )
    made = get(connection, name)
    record(connection, made, "audit:export-started", "done", now, {})
    return made


def move(
    connection: Connection[Any], name: str, to: Literal["building", "ready", "failed"], *, now: datetime,
    result: Mapping[str, Any] | None = None, code: str | None = None, detail: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Export:  # fmt: skip
    """The export is in state `to`, and the ledger says so once it ended. Raises ExportNotFound where it has ended already."""
    before = get(connection, name, lock=True)
    if to not in TRANSITIONS[before.state]:
        raise ExportNotFound(f"An export that is {before.state} cannot become {to}.")
    connection.execute(
        "UPDATE catalog.exports SET state = %s, result = %s, code = %s, detail = %s, finished_at = %s WHERE id = %s",
        (to, result and Jsonb(dict(result)), code, detail, None if to == "building" else now, name),
    )
    if to in EVENTS:
        event, outcome = EVENTS[to]
        digest = str(result["digest"]) if result else None
        record(connection, before, event, outcome, now, facts or {}, digest=digest)
    return get(connection, name)


def report_progress(connection: Connection[Any], name: str, *, step: str, done: int, total: int) -> None:
    """Whoever waits sees how far the export is; progress is not evidence, so not in the ledger."""
    connection.execute(
        "UPDATE catalog.exports SET progress = %s WHERE id = %s AND state = 'building'",
        (Jsonb({"step": step, "done": done, "total": total}), name),
    )


def record(
    connection: Connection[Any], export: Export, event: str, outcome: Outcome, now: datetime, detail: Mapping[str, Any], *,
    by: Actor | None = None, decision_id: str | None = None, digest: str | None = None,
) -> None:  # fmt: skip
    """The event is in the ledger, with the export's period."""
    period = {"since": export.since.isoformat(), "until": export.until.isoformat(), "profile": export.profile}
    period["reader"] = export.reader
    about = {"accounting": export.accounting} if export.accounting else {}
    append(connection, Entry(
        type=event, actor=by or export.actor, object=ObjectRef("evidence", export.id, digest), outcome=outcome,
        refs={"decision_id": decision_id or export.decision_id, **about}, detail={**period, **detail}, occurred_at=now,
    ))  # fmt: skip


def get(connection: Connection[Any], name: str, *, lock: bool = False) -> Export:
    """The export of that id. Raises ExportNotFound."""
    for found in _select(connection, f"WHERE id = %s{' FOR UPDATE' if lock else ''}", (name,)):
        return found
    raise ExportNotFound("There is no such export.")


def every(connection: Connection[Any]) -> list[Export]:
    """The newest exports, newest first."""
    return _select(connection, "ORDER BY requested_at DESC, id LIMIT 200", ())


def _select(connection: Connection[Any], tail: str, values: tuple[Any, ...]) -> list[Export]:
    rows = connection.execute(f"SELECT {COLUMNS} FROM catalog.exports {tail}", values).fetchall()  # noqa: S608
    return [Export(*row) for row in rows]
