"""Which policies decide: recorded and kept whenever they are others than before, with what the change turns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from compliance.paging import NEWEST, Page
from policies.bundle import Bundle

GATEWAY = Actor("gateway", "system")
COUNTS = ("decided", "turned", "would_be_allowed", "would_be_denied")
CHANGES = """
SELECT * FROM (
    SELECT p.id::text, p.loaded_at, p.engine, lag(p.digest) OVER (ORDER BY p.id) AS before, p.digest AS after, r.result, r.made_at
    FROM catalog.policies p LEFT JOIN catalog.policy_replays r ON r.change = p.id
) AS changes
"""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of the policies in force; `before` is None for the first ones, `result` what its replay found."""

    id: str
    loaded_at: datetime
    engine: str
    before: str | None
    after: str
    result: Mapping[str, Any] | None
    replayed_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "loaded_at": self.loaded_at.isoformat(), "engine": self.engine, "before": self.before,
            "after": self.after, "replay": self.result, "replayed_at": self.replayed_at and self.replayed_at.isoformat(),
        }  # fmt: skip


def record_loaded(connection: Connection[Any], policies: Bundle, *, engine: str, now: datetime) -> None:
    """The ledger's last word on which policies decide names `policies`, which are kept; nothing is added otherwise."""
    connection.execute("LOCK TABLE catalog.policies IN SHARE ROW EXCLUSIVE MODE")
    connection.execute(
        "INSERT INTO catalog.policy_modules VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
        (policies.digest, Jsonb(dict(policies.modules)), Jsonb(dict(policies.data))),
    )
    last = connection.execute("SELECT digest FROM catalog.policies ORDER BY id DESC LIMIT 1").fetchone()
    if last and last[0] == policies.digest:
        return
    connection.execute(
        "INSERT INTO catalog.policies (digest, engine, loaded_at) VALUES (%s, %s, %s)", (policies.digest, engine, now)
    )
    append(connection, Entry(
        type="policy:loaded", actor=GATEWAY, object=ObjectRef("policies", "default", policies.digest), outcome="done",
        refs={"before": last[0]} if last else {}, detail={"engine": engine}, occurred_at=now,
    ))  # fmt: skip


def changes(
    connection: Connection[Any], *, since: datetime | None = None, until: datetime | None = None, waiting: bool = False,
    page: Page = NEWEST,
) -> list[Change]:  # fmt: skip
    """The changes of policies of the period, newest first; with `waiting` those whose replay was not made yet."""
    rows = connection.execute(
        f"{CHANGES} WHERE (%s::timestamptz IS NULL OR loaded_at >= %s) AND (%s::timestamptz IS NULL OR loaded_at < %s)"
        f" AND (NOT %s OR (before IS NOT NULL AND result IS NULL)){page.tail('loaded_at')}",
        (since, since, until, until, waiting, *page.values),
    ).fetchall()
    return [Change(*row) for row in rows]


def kept(connection: Connection[Any], digest: str) -> Bundle | None:
    """The policies of that digest; None where they were not kept, or what is kept has another one."""
    row = connection.execute("SELECT modules, data FROM catalog.policy_modules WHERE digest = %s", (digest,)).fetchone()
    found = Bundle.of(row[0], row[1]) if row else None
    return found if found and found.digest == digest else None


def keep_replay(connection: Connection[Any], change: Change, result: Mapping[str, Any], *, now: datetime) -> None:
    """What the change turns is kept, once, and its counts are in the ledger."""
    stored = connection.execute(
        "INSERT INTO catalog.policy_replays VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", (change.id, Jsonb(dict(result)), now)
    )
    if stored.rowcount:
        counts = {name: result[name] for name in COUNTS if name in result} | {"whole": result["whole"]}
        append(connection, Entry(
            type="policy:replayed", actor=GATEWAY, object=ObjectRef("policies", "default", change.after),
            outcome="failed" if result.get("code") else "done", reasons=(result["code"],) if result.get("code") else (),
            refs={"before": str(change.before)}, detail=counts, occurred_at=now,
        ))  # fmt: skip
