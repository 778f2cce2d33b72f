"""The ledger in PostgreSQL: entries in canonical JSON, each holding the hash of the one before it.

`append` is part of the caller's transaction, so a state change and its evidence are written together or not at all. Writers take
turns on one advisory lock held to the end of the transaction, so sequence numbers have no gap, also after a rollback.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from psycopg import Connection

from compliance.canonical import canonical_json
from compliance.entries import Entry, rfc3339

VERSION = 1
LEAF_PREFIX = b"\x00"  # RFC 9162 2.1.1: a leaf's hash is SHA-256(0x00 || leaf)
FIRST_PREVIOUS = "sha256:" + "0" * 64
LOCK = 0x5A11_1907  # one lock for all writers of one database
DEFAULT_SOURCE = "gateway"

HEAD = (
    "SELECT (SELECT max(seq) FROM ledger.entries),"
    " (SELECT hash FROM ledger.entries ORDER BY seq DESC LIMIT 1),"
    " (SELECT max(source_seq) FROM ledger.entries WHERE source = %s)"
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where an entry stands: its sequence number from 1, its id and its leaf hash as `sha256:<hex>`."""

    seq: int
    id: str
    hash: str


def append(connection: Connection[Any], entry: Entry, *, source: str = DEFAULT_SOURCE, now: datetime | None = None) -> Recorded:
    """`entry` is the last of the ledger once the caller's transaction commits.

    `now` is when it is recorded (default: this machine's clock); `source` names the writer whose numbers show gaps.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
    head = connection.execute(HEAD, (source,)).fetchone()
    last, previous, last_of_source = head if head else (None, None, None)
    recorded_at = now or datetime.now(UTC)
    placed = entry.as_json() | {
        "v": VERSION,
        "seq": (last or 0) + 1,
        "id": str(uuid4()),
        "source": source,
        "source_seq": (last_of_source or 0) + 1,
        "recorded_at": rfc3339(recorded_at),
        "prev": f"sha256:{bytes(previous).hex()}" if previous else FIRST_PREVIOUS,
    }
    canonical = canonical_json(placed)
    leaf = leaf_hash(canonical)
    connection.execute(
        "INSERT INTO ledger.entries VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            placed["seq"], placed["id"], entry.type, entry.occurred_at, recorded_at, entry.actor.id, entry.project,
            entry.object.type, entry.object.id, entry.outcome, source, placed["source_seq"], leaf, canonical,
        ),
    )  # fmt: skip
    return Recorded(seq=placed["seq"], id=placed["id"], hash=f"sha256:{leaf.hex()}")


def leaf_hash(canonical: bytes) -> bytes:
    """The RFC 9162 leaf hash of an entry's canonical bytes."""
    return hashlib.sha256(LEAF_PREFIX + canonical).digest()


def read(
    connection: Connection[Any], *, after: int = 0, until: int | None = None, batch: int = 2_000
) -> Iterator[tuple[int, bytes]]:
    """(seq, canonical bytes) of every entry after `after` up to `until`, in order, read in batches."""
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
