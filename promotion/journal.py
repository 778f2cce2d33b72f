"""Predictions are kept before they are given, many in one transaction when many come at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ClassVar, Generic, TypeVar

from promotion.errors import PromotionError

MOST_AT_ONCE = 500
MOST_WAITING = 5_000
T = TypeVar("T")


class Busy(PromotionError):
    """More is waiting to be kept than the server holds; nothing of this one was done."""

    code: ClassVar[str] = "busy"


class Journal(Generic[T]):
    """Hands what is to be kept to `log`, a batch at a time; each writer waits until its own is kept, or hears that it is not.

    What comes while a batch is being written is the next batch. All writers are of one event loop.
    """

    def __init__(self, log: Callable[[list[T]], Awaitable[None]], *, most_waiting: int = MOST_WAITING) -> None:
        self._log, self._most_waiting = log, most_waiting
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def keep(self, one: T) -> None:
        """`one` is kept. Raises what `log` raises, and Busy at once when too much is waiting."""
        if len(self._waiting) >= self._most_waiting:
            raise Busy("The server has more to keep than it can; ask again later.")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((one, done))
        if self._writer is None or self._writer.done():
            self._writer = loop.create_task(self._write())
        await done

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            failed: BaseException | None = None
            try:
                await self._log([one for one, _ in batch])
            except BaseException as error:
                failed = error  # each writer is told; none is answered as if it were kept
            for _, done in batch:
                _end(done, failed)
            if isinstance(failed, asyncio.CancelledError):
                raise failed


def _end(done: asyncio.Future[None], failed: BaseException | None) -> None:
    if done.done():
        return  # the caller went away
    if failed is None:
        done.set_result(None)
    elif isinstance(failed, asyncio.CancelledError):
        done.cancel()
    else:
        done.set_exception(failed)
