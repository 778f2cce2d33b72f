"""How far durable work is, told to whoever waits for it, a few times a second at most."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from psycopg import Connection

from gateway.composition import Services

SECONDS_BETWEEN_REPORTS = 0.3


class Store(Protocol):
    """Keeps the progress of one kind of work; progress is not evidence, so not in the ledger."""

    def __call__(self, connection: Connection[Any], name: str, /, *, step: str, done: int, total: int) -> None: ...


def reporter(given: Services, store: Store, name: str) -> Callable[[str, int, int], None]:
    """Takes (step, done, total) and stores it for `name`: each new step at once, the same step only now and then."""
    last: dict[str, Any] = {"at": 0.0, "step": ""}

    def report(step: str, done: int, total: int) -> None:
        if step == last["step"] and time.monotonic() - last["at"] < SECONDS_BETWEEN_REPORTS:
            return
        last.update(at=time.monotonic(), step=step)
        with given.pool.connection() as connection:
            store(connection, name, step=step, done=done, total=total)

    return report
