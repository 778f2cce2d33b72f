"""What many writers hand in at once is kept, each before its writer goes on, and none is told so that was not."""

from __future__ import annotations

import asyncio
import time

import pytest

from promotion.journal import Journal


def test_every_writer_waits_until_its_own_is_kept_and_few_transactions_do():
    kept: list[list[int]] = []

    def log(batch: list[int]) -> None:
        time.sleep(0.01)
        kept.append(batch)

    async def write(journal: Journal[int], number: int) -> None:
        await journal.keep(number)
        assert any(number in batch for batch in kept)

    async def all_of_them() -> None:
        journal = Journal(log)
        await asyncio.gather(*(write(journal, number) for number in range(300)))

    asyncio.run(all_of_them())
    assert sorted(one for batch in kept for one in batch) == list(range(300))
    assert len(kept) < 50


def test_a_failure_reaches_the_writers_it_concerns_and_the_next_are_kept():
    def log(batch: list[str]) -> None:
        if "bad" in batch:
            raise OSError

    async def both() -> None:
        journal = Journal(log)
        with pytest.raises(OSError):
            await journal.keep("bad")
        await journal.keep("good")

    asyncio.run(both())
