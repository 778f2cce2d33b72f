"""One identifier followed through the ledger: from a decision to its grant, lease and statements, to the exports with them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from compliance.gathering import readable
from compliance.ledger import integrate

MOST_ENTRIES, MOST_ROUNDS = 1_000, 6
# What binds entries to one another. What many unrelated things share (dataset, purpose, policies' digest) is not followed.
LINKS = ("decision_id", "grant_id", "lease_id", "break_glass_id", "promotion", "campaign")
LINKING_OBJECTS = ("lease", "promotion", "snapshot", "break-glass", "egress", "evidence", "access-review")
NAMED = (
    "SELECT seq, canonical FROM ledger.entries WHERE EXISTS ("
    "SELECT FROM unnest(%s::bytea[]) AS named WHERE position(named IN canonical) > 0"
    ") ORDER BY seq LIMIT %s"
)
EXPORTS = "SELECT canonical FROM ledger.entries WHERE type = 'audit:exported' ORDER BY seq"


@dataclass(frozen=True, slots=True)
class Trace:
    """What hangs together with an identifier: the identifiers followed, the entries in order, and the exports that hold any."""

    id: str
    followed: tuple[str, ...]
    items: tuple[Mapping[str, Any], ...]
    exports: tuple[Mapping[str, Any], ...]
    whole: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "followed": list(self.followed), "items": list(self.items), "exports": list(self.exports),
            "whole": self.whole,
        }  # fmt: skip


def trace(connection: Connection[Any], start: str) -> Trace:
    """Every entry that names `start`, or something that such an entry is bound to, and so on."""
    known: dict[str, None] = {}
    entries: dict[int, dict[str, Any]] = {}
    wanted, whole = [start], True
    integrate(connection)
    for _ in range(MOST_ROUNDS):
        rows = connection.execute(NAMED, ([_quoted(one) for one in wanted], MOST_ENTRIES)).fetchall()
        known.update(dict.fromkeys(wanted))
        entries |= {seq: entry for seq, raw in rows if (entry := readable(bytes(raw)))}
        whole = whole and len(rows) < MOST_ENTRIES
        wanted = [one for one in dict.fromkeys(_links(entries.values())) if one not in known]
        if not wanted or not whole or len(entries) >= MOST_ENTRIES:
            break
    items = tuple(entries[seq] for seq in sorted(entries))
    return Trace(start, tuple(known), items, tuple(_exports(connection, items)), whole and not wanted)


def _quoted(name: str) -> bytes:
    """The identifier as it stands in an entry's JSON, whole."""
    return json.dumps(name, ensure_ascii=False).encode("utf-8", "replace")


def _links(entries: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for entry in entries:
        yield from (entry["refs"][name] for name in LINKS if isinstance(entry["refs"].get(name), str) and entry["refs"][name])
        if entry["object"]["type"] in LINKING_OBJECTS:
            yield entry["object"]["id"]


def _exports(connection: Connection[Any], items: tuple[Mapping[str, Any], ...]) -> Iterable[dict[str, Any]]:
    """The bundles made whose period holds one of the entries."""
    moments = [entry["recorded_at"][:19] for entry in items]
    for (raw,) in connection.execute(EXPORTS).fetchall():
        made = readable(bytes(raw))
        since, until = ((made["detail"].get(name) or "")[:19] for name in ("since", "until")) if made else ("", "")
        if made and any(since <= moment <= until for moment in moments):
            about = {name: made["detail"].get(name) for name in ("since", "until", "profile")}
            yield {"entry": made["seq"], "export": made["object"]["id"], "digest": made["object"].get("digest"), **about}
