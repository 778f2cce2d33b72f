"""Requests out of the sandbox and into it: each change of state with its ledger entry, in the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.canonical import canonical_json
from compliance.canonical import digest as digest_of
from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append, integrate
from compliance.paging import NEWEST, Page
from gateway.airlock.errors import EgressNotFound, WrongState
from sandbox.airlock.states import EVENTS, INCOMING_EVENTS, Direction, State, following

COLUMNS = "id, project, author, why, state, digest, tables, round, submitted_at, changed_at, direction"


@dataclass(frozen=True, slots=True)
class Egress:
    """A request. `digest` names exactly its files and what is declared of its tables; `round` counts its changes."""

    id: str
    project: str
    author: str
    why: str
    state: State
    digest: str
    tables: Mapping[str, Any]
    round: int
    submitted_at: datetime
    changed_at: datetime
    direction: Direction = Direction.OUT

    @property
    def kind(self) -> str:
        """What ledger and policy call it."""
        return "ingress" if self.direction is Direction.IN else "egress"

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "project": self.project, "author": self.author, "why": self.why, "state": str(self.state),
            "digest": self.digest, "round": self.round, "submitted_at": self.submitted_at.isoformat(),
            "changed_at": self.changed_at.isoformat(), "direction": str(self.direction),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """A file as it is held: its path in the request, the digest of its bytes, how many they are."""

    path: str
    digest: str
    bytes: int

    def as_json(self) -> dict[str, Any]:
        return {"path": self.path, "digest": self.digest, "bytes": self.bytes}


def submit(
    connection: Connection[Any], *, project: str, why: str, files: tuple[Held, ...], tables: Mapping[str, Any], author: Actor,
    now: datetime, direction: Direction = Direction.OUT,
) -> Egress:  # fmt: skip
    """A request for these files exists; submitting it is in the ledger."""
    request = uuid4().hex
    connection.execute(
        "INSERT INTO airlock.requests VALUES (%s, %s, %s, %s, %s, %s, %s, 1, %s, %s, %s)",
        (request, project, author.id, why, State.SUBMITTED, _digest(files, tables), Jsonb(dict(tables)), now, now, direction),
    )
    for file in files:
        connection.execute(
            "INSERT INTO airlock.files VALUES (%s, %s, %s, %s, %s)", (request, file.path, file.digest, file.bytes, now)
        )
    made = get(connection, request)
    detail = {"files": len(files), "bytes": sum(file.bytes for file in files)}
    record(connection, made, EVENTS[State.SUBMITTED], "done", author, now, detail=detail)
    return made


def replace(connection: Connection[Any], request: str, file: Held, *, author: Actor, now: datetime) -> Egress:
    """The file's new bytes count from now on and all votes on the old ones are void; the request is checked again."""
    before = get(connection, request, lock=True)
    if State.SUBMITTED not in following(before.state, before.direction):
        raise WrongState(f"A request that is {before.state} takes no other files.")
    connection.execute(
        "UPDATE airlock.files SET replaced_at = %s WHERE request = %s AND path = %s AND replaced_at IS NULL",
        (now, request, file.path),
    )
    connection.execute(
        "INSERT INTO airlock.files VALUES (%s, %s, %s, %s, %s)", (request, file.path, file.digest, file.bytes, now)
    )
    voided = connection.execute(
        "UPDATE airlock.votes SET void = true WHERE request = %s AND path = %s AND NOT void", (request, file.path)
    ).rowcount
    connection.execute(
        "UPDATE airlock.requests SET state = %s, digest = %s, round = round + 1, changed_at = %s WHERE id = %s",
        (State.SUBMITTED, _digest(files(connection, request), before.tables), now, request),
    )
    after = get(connection, request)
    detail = {"file": digest_of(file.path.encode()), "votes_voided": voided, "round": after.round}
    record(connection, after, "egress:file-changed", "done", author, now, detail=detail)
    return after


def move(
    connection: Connection[Any], request: str, to: State, *, actor: Actor, now: datetime, refs: Mapping[str, str] | None = None,
    detail: Mapping[str, Any] | None = None, reasons: tuple[str, ...] = (),
) -> Egress:  # fmt: skip
    """The request is in state `to`, and the ledger says so. Raises WrongState when its life cycle does not allow it."""
    before = get(connection, request, lock=True)
    if to not in following(before.state, before.direction):
        raise WrongState(f"A request that is {before.state} cannot become {to}.")
    connection.execute("UPDATE airlock.requests SET state = %s, changed_at = %s WHERE id = %s", (to, now, request))
    outcome = "refused" if to is State.RETURNED else "done"
    record(connection, before, EVENTS[to], outcome, actor, now, refs=refs, detail=detail, reasons=reasons)
    return get(connection, request)


def record(
    connection: Connection[Any], request: Egress, event: str, outcome: Any, actor: Actor, now: datetime, *,
    refs: Mapping[str, str] | None = None, detail: Mapping[str, Any] | None = None, reasons: tuple[str, ...] = (),
) -> None:  # fmt: skip
    """The event is in the ledger, about exactly the request's bytes."""
    append(connection, Entry(
        type=event if request.direction is Direction.OUT else INCOMING_EVENTS[event], actor=actor,
        object=ObjectRef(request.kind, request.id, request.digest), project=request.project,
        outcome=outcome, reasons=reasons, refs=refs or {}, detail=detail or {}, occurred_at=now,
    ))  # fmt: skip


def get(connection: Connection[Any], request: str, *, lock: bool = False) -> Egress:
    """The request of that id. Raises EgressNotFound."""
    for found in _select(connection, f"WHERE id = %s{' FOR UPDATE' if lock else ''}", (request,)):
        return found
    raise EgressNotFound("There is no such request; `sallyport egress list` shows those that are.")


def every(
    connection: Connection[Any], projects: tuple[str, ...], direction: Direction = Direction.OUT, page: Page = NEWEST
) -> list[Egress]:
    """The requests of these projects in one direction, newest first."""
    where = "WHERE project = ANY(%s) AND direction = %s" + page.tail("submitted_at")
    return _select(connection, where, (list(projects), direction, *page.values))


def admitted(connection: Connection[Any], projects: tuple[str, ...]) -> list[dict[str, Any]]:
    """Every file that came in to these projects and was not taken out of use, the newest request first."""
    rows = connection.execute(
        "SELECT r.id, r.project, f.path, f.digest, f.bytes, r.changed_at FROM airlock.requests r JOIN airlock.files f"
        " ON f.request = r.id AND f.replaced_at IS NULL WHERE r.direction = 'in' AND r.state = %s AND r.project = ANY(%s)"
        " ORDER BY r.changed_at DESC, f.path", (State.RELEASED, list(projects)),
    ).fetchall()  # fmt: skip
    names = ("request", "project", "path", "digest", "bytes")
    return [
        dict(zip(names, row, strict=False)) | {"kind": "package" if row[2].endswith(".whl") else "file", "at": row[5].isoformat()}
        for row in rows
    ]


def files(connection: Connection[Any], request: str) -> tuple[Held, ...]:
    """The request's files as they are now, by path."""
    query = "SELECT path, digest, bytes FROM airlock.files WHERE request = %s AND replaced_at IS NULL ORDER BY path"
    return tuple(Held(*row) for row in connection.execute(query, (request,)))


def lock_project(connection: Connection[Any], project: str) -> None:
    """Nobody else judges or releases tables of the project till this transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"airlock/{project}",))


def history(connection: Connection[Any], request: str) -> list[dict[str, Any]]:
    """What happened to the request, from the ledger, without who voted how."""
    integrate(connection)
    rows = connection.execute(
        "SELECT seq, type, occurred_at, actor, outcome FROM ledger.entries WHERE object_type = ANY('{egress,ingress}')"
        " AND object_id = %s AND type <> ALL('{egress:voted,ingress:voted}') ORDER BY seq", (request,),
    ).fetchall()  # fmt: skip
    return [{"seq": s, "type": t, "at": at.isoformat(), "by": by, "outcome": outcome} for s, t, at, by, outcome in rows]


def _digest(files: tuple[Held, ...], tables: Mapping[str, Any]) -> str:
    return digest_of(canonical_json({"files": {file.path: file.digest for file in files}, "tables": dict(tables)}))


def _select(connection: Connection[Any], tail: str, values: tuple[Any, ...]) -> list[Egress]:
    query: Any = f"SELECT {COLUMNS} FROM airlock.requests {tail}"  # noqa: S608 - constants of this module
    names = COLUMNS.split(", ")
    return [_egress(dict(zip(names, row, strict=True))) for row in connection.execute(query, values)]


def _egress(row: Mapping[str, Any]) -> Egress:
    return Egress(**{**row, "state": State(row["state"]), "direction": Direction(row["direction"])})
