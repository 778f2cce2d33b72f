"""Predictions are kept before they are given, many in one transaction when many come at once."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

MOST_AT_ONCE = 500
T = TypeVar("T")


class Journal(Generic[T]):
    """Hands what is to be kept to `log` from one thread; each writer waits until its own is kept, or hears that it is not."""

    def __init__(self, log: Callable[[list[T]], None]) -> None:
        self._log = log
        self._waiting: queue.SimpleQueue[tuple[T, asyncio.AbstractEventLoop, asyncio.Future[None]]] = queue.SimpleQueue()
        self._started = threading.Lock()

    async def keep(self, one: T) -> None:
        """`one` is kept. Raises what `log` raises."""
        if self._started.acquire(blocking=False):  # held for good: one thread for the life of the process
            threading.Thread(target=self._write, daemon=True, name="predictions").start()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.put((one, loop, done))
        await done

    def _write(self) -> None:
        while True:
            batch = [self._waiting.get()]
            while len(batch) < MOST_AT_ONCE and not self._waiting.empty():
                batch.append(self._waiting.get())
            failed: Exception | None = None
            try:
                self._log([one for one, _, _ in batch])
            except Exception as error:
                failed = error  # each writer is told; none is answered as if it were kept
            for _, loop, done in batch:
                loop.call_soon_threadsafe(_end, done, failed)


def _end(done: asyncio.Future[None], failed: Exception | None) -> None:
    if done.done():
        return  # the caller went away
    if failed is None:
        done.set_result(None)
    else:
        done.set_exception(failed)
