"""Long lists from the database, newest first and a page at a time; a cursor is the time and the id of the last item seen.

What is added meanwhile is newer than every cursor, so nothing is shown twice or left out, as counting rows from the start would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

MOST = 500
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page:
    """At most `limit` items that are older than the cursor; without one, the newest."""

    limit: int = MOST
    time: datetime | None = None
    id: str = ""

    @classmethod
    def after(cls, cursor: str | None, limit: int = MOST) -> Page:
        """The page behind that cursor. Raises ValueError for one that no page gave."""
        if cursor is None:
            return cls(limit)
        time, _, name = cursor.partition("_")
        moment = datetime.fromisoformat(time.replace(" ", "+"))  # a plus sign in an address is a space
        if moment.tzinfo is None or not name or "\x00" in name:
            raise ValueError("no cursor")
        return cls(limit, moment, name)

    def tail(self, column: str) -> str:
        """The end of a query whose condition stands: `column` is its time; `values` fills the places in."""
        return f" AND (%s::timestamptz IS NULL OR ({column}, id) < (%s, %s)) ORDER BY {column} DESC, id DESC LIMIT %s"

    @property
    def values(self) -> tuple[Any, ...]:
        return self.time, self.time, self.id, self.limit

    def next(self, items: Sequence[Any], column: str) -> str | None:
        """The cursor behind these items; None when they are the last."""
        if len(items) < self.limit:
            return None
        return f"{getattr(items[-1], column).isoformat()}_{items[-1].id}"


NEWEST = Page()


def every_page(fetch: Callable[[Page], Sequence[Item]], column: str) -> Iterator[Item]:
    """Each item that `fetch` gives, page after page."""
    cursor: str | None = None
    while True:
        page = Page.after(cursor)
        items = fetch(page)
        yield from items
        cursor = page.next(items, column)
        if cursor is None:
            return
