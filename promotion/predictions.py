"""Predictions as they are kept: one statement for as many as come at once, durable when it returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection, Connection, OperationalError

# One round trip and one transaction for a whole batch; the values travel as one JSON document.
KEEP = (
    "INSERT INTO promotion.predictions (id, project, name, digest, caller, at, rows, input_hash, output, latency_ms, positives,"
    " missing, stage, bins) SELECT * FROM json_to_recordset(%s::json) AS one(id uuid, project text, name text, digest text,"
    " caller text, at timestamptz, rows int, input_hash text, output jsonb, latency_ms double precision, positives int,"
    " missing jsonb, stage text, bins jsonb)"
    " ON CONFLICT (id) DO NOTHING"  # handed in again after a broken connection, whose commit may have been heard
)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is logged of one request; the inputs by hash and counts only."""

    id: str
    model: tuple[str, str]
    digest: str
    caller: str
    rows: int
    input_hash: str
    output: list[Any]
    latency_ms: float
    positives: int = 0
    missing: dict[str, int] | None = None
    stage: str = "champion"
    bins: dict[str, int] | None = None


def document(predictions: Iterable[Prediction], at: datetime) -> str:
    """The predictions as KEEP takes them."""
    from pydantic_core import to_json

    when = at.isoformat()
    return to_json([
        {
            "id": one.id, "project": one.model[0], "name": one.model[1], "digest": one.digest, "caller": one.caller, "at": when,
            "rows": one.rows, "input_hash": one.input_hash, "output": one.output, "latency_ms": one.latency_ms,
            "positives": one.positives, "missing": one.missing or {}, "stage": one.stage,
            "bins": one.bins or {},
        }
        for one in predictions
    ]).decode()  # fmt: skip


def keep(connection: Connection[Any], predictions: Iterable[Prediction], at: datetime) -> None:
    """The predictions are in the database, in the caller's transaction."""
    connection.execute(KEEP, (document(predictions, at),))


class Writer:
    """Keeps predictions over a connection of its own: each batch is committed, and synced by the server, when it returns."""

    def __init__(self, conninfo: str, clock: Callable[[], datetime]) -> None:
        self._conninfo, self._clock = conninfo, clock
        self._connection: AsyncConnection[Any] | None = None

    async def __call__(self, predictions: list[Prediction]) -> None:
        """The predictions are in the database, once each. Raises psycopg.Error when they are not."""
        given = document(predictions, self._clock())
        try:
            await self._insert(given)
        except OperationalError:
            await self.close()  # the server was restarted, say: one that is up again need refuse nobody
            await self._insert(given)

    async def close(self) -> None:
        """The connection is closed."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _insert(self, given: str) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = await AsyncConnection.connect(self._conninfo, autocommit=True)
        await self._connection.execute(KEEP, (given,), prepare=True)
