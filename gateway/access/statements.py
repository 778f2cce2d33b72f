"""Every statement that is run through a lease reaches the ledger: by whom, which kind, how long, how it ended, never a value.

The server logs for a lease's role the duration of each statement and PostgreSQL's query identifier (a hash of the statement
without its literals), not its text. The worker follows that log; how far it came is committed with the entries, so nothing is
lost or written twice, and what was read is deleted once the server writes to another file.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg import Error as PostgresError
from psycopg_pool import ConnectionPool, PoolTimeout

from compliance.entries import Actor
from gateway.access import leases, pgaudit

POLL_SECONDS = 1.0
QUIET_SECONDS = 30  # after which the server does not write to a file that is not its newest
MOST_BYTES = 4_000_000  # at one go
MOST_PER_MINUTE = 60  # entries of one lease; what is run beyond that is summed up, by the minute
MOST_IN_SUMMARY = 50
SERVERS_OWN = "postgres-server.log"
UNSTARTED = ("PARSE", "BIND", "DESCRIBE")
COUNTS = "SELECT rolname, queryid, calls, rows FROM access.statement_counts()"
log = logging.getLogger("sallyport.statements")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as the server logged it. `query` is PostgreSQL's identifier, None where it came to none."""

    lease: str
    user: str
    at: datetime
    command: str | None  # None where it was not even understood
    query: int | None
    milliseconds: float | None
    failure: str | None  # SQLSTATE
    session: str | None = None

    @property
    def fingerprint(self) -> str | None:
        return None if self.query is None else f"{self.query & 0xFFFFFFFFFFFFFFFF:016x}"


def parse(line: bytes) -> Statement | None:
    """The statement of a line of the JSON log, or None when the line is not about one that was run through a lease."""
    try:
        said = json.loads(line)
        user = str(said.get("user", ""))
        failed = said["error_severity"] in ("ERROR", "FATAL", "PANIC")
        if not user.startswith("lease-") or (not failed and said.get("ps", "") in UNSTARTED):
            return None
        at = datetime.strptime(said["timestamp"], "%Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC)
        took = None if failed else float(said["message"].removeprefix("duration: ").removesuffix(" ms"))
        return Statement(
            lease=user.split("-")[1],
            user=user,
            at=at,
            command=None if str(said.get("ps", "idle")).startswith("idle") else str(said["ps"])[:40],
            query=int(said.get("query_id", 0)) or None,
            milliseconds=took,
            failure=str(said.get("state_code", "XX000")) if failed else None,
            session=said.get("session_id"),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return None  # a notice, or a line cut short by a crash of the server


@dataclass(slots=True)
class Follower:
    """Follows the statement log in `folder`. What it remembers only bears on the number of rows and on what is summed up."""

    pool: ConnectionPool
    folder: Path
    clock: Callable[[], datetime]
    pattern: str = "postgres-*.json"
    owns: bool = True  # files it has read are deleted; those of somebody else's server are not
    counted: dict[tuple[str, int], tuple[int, int]] | None = None
    waiting: dict[tuple[str, int], int] = field(default_factory=dict)
    this_minute: dict[tuple[str, datetime], int] = field(default_factory=dict)
    audited: pgaudit.Waiting = field(default_factory=pgaudit.Waiting)

    def step(self) -> int:
        """What was logged since the last step is in the ledger; the number of statements."""
        with self.pool.connection() as connection:
            if self.counted is None:
                self.counted = _counts(connection)
            places = _places(connection)
            found: list[Statement] = []
            touched: dict[int, Mapping[str, object]] = {}
            own: list[bytes] = []
            for file in self._files():
                lines, position = _new_lines(file, places.get(file.name, 0))
                for line in lines:
                    if audited := pgaudit.parse(line):
                        self.audited.add(audited)
                    elif statement := parse(line):
                        touched[len(found)] = self.audited.take(statement.session, statement.query)
                        found.append(statement)
                own += [line for line in lines if b'"user":' not in line]
                self._move(connection, file, position)
            self._write(connection, found, touched)
            _summarise(connection, self.clock())
        if self.owns:
            self._keep(own)
            self._delete_read()
        return len(found)

    def _files(self) -> list[Path]:
        """Oldest first; the server writes to the last."""
        return sorted(self.folder.glob(self.pattern), key=lambda file: (file.stat().st_mtime, file.name))

    def _move(self, connection: Connection[Any], file: Path, position: int) -> None:
        connection.execute(
            "INSERT INTO access.statement_log VALUES (%s, %s, %s) ON CONFLICT (file) DO UPDATE SET position = excluded.position,"
            " read_at = excluded.read_at WHERE statement_log.position <> excluded.position",
            (file.name, position, self.clock()),
        )

    def _write(self, connection: Connection[Any], found: list[Statement], touched: Mapping[int, Mapping[str, object]]) -> None:
        known = {row.id: row for row in leases.select(connection, "WHERE id = ANY(%s)", ([one.lease for one in found],))}
        rows = self._rows(connection, found)
        for place, statement in enumerate(found):
            if statement.lease not in known:
                continue  # of no lease of this gateway
            if self._too_many(statement):
                _add_up(connection, statement, rows.get(place, {}).get("rows"))
            else:
                _record(connection, known[statement.lease], statement, {**touched[place], **rows.get(place, {})})

    def _too_many(self, statement: Statement) -> bool:
        key = (statement.lease, _minute(statement.at))
        self.this_minute[key] = self.this_minute.get(key, 0) + 1
        if len(self.this_minute) > 10_000:
            self.this_minute = {key: self.this_minute[key]}
        return self.this_minute[key] > MOST_PER_MINUTE

    def _rows(self, connection: Connection[Any], found: list[Statement]) -> dict[int, Mapping[str, int]]:
        """Place in `found` -> the rows it returned; several runs of one statement between two steps are known together only."""
        last: dict[tuple[str, int], tuple[int, int]] = {}
        for place, one in enumerate(found):
            if one.query is not None and one.failure is None:
                key = (one.user, one.query)
                last[key] = (place, last.get(key, (0, self.waiting.pop(key, 0)))[1] + 1)
        now, before = _counts(connection) if last else {}, self.counted or {}
        told: dict[int, Mapping[str, int]] = {}
        for key, (place, runs) in last.items():
            calls, rows = (now.get(key, (0, 0))[n] - before.get(key, (0, 0))[n] for n in (0, 1))
            if calls > runs:  # one more has run whose line is still to come
                self.waiting[key] = runs
                continue
            if calls == runs:
                told[place] = {"rows": rows} if runs == 1 else {"rows_together": rows, "statements_together": runs}
            before[key] = now.get(key, (0, 0))
        self.counted = before
        return told

    def _keep(self, own: list[bytes]) -> None:
        """The server's lines about itself are kept for the operator; those of sessions, whose errors may hold values, are not."""
        if own:
            path = self.folder / SERVERS_OWN
            with path.open("ab") as file:
                path.chmod(0o600)
                file.writelines(own)

    def _delete_read(self) -> None:
        """Files that the server has left and that were read to their end are gone."""
        with self.pool.connection() as connection:
            places = _places(connection)
            for file in self._files()[:-1]:
                quiet = self.clock().timestamp() - file.stat().st_mtime > QUIET_SECONDS
                if quiet and places.get(file.name) == file.stat().st_size:
                    file.unlink()
            present = [file.name for file in self._files()]
            connection.execute("DELETE FROM access.statement_log WHERE NOT file = ANY(%s)", (present,))


def follow_until(stop: threading.Event, follower: Follower) -> None:
    """The log is followed until `stop`; a database that is down is tried again."""
    while not stop.wait(POLL_SECONDS):
        try:
            follower.step()
        except (PostgresError, PoolTimeout, OSError) as error:
            log.warning("following statements failed: %s", type(error).__name__)


def _new_lines(file: Path, position: int) -> tuple[list[bytes], int]:
    """The whole lines from `position` on, and where they end. A shorter file was replaced and is read from its start."""
    with file.open("rb") as log_file:
        if log_file.seek(0, 2) < position:
            position = 0
        log_file.seek(position)
        text = log_file.read(MOST_BYTES)
    whole = text[: text.rfind(b"\n") + 1]
    if not whole and len(text) == MOST_BYTES:
        whole = text  # one line longer than any of ours
    return whole.splitlines(keepends=True), position + len(whole)


def _places(connection: Connection[Any]) -> dict[str, int]:
    """file -> how far it was read; held until the transaction ends, so that two followers take turns."""
    connection.execute("LOCK TABLE access.statement_log IN SHARE ROW EXCLUSIVE MODE")
    rows: list[tuple[str, int]] = connection.execute("SELECT file, position FROM access.statement_log").fetchall()
    return dict(rows)


def _counts(connection: Connection[Any]) -> dict[tuple[str, int], tuple[int, int]]:
    """(user, query) -> (calls, rows) so far, as the server counts them; empty where it does not."""
    if connection.execute("SELECT to_regprocedure('access.statement_counts()')").fetchone() == (None,):
        return {}
    return {(user, query): (calls, rows) for user, query, calls, rows in connection.execute(COUNTS).fetchall()}


def _record(connection: Connection[Any], row: leases.Row, statement: Statement, more: Mapping[str, object]) -> None:
    said = {
        "fingerprint": statement.fingerprint, "command": statement.command, "milliseconds": statement.milliseconds,
        "sqlstate": statement.failure, **more,
    }  # fmt: skip
    detail = {name: value for name, value in said.items() if value is not None}
    event, outcome = ("statement:failed", "failed") if statement.failure else ("statement:run", "done")
    leases.record(connection, event, _holder(row), row, outcome, statement.at, detail)


def _add_up(connection: Connection[Any], statement: Statement, rows: int | None) -> None:
    connection.execute(
        "INSERT INTO access.statement_sums AS s VALUES (%s, %s, %s, %s, %s, 1, %s, %s)"
        " ON CONFLICT (lease, minute, fingerprint, command, sqlstate) DO UPDATE SET runs = s.runs + 1,"
        " milliseconds = s.milliseconds + excluded.milliseconds, rows = s.rows + excluded.rows",
        (
            statement.lease, _minute(statement.at), statement.fingerprint or "", statement.command or "", statement.failure or "",
            statement.milliseconds or 0, rows or 0,
        ),
    )  # fmt: skip


def _summarise(connection: Connection[Any], now: datetime) -> None:
    """Each lease's sums of minutes that are over are one entry a minute, and gone from the sums."""
    gone = connection.execute("DELETE FROM access.statement_sums WHERE minute < %s RETURNING *", (_minute(now),)).fetchall()
    together: dict[tuple[str, datetime], list[tuple[Any, ...]]] = {}
    for row in gone:
        together.setdefault((row[0], row[1]), []).append(row)
    for (name, minute), sums in sorted(together.items()):
        sums.sort(key=lambda one: -one[5])
        for row in leases.select(connection, "WHERE id = %s", (name,)):
            detail = {
                "runs": sum(one[5] for one in sums), "milliseconds": round(sum(one[6] for one in sums), 3),
                "statements": list(_lines(sums[:MOST_IN_SUMMARY])), "kinds_left_out": max(len(sums) - MOST_IN_SUMMARY, 0),
            }  # fmt: skip
            leases.record(connection, "statement:summary", _holder(row), row, "done", minute, detail)


def _lines(sums: list[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    for _, _, fingerprint, command, sqlstate, runs, milliseconds, _rows in sums:
        said = {"fingerprint": fingerprint, "command": command, "sqlstate": sqlstate, "runs": runs}
        yield {name: value for name, value in said.items() if value} | {"milliseconds": round(milliseconds, 3)}


def _holder(row: leases.Row) -> Actor:
    return Actor(row.subject, row.asker.get("type", "person"), tuple(row.asker.get("roles", ())))


def _minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
