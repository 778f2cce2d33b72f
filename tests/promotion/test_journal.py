"""What many writers hand in at once is kept, each before its writer goes on, and none is told so that was not."""

from __future__ import annotations

import asyncio

import pytest

from promotion.journal import Busy, Journal


def test_every_writer_waits_until_its_own_is_kept_and_few_transactions_do():
    kept: list[list[int]] = []

    async def log(batch: list[int]) -> None:
        await asyncio.sleep(0.01)
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
    async def log(batch: list[str]) -> None:
        if "bad" in batch:
            raise OSError

    async def both() -> None:
        journal = Journal(log)
        with pytest.raises(OSError):
            await journal.keep("bad")
        await journal.keep("good")

    asyncio.run(both())


def test_more_than_the_server_holds_is_refused_and_not_lost():
    kept: list[int] = []
    free = asyncio.Event()

    async def log(batch: list[int]) -> None:
        await free.wait()
        kept.extend(batch)

    async def all_of_them() -> list[object]:
        journal = Journal(log, most_waiting=3)
        writers = [asyncio.create_task(journal.keep(number)) for number in range(6)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        free.set()
        return await asyncio.gather(*writers, return_exceptions=True)

    ended = asyncio.run(all_of_them())
    assert [isinstance(one, Busy) for one in ended] == [False] * 3 + [True] * 3
    assert kept == [0, 1, 2]


def test_a_writer_that_went_away_harms_no_other():
    kept: list[int] = []

    async def log(batch: list[int]) -> None:
        await asyncio.sleep(0.01)
        kept.extend(batch)

    async def three() -> None:
        journal = Journal(log)
        writers = [asyncio.create_task(journal.keep(number)) for number in range(3)]
        await asyncio.sleep(0)
        writers[1].cancel()
        await asyncio.gather(writers[0], writers[2])

    asyncio.run(three())
    assert kept == [0, 1, 2]
