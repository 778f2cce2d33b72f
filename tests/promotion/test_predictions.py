"""What the server kept is there once, whatever happens to its connection; what could not be kept was said so."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import psycopg
import pytest
from door_three import NOW

from promotion.predictions import Prediction, Writer, keep


def prediction(**changed):
    given = {
        "id": str(uuid4()), "model": ("p", "m"), "digest": "sha256:1", "caller": "pipeline", "rows": 2,
        "input_hash": "sha256:0", "output": [0.5, None], "latency_ms": 1.5, "positives": 1, "missing": {"x": 1},
    }  # fmt: skip
    return Prediction(**given | changed)


def kept(connection):
    rows = connection.execute(
        "SELECT id::text, project, name, digest, caller, at, rows, input_hash, output, latency_ms, positives, missing"
        " FROM promotion.predictions ORDER BY id"
    ).fetchall()
    connection.commit()
    return rows


def test_a_prediction_is_kept_as_it_was(control):
    one = prediction(caller="a 'quoted' \"name\" \\ \t ü")
    keep(control, [one], NOW)
    assert kept(control) == [
        (one.id, "p", "m", "sha256:1", one.caller, NOW, 2, "sha256:0", [0.5, None], 1.5, 1, {"x": 1})
    ]  # fmt: skip


def test_a_writer_whose_connection_was_ended_keeps_what_comes_after_and_nothing_twice(control, database_url):
    first, second, third = prediction(), prediction(), prediction()

    async def write() -> None:
        writer = Writer(database_url, lambda: NOW)
        await writer([first])
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid NOT IN (pg_backend_pid(), %s)", (control.info.backend_pid,),
            )  # fmt: skip
        await writer([second, third])
        await writer([second])  # as after a commit that nobody heard of
        await writer.close()

    asyncio.run(write())
    assert [row[0] for row in kept(control)] == sorted([first.id, second.id, third.id])


def test_what_cannot_be_kept_is_an_error_and_leaves_nothing_of_its_batch(control, database_url):
    async def write() -> None:
        writer = Writer(database_url, lambda: NOW)
        with pytest.raises(psycopg.Error):
            await writer([prediction(), prediction(id="no id")])
        await writer([prediction()])
        await writer.close()

    asyncio.run(write())
    assert len(kept(control)) == 1
