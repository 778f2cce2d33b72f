"""A thousand promotions at once: how long they take to be submitted and checked, what grows meanwhile, and who waits for them.

usage: python benchmarks/promotion_queue.py [PROMOTIONS [PATIENTS]]

An embedded stack of its own: clinic, snapshot, a model trained in the jail, low tier (five checks, two of them on live rows). It
is submitted PROMOTIONS times under twenty names. While they wait a snapshot is built; half way the worker is killed with -9 and
started again. At the end every promotion must have ended as all others, with each check once in the table and in the ledger.
Prints one JSON document.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from benchmarks.own_stack import own_stack
from benchmarks.promotion_gate import trained

PROMOTIONS, PATIENTS, NAMES, THREADS = 1_000, 1_500, 20, 4
LONGEST_SECONDS = 7_200
WAITING = "SELECT count(*) FROM promotion.requests WHERE state IN ('submitted', 'checking')"
STATES = "SELECT state, count(*) FROM promotion.requests GROUP BY 1"
ENTRIES = "SELECT count(*), pg_total_relation_size('ledger.entries') FROM ledger.entries"
WRONG_IN_TABLE = """
SELECT count(*) FROM promotion.requests r WHERE (SELECT count(*) FROM promotion.checks c WHERE c.request = r.id) <> %s"""
WRONG_IN_LEDGER = """
WITH said AS (
    SELECT convert_from(canonical, 'UTF8')::jsonb -> 'refs' AS refs FROM ledger.entries WHERE type = 'check:completed')
SELECT count(*) FROM promotion.requests r WHERE (
    SELECT (count(*), count(DISTINCT refs ->> 'check')) FROM said WHERE refs ->> 'promotion' = r.id
) <> (%s::bigint, %s::bigint)"""
SECONDS = (
    "SELECT name, round(percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds)::numeric, 2)::float FROM promotion.checks GROUP BY 1"
)


def main() -> None:
    number = int(sys.argv[1]) if sys.argv[1:] else PROMOTIONS
    patients = int(sys.argv[2]) if sys.argv[2:] else PATIENTS
    with own_stack() as home:
        contract, run, rows = trained(home.root.parent, patients)
        found = {"benchmark": "promotion_queue", "cpus": len(os.sched_getaffinity(0)), "promotions": number, "rows": rows}
        found |= measured(home, contract.replace("tier: high", "tier: low"), run, number)
    print(json.dumps(found, indent=1))


def measured(home: Any, contract: str, run: str, number: int) -> dict[str, Any]:
    """The figures of `number` promotions of the run's model."""
    before, started, memory = sizes(home), time.monotonic(), Memory(home)
    with ThreadPoolExecutor(THREADS) as people:
        took = sorted(people.map(lambda one: submitted(contract, run, one), range(number)))
    all_in = time.monotonic() - started
    built = snapshot_seconds()
    waited = waiting(home)
    print(f"submitted in {all_in:.0f} s, the longest in {took[-1]} s; a snapshot took {built} s, {waited} wait", file=sys.stderr)
    killed_at = until(home, waited // 2, memory)
    kill_worker(home)
    until(home, 0, memory)
    whole, after = time.monotonic() - started, sizes(home)
    return {
        "submitted_seconds": round(all_in, 1),
        "submit_seconds": {"p50": took[number // 2], "p99": took[number * 99 // 100], "longest": took[-1]},
        "snapshot_meanwhile_seconds": built, "waiting_then": waited, "killed_with_waiting": killed_at,
        "whole_seconds": round(whole, 1), "seconds_each": round(whole / number, 3), "states": dict(asked(home, STATES)),
        "check_seconds": dict(asked(home, SECONDS)), "largest_mib": memory.largest,
        "grown": {name: round(after[name] - before[name], 1) for name in after},
        **wrong(home),
    }  # fmt: skip


def submitted(contract: str, run: str, number: int) -> float:
    """Seconds until the promotion was on its way."""
    from gateway.commands.caller import connect
    from gateway.commands.promote import send

    named = contract.replace("name: readmission", f"name: readmission-{number % NAMES}", 1)
    started = time.monotonic()
    send(connect("dana"), f"runs:/{run}/model", named, "readmission")
    return round(time.monotonic() - started, 3)


def snapshot_seconds() -> float:
    """How long a snapshot takes to be built while the promotions wait."""
    from gateway.commands.caller import connect
    from gateway.commands.snapshot import watch

    started, sam = time.monotonic(), connect("sam")
    watch(sam, sam.post("/v1/snapshots", {"dataset": "clinic"}))
    return round(time.monotonic() - started, 1)


class Memory:
    """The most that each program of ours held when it was looked at, in MiB."""

    def __init__(self, home: Any) -> None:
        self._home, self.largest = home, dict[str, int]()

    def look(self) -> None:
        """The programs are looked at now."""
        import psutil

        from gateway.embedded import processes

        for name in ("gateway", "worker"):
            if process := processes.running(self._home, name):
                with suppress(psutil.Error):
                    self.largest[name] = max(self.largest.get(name, 0), process.memory_info().rss >> 20)


def until(home: Any, most: int, memory: Memory) -> int:
    """How many wait once no more than `most` do."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while (left := waiting(home)) > most:
        if time.monotonic() > deadline:
            raise SystemExit(f"{left} promotions have not ended")
        memory.look()
        print(f"{left} wait", file=sys.stderr)
        time.sleep(2)
    return left


def kill_worker(home: Any) -> None:
    from gateway.embedded import processes, stack

    worker = processes.running(home, "worker")
    if worker is not None:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(10)
    stack.up(home, lambda name, seconds: None)


def waiting(home: Any) -> int:
    return int(asked(home, WAITING)[0][0])


def sizes(home: Any) -> dict[str, float]:
    """Entries of the ledger, and MiB of what grows."""
    entries, ledger = asked(home, ENTRIES)[0]
    [(control,)] = asked(home, "SELECT pg_database_size(current_database())")
    store = sum(path.stat().st_size for path in home.root.rglob("models/**/*") if path.is_file())
    return {"entries": entries, "ledger_mib": ledger / 2**20, "control_mib": control / 2**20, "store_mib": store / 2**20}


def wrong(home: Any) -> dict[str, int]:
    """How many promotions have a check missing or twice, in the table and in the ledger."""
    from compliance.ledger import integrate
    from gateway import checking
    from gateway.composition import compose
    from gateway.settings import Settings

    given = compose(Settings.load())
    with given.pool.connection() as connection:
        integrate(connection)
    checks = len(checking.names(given, "low"))
    given.close()
    [(table,)], [(ledger,)] = asked(home, WRONG_IN_TABLE, checks), asked(home, WRONG_IN_LEDGER, checks, checks)
    return {"wrong_in_table": table, "wrong_in_ledger": ledger}


def asked(home: Any, query: str, *values: object) -> Sequence[tuple[Any, ...]]:
    import psycopg

    from gateway.embedded import postgres

    with psycopg.connect(postgres.superuser(home, "control")) as control:
        return control.execute(query, values or None).fetchall()  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
