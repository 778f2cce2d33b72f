"""The ledger in PostgreSQL: entries in canonical JSON, each holding the hash of the one before it.

`append` is part of the caller's transaction, so a state change and its evidence are written together or not at all. Writers take
turns on one advisory lock held to the end of the transaction, so sequence numbers have no gap, also after a rollback.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from psycopg import Connection

from compliance.canonical import canonical_json
from compliance.entries import Entry

VERSION = 1
LEAF_PREFIX = b"\x00"  # RFC 9162 2.1.1: a leaf's hash is SHA-256(0x00 || leaf)
FIRST_PREVIOUS = "sha256:" + "0" * 64
DEFAULT_SOURCE = "gateway"
KNOWN_ONLY_THEN = {"prev": '"sha256:', "recorded_at": '"', "seq": "", "source_seq": ""}  # and what stands before them
APPEND = "SELECT * FROM ledger.append(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where an entry stands: its sequence number from 1, its id and its leaf hash as `sha256:<hex>`."""

    seq: int
    id: str
    hash: str


def append(connection: Connection[Any], entry: Entry, *, source: str = DEFAULT_SOURCE, now: datetime | None = None) -> Recorded:
    """`entry` is the last of the ledger once the caller's transaction commits.

    `now` is when it is recorded (default: the database's clock); `source` names the writer whose numbers show gaps.
    """
    identity = str(uuid4())
    values = (
        pieces(entry, identity, source), identity, entry.type, entry.occurred_at, now, entry.actor.id, entry.project,
        entry.object.type, entry.object.id, entry.outcome, source,
    )  # fmt: skip
    row = connection.execute(APPEND, values).fetchone()
    assert row is not None
    return Recorded(seq=row[0], id=identity, hash=f"sha256:{bytes(row[1]).hex()}")


def pieces(entry: Entry, identity: str, source: str) -> list[bytes]:
    """The entry's canonical JSON, cut where the database puts in what it alone knows: `prev`, `recorded_at` and two numbers."""
    known = entry.as_json() | {"v": VERSION, "id": identity, "source": source}
    cut, text = [], b"{"
    for name in sorted([*known, *KNOWN_ONLY_THEN]):  # all ASCII, so this is the order of RFC 8785
        text += b'"%b":' % name.encode()
        if name in known:
            text += canonical_json(known[name])
        else:
            opening = KNOWN_ONLY_THEN[name].encode()
            cut.append(text + opening)
            text = opening[:1]
        text += b","
    return [*cut, text[:-1] + b"}"]


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
