"""Erasures as the gateway keeps them: that a person was taken out, of what, at whose word; never who it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.entries import Actor, Entry, ObjectRef, Outcome
from compliance.ledger import append
from gateway.catalog.datasets import Dataset

COLUMNS = "id, dataset, project, person, asked_by, decision_id, started_at, finished_at, result"


@dataclass(frozen=True, slots=True)
class Erasure:
    """One person taken out of one dataset; `person` is a digest keyed by the project's key, `result` counts and snapshots."""

    id: str
    dataset: str
    project: str
    person: str
    asked_by: str
    decision_id: str
    started_at: datetime
    finished_at: datetime | None
    result: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "dataset": self.dataset, "project": self.project, "person": self.person, "asked_by": self.asked_by,
            "started_at": self.started_at.isoformat(), "finished_at": self.finished_at and self.finished_at.isoformat(),
            **self.result,
        }  # fmt: skip


def start(
    connection: Connection[Any], dataset: Dataset, *, person: str, actor: Actor, decision_id: str, now: datetime
) -> Erasure:
    """The ledger says that a person is about to be taken out of `dataset`, before anything is."""
    erasure = Erasure(uuid4().hex, dataset.id, dataset.project, person, actor.id, decision_id, now, None, {})
    connection.execute(
        "INSERT INTO catalog.erasures (id, dataset, project, person, asked_by, decision_id, started_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (erasure.id, dataset.id, dataset.project, person, actor.id, decision_id, now),
    )
    append(connection, _entry("dataset:erasure-started", erasure, actor, now, {"person": person}))
    return erasure


def removed(connection: Connection[Any], erasure: Erasure, *, now: datetime) -> None:
    """The rows are gone: no build that read before that will stand (`live_rows`)."""
    connection.execute("UPDATE catalog.erasures SET removed_at = %s WHERE id = %s", (now, erasure.id))


def finish(
    connection: Connection[Any],
    erasure: Erasure,
    *,
    actor: Actor,
    now: datetime,
    rows: Mapping[str, int],
    result: Mapping[str, Any],
) -> None:
    """The person is out of live data and of every snapshot, and the ledger says what went."""
    connection.execute(
        "UPDATE catalog.erasures SET finished_at = %s, result = %s WHERE id = %s", (now, Jsonb(dict(result)), erasure.id)
    )
    detail = {f"rows_{table}": count for table, count in rows.items()} | {"snapshots": len(result["snapshots"])}
    append(connection, _entry("dataset:erased", erasure, actor, now, detail | {"person": erasure.person}))


def refuse(
    connection: Connection[Any], erasure: Erasure, *, holds: Sequence[str], code: str, actor: Actor, now: datetime
) -> None:
    """The erasure is over with nothing deleted, and the ledger says which legal holds stopped it."""
    result = {"refused": code, "rows": {}, "snapshots": []}
    connection.execute(
        "UPDATE catalog.erasures SET finished_at = %s, result = %s WHERE id = %s", (now, Jsonb(result), erasure.id)
    )
    detail = {"code": code, "holds": list(holds), "person": erasure.person}
    append(connection, _entry("dataset:erasure-refused", erasure, actor, now, detail, outcome="refused"))


def every(connection: Connection[Any], dataset: str) -> list[Erasure]:
    """The erasures of a dataset, newest first."""
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM catalog.erasures WHERE dataset = %s ORDER BY started_at DESC LIMIT 500",  # noqa: S608
        (dataset,),
    ).fetchall()
    return [Erasure(*row) for row in rows]


def live_rows(connection: Connection[Any], dataset: str) -> tuple[int, datetime | None]:
    """How often somebody was taken out of the live rows, and when they were loaded: equal at two moments, nothing went between.

    Told by counting, for the clocks of two machines differ. The dataset is locked until the caller's transaction ends.
    """
    lock(connection, dataset)
    query = (
        "SELECT (SELECT count(*) FROM catalog.erasures WHERE dataset = datasets.id AND removed_at IS NOT NULL), loaded_at"
        " FROM catalog.datasets AS datasets WHERE id = %s"
    )
    taken, loaded_at = connection.execute(query, (dataset,)).fetchone() or (0, None)
    return taken, loaded_at


def lock(connection: Connection[Any], dataset: str) -> None:
    """Nobody else changes the dataset's live rows, begins or finishes a build, until the caller's transaction ends.

    Whoever only refers to the dataset, as a request for a snapshot does, need not wait.
    """
    connection.execute("SELECT 1 FROM catalog.datasets WHERE id = %s FOR NO KEY UPDATE", (dataset,))


def _entry(
    event: str, erasure: Erasure, actor: Actor, now: datetime, detail: Mapping[str, Any], outcome: Outcome = "done"
) -> Entry:
    return Entry(
        type=event,
        actor=actor,
        object=ObjectRef(type="dataset", id=erasure.dataset),
        project=erasure.project,
        outcome=outcome,
        refs={"decision_id": erasure.decision_id, "erasure_id": erasure.id},
        detail=detail,
        occurred_at=now,
    )
