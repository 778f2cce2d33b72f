"""The ledger in a real PostgreSQL: append-only, without gaps, part of its writer's transaction."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

from compliance.disclosures import accounting
from compliance.entries import ObjectRef
from compliance.errors import ExportFailed
from compliance.extent import find_extent
from compliance.ledger import (
    FIRST_PREVIOUS,
    append,
    integrate,
    integrate_after_those_writing,
    last_seq,
    leaf_hash,
    read,
)
from compliance.publishing import ledger_tree
from compliance.search import find
from compliance.tracing import trace
from tests.compliance.conftest import START, decision, fill


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger.entries SET actor = 'eve'",
        "DELETE FROM ledger.entries",
        "TRUNCATE ledger.entries",
        "DROP TABLE ledger.entries",
        "ALTER TABLE ledger.entries DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE sql AS 'SELECT NULL'",
        "INSERT INTO ledger.entries SELECT 3, gen_random_uuid(), type, occurred_at, recorded_at, actor, project, object_type,"
        " object_id, outcome, source, 3, hash, canonical FROM ledger.entries WHERE seq = 2",
        "UPDATE ledger.accepted SET actor = 'eve'",
        "DELETE FROM ledger.accepted",
        "TRUNCATE ledger.accepted",
        "INSERT INTO ledger.accepted (accepted_at, pieces, id, type, occurred_at, actor, object_type, object_id, outcome, source)"
        " VALUES (now(), '{}', gen_random_uuid(), 'a:b', now(), 'a', 'b', 'c', 'done', 'e')",
    ],
)
def test_the_application_can_add_and_read_but_nothing_else(app: Any, statement: str) -> None:
    fill(app, 2)
    with pytest.raises(errors.InsufficientPrivilege):
        app.execute(statement)
    app.rollback()
    assert len(list(read(app))) == 2


def test_a_role_that_was_granted_too_much_still_cannot_change_an_entry(ledger_url: str, app: Any) -> None:
    fill(app, 1)
    with psycopg.connect(ledger_url) as owner, pytest.raises(errors.InsufficientPrivilege, match="append-only"):
        owner.execute("UPDATE ledger.entries SET actor = 'eve'")


def test_each_entry_holds_the_hash_of_the_one_before(app: Any) -> None:
    recorded = fill(app, 5)
    previous = FIRST_PREVIOUS
    for (seq, raw), made in zip(read(app), recorded, strict=True):
        entry = json.loads(raw)
        assert (entry["seq"], entry["source_seq"], entry["prev"], entry["id"]) == (seq, seq, previous, made)
        previous = f"sha256:{leaf_hash(raw).hex()}"


def test_a_transaction_that_is_rolled_back_leaves_no_gap(app: Any) -> None:
    fill(app, 1)
    append(app, decision(2))
    app.rollback()
    kept = append(app, decision(3))
    app.commit()
    assert integrate(app) == 1
    assert [(entry["seq"], entry["id"]) for entry in whole(app)][1:] == [(2, kept)]


def test_sources_count_for_themselves(app: Any) -> None:
    for source in ("gateway", "worker", "gateway", "worker", "worker"):
        append(app, decision(), source=source)
    integrate(app)
    numbers = [(json.loads(raw)["source"], json.loads(raw)["source_seq"]) for _, raw in read(app)]
    assert numbers == [("gateway", 1), ("worker", 1), ("gateway", 2), ("worker", 2), ("worker", 3)]


def test_no_writer_waits_for_another_and_entries_are_placed_as_they_are_committed(app: Any, ledger_url: str) -> None:
    slow = append(app, decision())
    with psycopg.connect(ledger_url) as other:
        other.execute("SET lock_timeout = '150ms'")
        quick = append(other, decision(2))
        other.commit()
        assert integrate(other) == 1 and [entry["id"] for entry in whole(other)] == [quick]
    app.commit()
    integrate(app)
    assert [entry["id"] for entry in whole(app)] == [quick, slow]


def test_what_a_writer_could_see_stands_before_what_it_wrote(app: Any, ledger_url: str) -> None:
    with psycopg.connect(ledger_url) as other:
        written = []
        for number in range(10):
            connection = (app, other)[number % 2]
            written.append(append(connection, decision(number)))
            connection.commit()
    integrate(app)
    assert [entry["id"] for entry in whole(app)] == written


def test_two_that_integrate_at_once_give_each_entry_one_place(app: Any, ledger_url: str) -> None:
    for number in range(20):
        append(app, decision(number))
    app.commit()
    with psycopg.connect(ledger_url) as first, ThreadPoolExecutor(1) as pool:
        assert first.execute("SELECT ledger.integrate()").fetchone() == (20,)
        second = pool.submit(integrate, app)
        time.sleep(0.2)
        assert not second.done()  # it may not say that all is in place before it is
        first.commit()
        assert second.result(10) == 0
    assert len(whole(app)) == 20


def test_an_integration_that_is_not_committed_has_not_happened(app: Any) -> None:
    append(app, decision())
    app.commit()
    app.execute("SELECT ledger.integrate()")
    app.rollback()
    assert app.execute("SELECT count(*) FROM ledger.entries").fetchone() == (0,)
    app.rollback()
    assert integrate(app) == 1


def test_a_reader_that_may_not_write_gets_the_ledger_as_it_is(app: Any) -> None:
    append(app, decision())
    app.commit()
    app.execute("SET TRANSACTION READ ONLY")
    assert integrate(app) == 0
    app.rollback()
    assert integrate(app) == 1


def test_every_reader_sees_what_was_committed_just_now(app: Any) -> None:
    opened = decision(type="lease:opened", object=ObjectRef("lease", "l1"), refs={"dataset": "clinic", "decision_id": "d1"})
    readers: list[Callable[[], int]] = [
        lambda: len(find(app, after=0, limit=100)),
        lambda: len(trace(app, "d1").items),
        lambda: len(list(accounting(app, "clinic"))),
        lambda: ledger_tree(app).size,
        lambda: last_seq(app),
        lambda: find_extent(app, START, datetime(2100, 1, 1, tzinfo=UTC)).entries,
    ]
    for number, reader in enumerate(readers, 1):
        append(app, opened)
        app.commit()
        assert reader() == number


def test_an_export_waits_for_those_who_write_so_that_nothing_comes_into_its_period_later(app: Any, ledger_url: str) -> None:
    append(app, decision())
    with psycopg.connect(ledger_url) as other, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(integrate_after_those_writing, other)
        time.sleep(0.2)
        assert not waiting.done()
        app.commit()
        waiting.result(10)
        assert len(whole(other)) == 1


def test_a_writer_without_end_holds_up_neither_the_others_nor_for_ever_an_export(app: Any, ledger_url: str) -> None:
    append(app, decision())
    with psycopg.connect(ledger_url) as exporter, psycopg.connect(ledger_url) as other, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(integrate_after_those_writing, exporter, tries=3)
        other.execute("SET lock_timeout = '1s'")
        while not waiting.done():
            append(other, decision(2))
            other.commit()
        with pytest.raises(ExportFailed):
            waiting.result()


def test_an_entry_is_recorded_when_it_was_handed_in_and_time_does_not_run_backwards(app: Any, ledger_url: str) -> None:
    before = now(app)
    append(app, decision())  # committed last, handed in first
    with psycopg.connect(ledger_url) as other:
        append(other, decision(2))
        other.commit()
        between = now(other)
        integrate(other)
    time.sleep(0.05)
    app.commit()
    integrate(app)
    first, second = (datetime.fromisoformat(entry["recorded_at"]) for entry in whole(app))
    assert before < first <= second < between


def test_a_clock_that_was_set_back_shows(app: Any, superuser: Any) -> None:
    ahead = now(app) + timedelta(days=1)
    append(app, decision(), now=ahead)
    append(app, decision(2))
    app.commit()
    integrate(app)
    first, second = (json.loads(raw)["recorded_at"] for _, raw in read(app))
    assert second < first and datetime.fromisoformat(second) < ahead - timedelta(hours=23)


def now(connection: Any) -> datetime:
    moment = connection.execute("SELECT clock_timestamp()").fetchone()[0]
    connection.commit()
    return moment


WRITER = """
import sys, psycopg
from datetime import UTC, datetime
from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
with psycopg.connect(sys.argv[1]) as connection:
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(sys.argv[3])):
        append(connection, Entry(type="test:written", actor=Actor("w", "service"), object=ObjectRef("n", str(number)),
                                 outcome="done", occurred_at=datetime.now(UTC)), source=sys.argv[2])
        (connection.rollback if number % 5 == 4 else connection.commit)()
"""


def writer(url: str, source: str, count: int) -> subprocess.Popen[str]:
    started = subprocess.Popen(
        [sys.executable, "-c", WRITER, url, source, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert started.stdout and started.stdout.readline() == "ready\n"
    return started


def go(started: subprocess.Popen[str]) -> None:
    assert started.stdin
    started.stdin.write("\n")
    started.stdin.flush()


def whole(connection: Any) -> list[dict[str, Any]]:
    """The entries, after their numbers, chain and time order were found right."""
    previous, entries = FIRST_PREVIOUS, []
    for seq, raw in read(connection):
        entry = json.loads(raw)
        assert (entry["seq"], entry["prev"]) == (seq, previous) and seq == len(entries) + 1
        assert not entries or entry["recorded_at"] >= entries[-1]["recorded_at"]
        previous = f"sha256:{leaf_hash(raw).hex()}"
        entries.append(entry)
    return entries


def test_several_processes_write_one_chain_without_gaps(app: Any, ledger_url: str) -> None:
    writers = [writer(ledger_url, f"process-{number}", 50) for number in range(4)]
    for one in writers:
        go(one)
    while any(one.poll() is None for one in writers):
        integrate(app)
    assert [one.wait(60) for one in writers] == [0, 0, 0, 0]
    integrate(app)
    entries = whole(app)
    assert len(entries) == 160
    for number in range(4):
        assert [e["source_seq"] for e in entries if e["source"] == f"process-{number}"] == list(range(1, 41))


def test_a_writer_that_is_killed_leaves_a_whole_chain_and_holds_nobody_up(app: Any, ledger_url: str) -> None:
    victim = writer(ledger_url, "victim", 100_000)
    go(victim)
    while last_seq(app) < 20:
        app.rollback()
        time.sleep(0.01)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait(10)
    app.rollback()
    app.execute("SET lock_timeout = '10s'")
    app.commit()
    last = append(app, decision(), now=START + timedelta(days=10_000))
    app.commit()
    integrate(app)
    assert whole(app)[-1]["id"] == last
