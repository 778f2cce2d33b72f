"""Inference requests that wait: each is committed before it is promised, and answered once, in the transaction of its prediction.

What was asked stands here sealed, so that it can be answered after any crash, and asked again, but not read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar
from uuid import NAMESPACE_URL, uuid4, uuid5

from psycopg import Connection
from psycopg.types.json import Jsonb

from promotion.errors import PromotionError
from promotion.predictions import Prediction, keep

COLUMNS = "id, project, name, caller, asker, sealed, wrapped, queued_at, replay_of, state, ended_at, digest, answer, problem"


class QueuedNotFound(PromotionError):
    """The caller has queued no such request."""

    code: ClassVar[str] = "queued_not_found"


@dataclass(frozen=True, slots=True)
class Queued:
    """A request and what became of it. `asker` is who asked, as their token said; `problem` says why there is no answer."""

    id: str
    project: str
    name: str
    caller: str
    asker: Mapping[str, Any]
    sealed: bytes
    wrapped: str
    queued_at: datetime
    replay_of: str | None = None
    state: str = "queued"
    ended_at: datetime | None = None
    digest: str | None = None
    answer: Mapping[str, Any] | None = None
    problem: Mapping[str, Any] | None = None

    @property
    def model(self) -> tuple[str, str]:
        return self.project, self.name

    def as_json(self) -> dict[str, Any]:
        """What the caller is told."""
        found = {
            "id": self.id, "model_name": self.name, "state": self.state, "queued_at": self.queued_at.isoformat(),
            "replay_of": self.replay_of, "ended_at": self.ended_at and self.ended_at.isoformat(), "response": self.answer,
        }  # fmt: skip
        return found | (dict(self.problem) if self.problem else {})


def new(
    model: tuple[str, str], *, caller: str, asker: Mapping[str, Any], sealed: bytes, wrapped: str, now: datetime,
    replay_of: str | None = None,
) -> Queued:  # fmt: skip
    """A request that waits, of a new id."""
    return Queued(uuid4().hex, *model, caller, asker, sealed, wrapped, now, replay_of)


def put(connection: Connection[Any], one: Queued) -> None:
    """The request waits, in the caller's transaction."""
    connection.execute(
        "INSERT INTO promotion.queued (id, project, name, caller, asker, sealed, wrapped, queued_at, replay_of)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            one.id, one.project, one.name, one.caller, Jsonb(dict(one.asker)), one.sealed, one.wrapped, one.queued_at,
            one.replay_of,
        ),
    )  # fmt: skip


def get(connection: Connection[Any], request: str, *, caller: str | None = None, lock: bool = False) -> Queued:
    """The request of that id, if `caller` queued it. Raises QueuedNotFound."""
    row = connection.execute(
        f"SELECT {COLUMNS} FROM promotion.queued WHERE id = %s{' FOR UPDATE' if lock else ''}",  # noqa: S608 - constants
        (request,),
    ).fetchone()
    found = Queued(*row) if row else None
    if found is None or caller not in (None, found.caller):
        raise QueuedNotFound("You have queued no request of that id.")
    return found


def answer(connection: Connection[Any], request: str, one: Prediction, answered: Mapping[str, Any], now: datetime) -> str:
    """The request is answered and its prediction kept, both or neither; its state. One that ended already stays as it is."""
    found = get(connection, request, lock=True)
    if found.state != "queued":
        return found.state
    named = replace(one, id=prediction_id(request))
    keep(connection, [named], now)
    _end(connection, request, "answered", now, named.digest, answered, None)
    return "answered"


def fail(connection: Connection[Any], request: str, problem: Mapping[str, Any], now: datetime) -> str:
    """The request has no answer, for a reason its caller is told; its state."""
    found = get(connection, request, lock=True)
    if found.state == "queued":
        _end(connection, request, "failed", now, None, None, problem)
        return "failed"
    return found.state


def forget(connection: Connection[Any], before: datetime, *, but_of: Sequence[str] = ()) -> int:
    """Requests that ended before that time are gone, but of those projects, with what was asked; how many.

    Their predictions stay.
    """
    old, which = "state <> 'queued' AND ended_at < %s AND NOT project = ANY(%s)", (before, list(but_of))
    orphaned = f"UPDATE promotion.queued SET replay_of = NULL WHERE replay_of IN (SELECT id FROM promotion.queued WHERE {old})"  # noqa: S608
    connection.execute(orphaned, which)
    return connection.execute(f"DELETE FROM promotion.queued WHERE {old}", which).rowcount  # noqa: S608


def prediction_id(request: str) -> str:
    """The id of the prediction that answers the request: the same however often it is answered."""
    return str(uuid5(NAMESPACE_URL, f"urn:sallyport:queued:{request}"))


def _end(
    connection: Connection[Any], request: str, state: str, now: datetime, digest: str | None, answered: Mapping[str, Any] | None,
    problem: Mapping[str, Any] | None,
) -> None:  # fmt: skip
    connection.execute(
        "UPDATE promotion.queued SET state = %s, ended_at = %s, digest = %s, answer = %s, problem = %s WHERE id = %s",
        (
            state, now, digest, None if answered is None else Jsonb(dict(answered)),
            None if problem is None else Jsonb(dict(problem)), request,
        ),
    )  # fmt: skip
