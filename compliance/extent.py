"""Which entries a period takes, and which stand next to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection

from compliance.errors import ExportFailed
from compliance.ledger import integrate, period

ROWS = 10_000
MOST_HOLES = 1_000_000
GONE = bytes(32)


@dataclass(frozen=True, slots=True)
class Extent:
    """The entries `first` to `last` (none when `last` is `first` - 1), in a tree of `size`, of a ledger that ends at `head`."""

    first: int
    last: int
    size: int
    head: int

    @property
    def entries(self) -> int:
        return self.last - self.first + 1

    @property
    def before(self) -> int | None:
        return self.first - 1 if self.first > 1 else None

    @property
    def after(self) -> int | None:
        return self.last + 1 if self.last < self.size else None

    @property
    def proof_first(self) -> int:
        """The index (from 0) of the first leaf in the bundle."""
        return self.first - 1 - (self.before is not None)

    @property
    def proof_end(self) -> int:
        return self.last + (self.after is not None)


def find_extent(connection: Connection[Any], since: datetime, until: datetime, published: Iterable[int] = ()) -> Extent:
    """The extent of the entries recorded in [since, until).

    The ledger is taken as it was at the next published checkpoint, else one entry further, so that the same period gives
    the same extent however much was appended since.
    """
    integrate(connection)
    head = _number(connection, "SELECT max(seq) FROM ledger.entries", ())
    if head - _number(connection, "SELECT count(*) FROM ledger.entries", ()) > MOST_HOLES:
        raise ExportFailed("So much of the ledger is gone that nothing can be proven; restore it from a backup.")
    first, last = period(connection, since, until) or (0, 0)
    if not first:
        last = _number(connection, "SELECT max(seq) FROM ledger.entries WHERE recorded_at < %s", (since,))
        first = last + 1
    next_to_it = min(last + 1, head)
    later = [size for size in published if next_to_it <= size <= head]
    return Extent(first, last, min(later, default=next_to_it), head)


def leaf_hashes(connection: Connection[Any], first: int, end: int) -> Iterator[bytes]:
    """The stored leaf hashes of the leaves [first, end), counted from 0; zeros where somebody took one away."""
    while first < end:
        part = min(end, first + ROWS)
        query = "SELECT seq, hash FROM ledger.entries WHERE seq > %s AND seq <= %s"
        found = dict(connection.execute(query, (first, part)).fetchall())
        for seq in range(first + 1, part + 1):
            yield bytes(found.get(seq, GONE))
        first = part


def _number(connection: Connection[Any], query: Any, values: tuple[Any, ...]) -> int:
    row = connection.execute(query, values).fetchone()
    return int(row[0] or 0) if row else 0
