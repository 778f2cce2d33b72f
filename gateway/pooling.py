"""Connections kept for later, and how it is known that one of them has died meanwhile."""

from __future__ import annotations

import select
from typing import Any

from psycopg import Connection
from psycopg_pool import ConnectionPool

from gateway.deadlines import bounded

CONNECT_SECONDS = 5


def still_answers(connection: Connection[Any]) -> None:
    """The connection works. Raises psycopg.OperationalError, in time also where the server says nothing at all."""
    with bounded(connection, CONNECT_SECONDS):
        ConnectionPool.check_connection(connection)


def not_ended(connection: Connection[Any]) -> None:
    """The server has not ended the connection, as when it was restarted. Raises psycopg.OperationalError.

    A connection that nobody uses has nothing to read; only where there is something is the server asked, at a round trip.
    """
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        still_answers(connection)
