"""Legal holds as the gateway keeps them, each placing and lifting with its ledger entry, and what was deleted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar
from uuid import uuid4

from psycopg import Connection

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from compliance.retention import Hold, Kept
from gateway.errors import GatewayError

COLUMNS = "id, reason, placed_by, placed_at, kind, project, dataset, thing, lifted_by, lifted_at"
# Who deletes takes this lock first: it waits for a hold that is being placed, and one placed later waits for the deletion.
ALONE = "LOCK TABLE catalog.holds IN SHARE ROW EXCLUSIVE MODE"
STILL = "LOCK TABLE catalog.holds IN SHARE MODE"  # as well, and others who delete in other places need not wait


class HoldNotFound(GatewayError):
    """There is no such hold, or it was lifted before."""

    code: ClassVar[str] = "hold_not_found"


def place(
    connection: Connection[Any], *, reason: str, scope: Mapping[str, str | None], actor: Actor, decision_id: str, now: datetime
) -> Hold:
    """The hold stands, and the ledger says over what; its reason is free text and stays here."""
    name = uuid4().hex[:16]
    values = {key: scope.get(key) for key in ("kind", "project", "dataset", "thing")}
    connection.execute(
        "INSERT INTO catalog.holds (id, reason, kind, project, dataset, thing, placed_by, placed_at, decision_id)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (name, reason, *values.values(), actor.id, now, decision_id),
    )
    made = get(connection, name)
    _record(connection, "hold:placed", made, actor, decision_id, now)
    return made


def lift(connection: Connection[Any], name: str, *, actor: Actor, decision_id: str, now: datetime) -> Hold:
    """The hold stands no more, and the ledger says who lifted it. Raises HoldNotFound."""
    changed = connection.execute(
        "UPDATE catalog.holds SET lifted_by = %s, lifted_at = %s WHERE id = %s AND lifted_at IS NULL", (actor.id, now, name)
    )
    if changed.rowcount != 1:
        raise HoldNotFound("There is no such hold, or it was lifted before.")
    lifted = get(connection, name)
    _record(connection, "hold:lifted", lifted, actor, decision_id, now)
    return lifted


def get(connection: Connection[Any], name: str) -> Hold:
    """The hold of that id. Raises HoldNotFound."""
    for row in connection.execute(f"SELECT {COLUMNS} FROM catalog.holds WHERE id = %s", (name,)).fetchall():  # noqa: S608
        return Hold(*row)
    raise HoldNotFound("There is no such hold.")


def every(connection: Connection[Any]) -> list[Hold]:
    """All holds, those that stand first, newest first."""
    rows = connection.execute(f"SELECT {COLUMNS} FROM catalog.holds ORDER BY lifted_at NULLS FIRST, placed_at DESC")  # noqa: S608
    return [Hold(*row) for row in rows.fetchall()]


def deleted(connection: Connection[Any], kind: str) -> set[str]:
    """The ids of the things of that kind that were deleted."""
    return {name for (name,) in connection.execute("SELECT id FROM catalog.deletions WHERE kind = %s", (kind,)).fetchall()}


def delete(connection: Connection[Any], kept: Kept, *, actor: Actor, decision_id: str, now: datetime, rows: int | None) -> None:
    """That the thing is deleted is on record, once; `rows` when it was rows of a table, which the caller deleted."""
    thing = kept.thing
    stored = connection.execute(
        "INSERT INTO catalog.deletions VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING", (thing.kind, thing.id, now, decision_id)
    )
    if stored.rowcount or rows:
        detail = {"since": thing.since.isoformat(), "kept_until": kept.until.isoformat()} | ({"rows": rows} if rows else {})
        append(connection, Entry(
            type="retention:deleted", actor=actor, object=ObjectRef(thing.kind, thing.id), project=thing.project, outcome="done",
            refs={"decision_id": decision_id} | ({"dataset": thing.dataset} if thing.dataset else {}), detail=detail,
            occurred_at=now,
        ))  # fmt: skip


def _record(connection: Connection[Any], event: str, hold: Hold, actor: Actor, decision_id: str, now: datetime) -> None:
    refs = {"decision_id": decision_id} | ({"dataset": hold.dataset} if hold.dataset else {})
    append(connection, Entry(
        type=event, actor=actor, object=ObjectRef("hold", hold.id), project=hold.project, outcome="done", refs=refs,
        detail={"kind": hold.kind, "thing": hold.thing}, occurred_at=now,
    ))  # fmt: skip
