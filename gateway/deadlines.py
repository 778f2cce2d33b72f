"""A limit on a whole exchange: once it is over the connection is cut, so that a peer that drips bytes keeps nobody waiting.

Time limits of sockets start anew with each byte. Here a timer shuts the connection itself, whoever waits on it.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


class Deadline:
    """Every connection watched by this is shut when its time is over."""

    def __init__(self) -> None:
        self.over = False
        self._lock = threading.Lock()
        self._watched: list[socket.socket] = []

    def watch(self, connection: int) -> None:
        """The connection of that file descriptor does not outlast the deadline, even when its owner thinks it closed."""
        with self._lock:
            self._watched.append(socket.socket(fileno=os.dup(connection)))
        if self.over:
            self.cut()

    def cut(self) -> None:
        """The time is over: whoever waits on a watched connection is told that it ended."""
        self.over = True
        with self._lock:
            for handle in self._watched:
                with suppress(OSError):  # it ended by itself
                    handle.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Nothing is watched any more."""
        with self._lock:
            while self._watched:
                self._watched.pop().close()


@contextmanager
def deadline(seconds: float) -> Iterator[Deadline]:
    """A deadline so many seconds from now, gone when the block has ended."""
    made = Deadline()
    timer = threading.Timer(seconds, made.cut)
    timer.daemon = True
    timer.start()
    try:
        yield made
    finally:
        timer.cancel()
        made.release()


@contextmanager
def bounded(connection: Any, seconds: float) -> Iterator[None]:
    """What is done with this PostgreSQL connection in the block ends within `seconds`, with an error if need be."""
    with deadline(seconds) as limit:
        limit.watch(connection.fileno())
        yield


class _Watched:
    """A connection that is cut by the deadline of whoever uses it; its second handle also reaches below TLS."""

    _handle: socket.socket | None = None

    def _new_conn(self) -> socket.socket:
        made: socket.socket = super()._new_conn()  # type: ignore[misc]
        self._handle = made.dup()
        self._watch()
        return made

    def request(self, *given: Any, **named: Any) -> None:
        self._watch()
        super().request(*given, **named)  # type: ignore[misc]

    def close(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None
        super().close()  # type: ignore[misc]

    def _watch(self) -> None:
        limit = _current.get()
        if limit is not None and self._handle is not None:
            limit.watch(self._handle.fileno())


class _Plain(_Watched, HTTPConnection):
    pass


class _Secure(_Watched, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        super().init_poolmanager(*given, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}


class TimedSession(requests.Session):
    """An HTTP session that trusts no environment variable, and each of whose requests ends within `seconds_in_all`."""

    seconds_in_all = 20.0

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.trust_env = False
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter())

    def request(self, *given: Any, **named: Any) -> requests.Response:
        """The answer, whole. Raises requests.Timeout when it was not there in time."""
        with deadline(self.seconds_in_all) as limit:
            before = _current.set(limit)
            try:
                answer = super().request(*given, **named)
            except requests.RequestException as error:
                if limit.over:
                    raise requests.Timeout("The answer was not there in time.") from error
                raise
            finally:
                _current.reset(before)
        if limit.over:
            raise requests.Timeout("The answer was not there in time.")
        return answer
