"""A project's pseudonym key: made by Vault transit, stored wrapped, unwrapped only for as long as one build or lease needs it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from psycopg import Connection

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append


def ensure_project(
    connection: Connection[Any], project: str, *, new_key: Callable[[], tuple[bytes, str]], actor: Actor, now: datetime
) -> None:
    """`project` exists and has a wrapped key of its own; making it is in the ledger."""
    if connection.execute("SELECT 1 FROM catalog.projects WHERE id = %s", (project,)).fetchone():
        return
    _, wrapped = new_key()
    made = connection.execute(
        "INSERT INTO catalog.projects VALUES (%s, %s, %s) ON CONFLICT DO NOTHING RETURNING id", (project, wrapped, now)
    ).fetchone()
    if made:
        append(
            connection,
            Entry(
                type="project:created",
                actor=actor,
                object=ObjectRef(type="project", id=project),
                project=project,
                outcome="done",
                occurred_at=now,
            ),
        )


def wrapped_key(connection: Connection[Any], project: str) -> str:
    """The wrapped key of a project that exists."""
    row = connection.execute("SELECT wrapped_key FROM catalog.projects WHERE id = %s", (project,)).fetchone()
    if row is None:
        raise LookupError(project)
    return str(row[0])
