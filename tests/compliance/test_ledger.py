"""The ledger in a real PostgreSQL: append-only, without gaps, part of its writer's transaction."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors

from compliance.ledger import FIRST_PREVIOUS, append, leaf_hash, read
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
        assert (entry["seq"], entry["source_seq"], entry["prev"], entry["id"]) == (seq, seq, previous, made.id)
        previous = f"sha256:{leaf_hash(raw).hex()}"
        assert previous == made.hash


def test_a_transaction_that_is_rolled_back_leaves_no_gap(app: Any) -> None:
    fill(app, 1)
    append(app, decision(2))
    app.rollback()
    assert append(app, decision(3)).seq == 2


def test_sources_count_for_themselves(app: Any) -> None:
    for source in ("gateway", "worker", "gateway", "worker", "worker"):
        append(app, decision(), source=source)
    numbers = [(json.loads(raw)["source"], json.loads(raw)["source_seq"]) for _, raw in read(app)]
    assert numbers == [("gateway", 1), ("worker", 1), ("gateway", 2), ("worker", 2), ("worker", 3)]


def test_a_second_writer_waits_for_the_first_ones_transaction(app: Any, ledger_url: str) -> None:
    append(app, decision())
    with psycopg.connect(ledger_url) as other:
        other.execute("SET lock_timeout = '150ms'")
        with pytest.raises(errors.LockNotAvailable):
            append(other, decision(2))
    app.commit()
    with psycopg.connect(ledger_url) as other:
        assert append(other, decision(2)).seq == 2


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
    assert [one.wait(60) for one in writers] == [0, 0, 0, 0]
    entries = whole(app)
    assert len(entries) == 160
    for number in range(4):
        assert [e["source_seq"] for e in entries if e["source"] == f"process-{number}"] == list(range(1, 41))


def test_a_writer_that_is_killed_leaves_a_whole_chain_and_holds_nobody_up(app: Any, ledger_url: str) -> None:
    victim = writer(ledger_url, "victim", 100_000)
    go(victim)
    while app.execute("SELECT count(*) FROM ledger.entries").fetchone()[0] < 20:
        app.rollback()
        time.sleep(0.01)
    os.kill(victim.pid, signal.SIGKILL)
    victim.wait(10)
    app.rollback()
    app.execute("SET lock_timeout = '10s'")
    last = append(app, decision(), now=START + timedelta(days=10_000))
    app.commit()
    assert whole(app)[-1]["seq"] == last.seq
