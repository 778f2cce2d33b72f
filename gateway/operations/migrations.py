"""The control database's tables, version by version.

The packages' schema.sql files are run again at each start and say what a new database looks like. What they cannot say of an
older one (a column renamed, rows moved) stands in migrations/NNNN_name.sql and is run once, in order, after them. All of it is
one transaction: a database is of one version or of another, never between.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib import resources
from importlib.metadata import version
from importlib.resources.abc import Traversable
from typing import Any

from psycopg import Connection

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from gateway.errors import DatabaseNewer

BASELINE = 1
NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
MIGRATOR = Actor("schema-migrator", "service")
TABLE = """
CREATE SCHEMA IF NOT EXISTS operations;
CREATE TABLE IF NOT EXISTS operations.schema_versions (
    version    int PRIMARY KEY,
    release    text NOT NULL,
    applied_at timestamptz NOT NULL
);
REVOKE ALL ON SCHEMA operations FROM PUBLIC;
"""


def migrations(folder: Traversable | None = None) -> dict[int, Traversable]:
    """version -> the file that leads to it from the version before, without a gap from the baseline on."""
    folder = folder or resources.files("gateway.operations") / "migrations"
    found = {int(match[1]): file for file in folder.iterdir() if (match := NAME.fullmatch(file.name))} if folder.is_dir() else {}
    assert sorted(found) == list(range(BASELINE + 1, BASELINE + 1 + len(found))), "migrations are numbered without a gap"
    return dict(sorted(found.items()))


def standing(connection: Connection[Any]) -> int:
    """The version of the database; 0 when it has none yet."""
    there = connection.execute("SELECT to_regclass('operations.schema_versions')").fetchone()
    if not there or there[0] is None:
        return 0
    row = connection.execute("SELECT coalesce(max(version), 0) FROM operations.schema_versions").fetchone()
    return int(row[0]) if row else 0


def require_not_newer(connection: Connection[Any], folder: Traversable | None = None) -> int:
    """The database's version, which this release knows. Raises DatabaseNewer."""
    newest, found = BASELINE + len(migrations(folder)), standing(connection)
    if found > newest:
        raise DatabaseNewer(f"The database is of version {found}; this release knows {newest} at most.")
    return found


def upgrade(connection: Connection[Any], folder: Traversable | None = None) -> list[int]:
    """The versions the database came to, within the caller's transaction; each change of an older one is in the ledger.

    Raises DatabaseNewer.
    """
    connection.execute("SELECT pg_advisory_xact_lock(1511069960)")  # two that start at once take turns
    found, now, reached = require_not_newer(connection, folder), datetime.now(UTC), []
    connection.execute(TABLE)
    steps = migrations(folder)
    for number in range(found + 1, BASELINE + len(steps) + 1):
        if number in steps and found:  # a database made just now looks as the newest release wants it
            connection.execute(steps[number].read_text("utf-8").encode())
        connection.execute("INSERT INTO operations.schema_versions VALUES (%s, %s, %s)", (number, version("sallyport"), now))
        reached.append(number)
    if found and reached:
        detail = {"from": found, "to": reached[-1], "release": version("sallyport")}
        append(connection, Entry(
            type="schema:migrated", actor=MIGRATOR, object=ObjectRef("database", "control"), outcome="done", detail=detail,
            occurred_at=now,
        ))  # fmt: skip
    return reached
