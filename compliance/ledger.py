"""The ledger in PostgreSQL: entries in canonical JSON, each holding the hash of the one before it.

`append` is part of the caller's transaction, so a state change and its evidence are written together or not at all; no writer
waits for another. What was committed gets its place in the order by `integrate`, which everything here that reads does first, so
a reader sees every entry whose effect it can see. docs/decisions/0003 says why, and what was rejected.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import uuid4

from psycopg import Connection
from psycopg.errors import LockNotAvailable

from compliance.canonical import canonical_json
from compliance.entries import Entry
from compliance.errors import ExportFailed

VERSION = 1
LEAF_PREFIX = b"\x00"  # RFC 9162 2.1.1: a leaf's hash is SHA-256(0x00 || leaf)
FIRST_PREVIOUS = "sha256:" + "0" * 64
DEFAULT_SOURCE = "gateway"
PAUSE_SECONDS = 0.2
PLACE = uuid4().hex  # nobody else knows it, so no value of an entry holds it
KNOWN_ONLY_THEN = {"prev": "sha256:" + PLACE, "recorded_at": PLACE, "seq": "#" + PLACE, "source_seq": "#" + PLACE}
APART = "\x1f"  # canonical JSON holds no control character
APPEND = (
    "INSERT INTO ledger.accepted"
    " (pieces, id, type, occurred_at, recorded_at, actor, project, object_type, object_id, outcome, source)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
)


def append(connection: Connection[Any], entry: Entry, *, source: str = DEFAULT_SOURCE, now: datetime | None = None) -> str:
    """`entry` is in the ledger once the caller's transaction commits; its id.

    `now` is when it is recorded (default: the database's clock); `source` names the writer whose numbers show gaps.
    """
    identity = str(uuid4())
    values = (
        pieces(entry, identity, source), identity, entry.type, entry.occurred_at, now, entry.actor.id, entry.project,
        entry.object.type, entry.object.id, entry.outcome, source,
    )  # fmt: skip
    connection.execute(APPEND, values)
    return identity


def integrate(connection: Connection[Any]) -> int:
    """Every entry committed so far has its place in the order, for good; how many got theirs now.

    It is a transaction of its own, unless the caller is in one; a caller that may only read gets the ledger as it is.
    """
    with connection.transaction():
        row = connection.execute("SELECT ledger.integrate()").fetchone()
    return int(row[0]) if row else 0


def integrate_after_those_writing(connection: Connection[Any], *, tries: int = 100) -> None:
    """As `integrate`, once those who append now have ended: whatever is appended later is recorded later than this moment.

    Who comes meanwhile is held up for a moment only, however long the others take. Raises ExportFailed.
    """
    for _ in range(tries):
        with suppress(LockNotAvailable), connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '200ms'")
            connection.execute("SELECT ledger.await_writers()")
            break
        time.sleep(PAUSE_SECONDS)
    else:
        raise ExportFailed("Somebody has been writing to the ledger for long without an end; ask again when that is over.")
    integrate(connection)


def pieces(entry: Entry, identity: str, source: str) -> str:
    """The entry's canonical JSON, with APART in the place of each value that the database alone knows."""
    whole = canonical_json(entry.as_json() | {"v": VERSION, "id": identity, "source": source} | KNOWN_ONLY_THEN).decode()
    return whole.replace(f'"#{PLACE}"', APART).replace(PLACE, APART)


def leaf_hash(canonical: bytes) -> bytes:
    """The RFC 9162 leaf hash of an entry's canonical bytes."""
    return hashlib.sha256(LEAF_PREFIX + canonical).digest()


def last_seq(connection: Connection[Any]) -> int:
    """The number of the last entry; 0 for an empty ledger."""
    integrate(connection)
    row = connection.execute("SELECT max(seq) FROM ledger.entries").fetchone()
    return int(row[0] or 0) if row else 0


def read(
    connection: Connection[Any], *, after: int = 0, until: int | None = None, batch: int = 2_000
) -> Iterator[tuple[int, bytes]]:
    """(seq, canonical bytes) of every entry after `after` up to `until`, in order, read in batches."""
    integrate(connection)
    while True:
        rows = connection.execute(
            "SELECT seq, canonical FROM ledger.entries WHERE seq > %s AND (%s::bigint IS NULL OR seq <= %s)"
            " ORDER BY seq LIMIT %s",
            (after, until, until, batch),
        ).fetchall()
        if not rows:
            return
        for seq, canonical in rows:
            yield seq, bytes(canonical)
        after = rows[-1][0]


def period(connection: Connection[Any], since: datetime, until: datetime) -> tuple[int, int] | None:
    """The first and last sequence number recorded in [since, until), or None when there is none."""
    row = connection.execute(
        "SELECT min(seq), max(seq) FROM ledger.entries WHERE recorded_at >= %s AND recorded_at < %s", (since, until)
    ).fetchone()
    return (row[0], row[1]) if row and row[0] is not None else None
