"""What pgaudit says of statements that are run through a lease, where a server has it: which of the lease's views were touched.

pgaudit writes into the server's log, which for us is JSON, one line for each relation of a statement, before the line with the
statement's duration (after it where `pgaudit.log_rows` is on, so leave that off). Its columns: audit type, statement id,
substatement id, class, command, object type, object name, statement, parameter. The last two may hold values: never taken.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass

BEGINS = "AUDIT: "
COLUMNS = 9
TYPES = ("SESSION", "OBJECT")
OWN_VIEW = re.compile(r"lease_([0-9a-f]{16})\.([a-z_][a-z0-9_]{0,62})")


@dataclass(frozen=True, slots=True)
class Audited:
    """One line of pgaudit's. `view` is None for what is no view of the lease itself; its name could be anything then."""

    session: str
    query: int  # PostgreSQL's identifier of the statement
    kind: str
    view: str | None


def parse(line: bytes) -> Audited | None:
    """What a line of the JSON log says for pgaudit about a lease, or None when it is another line."""
    try:
        said = json.loads(line)
        user, message = str(said["user"]), str(said["message"])
        if not user.startswith("lease-") or not message.startswith(BEGINS):
            return None
        (fields,) = csv.reader(io.StringIO(message.removeprefix(BEGINS), newline=""), strict=True)
        if len(fields) < COLUMNS or fields[0] not in TYPES:
            return None
        own = OWN_VIEW.fullmatch(fields[6])
        return Audited(
            session=str(said["session_id"]),
            query=int(said["query_id"]),
            kind=fields[3][:20] if fields[3].isidentifier() else "OTHER",
            view=own[2] if own and own[1] == user.split("-")[1] else None,
        )
    except (ValueError, KeyError, TypeError, IndexError, csv.Error):
        return None  # another line, or one cut short


class Waiting:
    """What was audited of statements whose last line is still to come, by session and statement; kept in memory only."""

    def __init__(self, most: int = 1000) -> None:
        self._most = most
        self._found: dict[tuple[str, int], list[Audited]] = {}

    def add(self, audited: Audited) -> None:
        """The line waits for the end of its statement."""
        held = self._found.setdefault((audited.session, audited.query), [])
        if len(held) < self._most:
            held.append(audited)
        while len(self._found) > self._most:
            self._found.pop(next(iter(self._found)))

    def take(self, session: str | None, query: int | None) -> dict[str, object]:
        """What the session's statement that ends now touched, as a ledger entry says it; empty where nothing was audited.

        `other_objects` counts what is no view of the lease: the tables behind its views, each as often as it was audited.
        """
        held = self._found.pop((session or "", query or 0), [])
        if not held:
            return {}
        said: dict[str, object] = {
            "classes": sorted({one.kind for one in held}), "views": sorted({one.view for one in held if one.view}),
        }  # fmt: skip
        if others := sum(one.view is None for one in held):
            said["other_objects"] = others
        return said
