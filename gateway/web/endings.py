"""Whose logins were all ended, as known a second ago at most: for servers that ask with every call."""

from __future__ import annotations

import threading
import time
from typing import Any

from psycopg_pool import ConnectionPool

from gateway.identity import NotAuthenticated, Subject

KNOWN_SECONDS = 1.0


class Endings:
    """When each subject's logins were ended."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool, self._lock = pool, threading.Lock()
        self._known: dict[str, Any] = {}
        self._until = 0.0

    def require_not_ended(self, subject: Subject) -> None:
        """The token that proved `subject` was issued after all theirs were ended. Raises NotAuthenticated."""
        with self._lock:
            if time.monotonic() >= self._until:
                with self._pool.connection() as connection:
                    self._known = dict(connection.execute("SELECT subject, at FROM web.endings").fetchall())
                self._until = time.monotonic() + KNOWN_SECONDS
            at = self._known.get(subject.id)
        if at is not None and (subject.issued_at is None or subject.issued_at <= int(at.timestamp())):
            raise NotAuthenticated("Your logins were ended; log in again.")
