"""Which policies decide: recorded whenever they are others than before."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import Connection

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append

GATEWAY = Actor("gateway", "system")


def record_loaded(connection: Connection[Any], *, digest: str, engine: str, now: datetime) -> None:
    """The ledger's last word on which policies decide is `digest`; nothing is written when it was so already."""
    connection.execute("LOCK TABLE catalog.policies IN SHARE ROW EXCLUSIVE MODE")
    last = connection.execute("SELECT digest FROM catalog.policies ORDER BY id DESC LIMIT 1").fetchone()
    if last and last[0] == digest:
        return
    connection.execute("INSERT INTO catalog.policies (digest, engine, loaded_at) VALUES (%s, %s, %s)", (digest, engine, now))
    append(connection, Entry(
        type="policy:loaded", actor=GATEWAY, object=ObjectRef("policies", "default", digest), outcome="done",
        refs={"before": last[0]} if last else {}, detail={"engine": engine}, occurred_at=now,
    ))  # fmt: skip
