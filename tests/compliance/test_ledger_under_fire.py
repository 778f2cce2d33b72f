"""The ledger while what writes to it and what puts it in order are killed again and again, and while the clock jumps."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from compliance.ledger import append, integrate, read
from tests.compliance.conftest import decision
from tests.compliance.test_ledger import now, whole

ROOT = Path(__file__).parents[2]
WRITER = """
import sys, time, psycopg
from datetime import UTC, datetime
from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
with psycopg.connect(sys.argv[1]) as connection:
    while True:
        made = [append(connection, Entry(type="test:written", actor=Actor("w", "service"), object=ObjectRef("n", "x"),
                                         outcome="done", occurred_at=datetime.now(UTC))) for _ in range(3)]
        connection.commit()
        print("\\n".join(made), flush=True)
        time.sleep(0.005)
"""
PLACER = """
import sys, time, psycopg
from compliance.ledger import integrate
with psycopg.connect(sys.argv[1]) as connection:
    while True:
        integrate(connection)
        time.sleep(0.005)
"""


class Fire:
    """Processes of both kinds; one that is killed is followed by another, and what each writer was promised is kept."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder, self.count, self.running = url, folder, 0, list[tuple[str, Any]]()

    def start(self, program: str) -> None:
        self.count += 1
        with (self.folder / f"{self.count}.ids").open("wb") as promised:
            process = subprocess.Popen(
                [sys.executable, "-c", program, self.url], stdout=promised, stderr=subprocess.DEVNULL, cwd=ROOT
            )  # fmt: skip
        self.running.append((program, process))

    def kill(self, program: str) -> None:
        victim = next(one for one in self.running if one[0] is program)
        self.running.remove(victim)
        os.kill(victim[1].pid, signal.SIGKILL)
        victim[1].wait(60)

    def promised(self) -> list[str]:
        texts = [path.read_text() for path in sorted(self.folder.glob("*.ids"))]
        return [line for text in texts for line in text[: text.rfind("\n") + 1].splitlines()]


@pytest.fixture
def fire(ledger_url: str, tmp_path: Path) -> Any:
    made = Fire(ledger_url, tmp_path)
    yield made
    for _, process in made.running:
        process.kill()
        process.wait(60)


def others(connection: Any) -> list[int]:
    """The server's processes of everybody else who is connected."""
    found = connection.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend' ORDER BY pid"
    ).fetchall()
    return [pid for (pid,) in found]


def kill_a_backend(connection: Any, dice: random.Random) -> None:
    """The server's process of somebody else is ended, whatever it is at."""
    deadline = time.monotonic() + 60
    while not (found := others(connection)):
        assert time.monotonic() < deadline, "nobody is connected"
    connection.execute("SELECT pg_terminate_backend(%s)", (dice.choice(found),))


def wait_until_alone(connection: Any) -> None:
    """The server has noticed that the killed are gone: none of their transactions is still to end."""
    deadline = time.monotonic() + 60
    while others(connection):
        assert time.monotonic() < deadline, "somebody is still connected"
        time.sleep(0.02)


def wait_for(connection: Any, more: int) -> None:
    """So many more entries have their place."""
    deadline, reached = time.monotonic() + 60, more + count(connection)
    while count(connection) < reached:
        assert time.monotonic() < deadline, "nothing gets a place any more"
        time.sleep(0.02)


def count(connection: Any) -> int:
    return int(connection.execute("SELECT count(*) FROM ledger.entries").fetchone()[0])


def test_what_was_promised_stands_once_in_one_chain_whoever_is_killed(fire: Fire, ledger_url: str) -> None:
    dice = random.Random(7)
    with psycopg.connect(ledger_url, autocommit=True) as reader:
        for program in (WRITER, PLACER, WRITER, PLACER, WRITER):
            fire.start(program)
        wait_for(reader, 1)
        shown: dict[int, bytes] = {}
        for _ in range(4):
            for program in (WRITER, PLACER):
                fire.kill(program)
                fire.start(program)
            mine = append(reader, decision())
            seen = dict(read(reader))
            assert any(json.loads(raw)["id"] == mine for raw in seen.values()), "a reader sees what it can see the effect of"
            assert shown.items() <= seen.items(), "a number that was shown is final"
            shown = seen
            kill_a_backend(reader, dice)
            for program, process in list(fire.running):
                if process.poll() is not None:
                    fire.running.remove((program, process))
                    fire.start(program)
            wait_for(reader, 1)
        for program in [program for program, _ in fire.running]:
            fire.kill(program)
        wait_until_alone(reader)
        integrate(reader)
        identities = [entry["id"] for entry in whole(reader)]
        assert reader.execute("SELECT count(*) FROM ledger.accepted").fetchone() == (0,)
    promised = fire.promised()
    assert len(promised) > 30 and len(set(identities)) == len(identities) and set(promised) <= set(identities)


def test_an_entry_waits_for_its_place_whole_until_somebody_reads_where_no_worker_runs(app: Any) -> None:
    written = append(app, decision())
    app.commit()
    assert count(app) == 0
    assert [entry["id"] for entry in whole(app)] == [written]


@pytest.mark.parametrize("jumps", [(24, 0, 0), (0, -24, 0), (24, -24, 24), (-24, 24, -24)])
def test_a_clock_that_jumps_between_acceptance_and_place_dates_nothing_ahead_or_out_of_order(
    app: Any, superuser: Any, jumps: tuple[int, ...]
) -> None:
    append(app, decision())
    app.commit()
    integrate(app)
    before = now(app)
    written = [append(app, decision(number)) for number in range(len(jumps))]
    app.commit()
    for name, hours in zip(written, jumps, strict=True):
        superuser.execute(
            "UPDATE ledger.accepted SET accepted_at = accepted_at + %s WHERE id = %s", (timedelta(hours=hours), name)
        )
    integrate(app)
    entries = whole(app)
    assert [entry["id"] for entry in entries[1:]] == written, "the order is that of arrival, not of a clock"
    first, *others = (datetime.fromisoformat(entry["recorded_at"]) for entry in entries)
    assert first < before and all(first <= moment <= now(app) for moment in others)
