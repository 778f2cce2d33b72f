"""Snapshots as the gateway keeps them: asked for by a steward, built by a worker, known by the digest of their bytes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import uuid4

from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from compliance.paging import NEWEST, Page
from gateway.catalog.datasets import Dataset
from gateway.errors import GatewayError

# The life cycle: from each state, where a snapshot may go.
TRANSITIONS: dict[str, tuple[str, ...]] = {
    "queued": ("building", "failed"),
    "building": ("building", "built", "refused", "failed"),  # again, when a worker was killed in the middle
    "built": ("erased",),
    "refused": (),
    "failed": (),
    "erased": (),
}
EVENTS = {
    "building": "snapshot:build-started",
    "built": "snapshot:built",
    "refused": "snapshot:refused",
    "failed": "snapshot:failed",
    "erased": "snapshot:erased",
}
COLUMNS = (
    "id, dataset, project, state, requested_by, requested_at, decision_id, limits, progress, digest, envelope,"
    " code, detail, finished_at, engine"
)


class SnapshotNotFound(GatewayError):
    """No snapshot of that id or digest exists."""

    code: ClassVar[str] = "snapshot_not_found"


class WrongState(GatewayError):
    """The snapshot is not in a state from which this step is possible."""

    code: ClassVar[str] = "wrong_state"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One snapshot; `digest` and `envelope` (the signed manifest) once it is built, `code` and `detail` when it is not to be."""

    id: str
    dataset: str
    project: str
    state: str
    requested_by: str
    requested_at: datetime
    decision_id: str
    limits: Mapping[str, Any]
    progress: Mapping[str, Any]
    digest: str | None
    envelope: Mapping[str, Any] | None
    code: str | None
    detail: str | None
    finished_at: datetime | None
    engine: str

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "dataset": self.dataset,
            "project": self.project,
            "state": self.state,
            "requested_by": self.requested_by,
            "requested_at": self.requested_at.isoformat(),
            "decision_id": self.decision_id,
            "limits": dict(self.limits),
            "progress": dict(self.progress),
            "digest": self.digest,
            "envelope": self.envelope,
            "code": self.code,
            "detail": self.detail,
            "finished_at": self.finished_at and self.finished_at.isoformat(),
            "engine": self.engine,
        }


def request(
    connection: Connection[Any], dataset: Dataset, *, actor: Actor, decision_id: str, limits: Mapping[str, Any], now: datetime,
    engine: str = "local",
) -> Snapshot:  # fmt: skip
    """A snapshot of `dataset` is queued, under the limits that policy set; asking for it is in the ledger."""
    snapshot = uuid4().hex
    connection.execute(
        "INSERT INTO catalog.snapshots (id, dataset, project, state, requested_by, requested_at, decision_id, limits, engine)"
        " VALUES (%s, %s, %s, 'queued', %s, %s, %s, %s, %s)",
        (snapshot, dataset.id, dataset.project, actor.id, now, decision_id, Jsonb(dict(limits)), engine),
    )
    append(
        connection,
        Entry(
            type="snapshot:requested",
            actor=actor,
            object=ObjectRef(type="snapshot", id=snapshot),
            project=dataset.project,
            outcome="done",
            refs={"decision_id": decision_id, "dataset": dataset.id},
            detail={"engine": engine},
            occurred_at=now,
        ),
    )
    return get(connection, snapshot)


def move(
    connection: Connection[Any],
    snapshot: str,
    state: Literal["building", "built", "refused", "failed", "erased"],
    *,
    actor: Actor,
    now: datetime,
    digest: str | None = None,
    envelope: Mapping[str, Any] | None = None,
    code: str | None = None,
    detail: str | None = None,
    facts: Mapping[str, Any] | None = None,
    refs: Mapping[str, str] | None = None,
) -> None:
    """The snapshot is in `state`, which its life cycle allows, and the ledger says so in the same transaction."""
    before = _select(connection, "WHERE id = %s FOR UPDATE", (snapshot,))
    if not before or state not in TRANSITIONS[before[0].state]:
        raise WrongState("The snapshot cannot be " + state + " from the state it is in.")
    finished = None if state == "building" else now
    connection.execute(
        "UPDATE catalog.snapshots SET state = %s, digest = %s, envelope = %s, code = %s, detail = %s, finished_at = %s"
        " WHERE id = %s",
        (state, digest, envelope and Jsonb(dict(envelope)), code, detail, finished, snapshot),
    )
    append(
        connection,
        Entry(
            type=EVENTS[state],
            actor=actor,
            object=ObjectRef(type="snapshot", id=snapshot, digest=digest),
            project=before[0].project,
            outcome=state if state == "refused" or state == "failed" else "done",  # noqa: PLR1714 - told apart by mypy
            reasons=(code,) if code else (),
            refs={"decision_id": before[0].decision_id, "dataset": before[0].dataset, **(refs or {})},
            detail=facts or {},
            occurred_at=now,
        ),
    )


def record_damage(connection: Connection[Any], found_by: Snapshot, digest: str, *, actor: Actor, now: datetime) -> None:
    """The ledger says that the files under `digest` were not those that were signed, before they are set aside."""
    append(
        connection,
        Entry(
            type="snapshot:damaged",
            actor=actor,
            object=ObjectRef(type="snapshot", id=found_by.id, digest=digest),
            project=found_by.project,
            outcome="failed",
            refs={"dataset": found_by.dataset},
            occurred_at=now,
        ),
    )


def predicate(snapshot: Snapshot) -> dict[str, Any]:
    """What the manifest of a built snapshot says, as the gateway stored it when it signed it."""
    payload: dict[str, Any] = json.loads(base64.b64decode((snapshot.envelope or {})["payload"]))
    found: dict[str, Any] = payload["predicate"]
    return found


def report_progress(connection: Connection[Any], snapshot: str, *, step: str, done: int, total: int) -> None:
    """Whoever looks at the snapshot sees how far its build is; progress is not evidence, so not in the ledger."""
    connection.execute(
        "UPDATE catalog.snapshots SET progress = %s WHERE id = %s AND state = 'building'",
        (Jsonb({"step": step, "done": done, "total": total}), snapshot),
    )


def get(connection: Connection[Any], name: str) -> Snapshot:
    """The snapshot of that id or digest. Raises SnapshotNotFound."""
    for found in _select(connection, "WHERE id = %s OR digest = %s ORDER BY requested_at DESC LIMIT 1", (name, name)):
        return found
    raise SnapshotNotFound("There is no such snapshot; `sallyport snapshot list` shows those that are.")


def every(connection: Connection[Any], *, projects: tuple[str, ...], page: Page = NEWEST) -> list[Snapshot]:
    """The snapshots of these projects, newest first."""
    return _select(connection, "WHERE project = ANY(%s)" + page.tail("requested_at"), (list(projects), *page.values))


def built(connection: Connection[Any], project: str) -> list[Snapshot]:
    """The snapshots of `project` that stand, newest first."""
    return _select(connection, "WHERE project = %s AND state = 'built' ORDER BY requested_at DESC", (project,))


def _select(connection: Connection[Any], tail: str, values: tuple[Any, ...]) -> list[Snapshot]:
    rows = connection.execute(f"SELECT {COLUMNS} FROM catalog.snapshots {tail}", values).fetchall()  # noqa: S608
    return [Snapshot(*row) for row in rows]
