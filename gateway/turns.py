"""Whose promotion is checked next: projects take turns, so that one which submits hundreds of models keeps no other waiting.

Start-time fair queueing (Goyal, Vin and Cheng 1996) with checks of equal cost: a place is one after the project's own last,
and never before the place that is served now.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from gateway.jobs import CHECK_MODEL, CHECKS_QUEUE, SCHEMA

WAITING = f"""
SELECT coalesce(max(waiting.priority) FILTER (WHERE r.project = %s), 0), coalesce(min(waiting.priority), 0)
FROM {SCHEMA}.workflow_status AS waiting JOIN promotion.requests AS r ON waiting.workflow_uuid = %s || r.id
WHERE waiting.status = 'ENQUEUED' AND waiting.queue_name = %s"""  # noqa: S608 - a constant


def place(connection: Connection[Any], project: str) -> int:
    """The place of the project's next promotion among those that wait; 1 while no worker has made its tables."""
    there = connection.execute("SELECT to_regclass(%s)", (f"{SCHEMA}.workflow_status",)).fetchone()
    if not there or there[0] is None:
        return 1
    row = connection.execute(WAITING, (project, f"{CHECK_MODEL}-", CHECKS_QUEUE)).fetchone()
    last, served = row or (0, 0)
    return max(int(last) + 1, int(served), 1)
