"""How fast policy decides: embedded, through an OPA server against a raw call of its client, many at once, and replayed.

`python -m benchmarks.policy_decisions [--quick]` prints one JSON object. The server part needs an `opa` program, on PATH, in
SALLYPORT_OPA or in the tests' cache, and is null without one.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from policies.bulk import decide_all
from policies.bundle import Bundle
from policies.client import PolicyClient
from policies.embedded import EmbeddedEngine
from policies.replay import Recorded, replay
from policies.served import SERVED
from policies.server import ServerEngine

NOW = 1_800_000_000
CLASSES = ("direct", "quasi", "sensitive", "insensitive")


def dataset(columns: int) -> dict[str, Any]:
    """`data.datasets` with one dataset of that many columns, all classes alike."""
    names = {f"patients.column_{number:03}": CLASSES[number % 4] for number in range(columns)}
    return {
        "clinic": {
            "purposes": ["model-debugging"],
            "max_ttl": 7200,
            "row_filters": {"model-debugging": "consent"},
            "columns": names,
        }
    }


def question(columns: int) -> dict[str, Any]:
    """A live read of all the columns, granted and approved: the longest way through the rules."""
    names = sorted(dataset(columns)["clinic"]["columns"])
    grant = {
        "id": "g", "subject": "dana", "dataset": "clinic", "purpose": "model-debugging", "columns": names, "not_before": NOW - 9,
        "expires": NOW + 9_000, "revoked": False,
        "approvals": [{"by": by, "role": "data-steward", "at": NOW - 9} for by in ("sam", "stella")],
    }  # fmt: skip
    return {
        "subject": {"id": "dana", "type": "person", "roles": ["data-scientist"], "projects": ["p"], "training_until": NOW + 9,
                    "mfa": True},
        "action": "read",
        "resource": {"type": "dataset", "id": "clinic", "project": "p", "zone": "live", "columns": names},
        "context": {"now": NOW, "purpose": "model-debugging", "grant": grant},
    }  # fmt: skip


def timed(work: Callable[[], Any], times: int) -> dict[str, float]:
    """Median and 99th percentile in milliseconds, wall time and this process's own time."""
    wall, own = [], []
    for _ in range(times):
        began, used = time.perf_counter(), time.process_time()
        work()
        own.append((time.process_time() - used) * 1e3)
        wall.append((time.perf_counter() - began) * 1e3)
    return {
        "median_ms": round(statistics.median(wall), 3), "p99_ms": round(statistics.quantiles(wall, n=100)[98], 3),
        "median_cpu_ms": round(statistics.median(own), 3),
    }  # fmt: skip


def embedded(columns: int, times: int) -> dict[str, float]:
    """One decision after another in this process."""
    client, asked, datasets = PolicyClient(EmbeddedEngine(Bundle.load())), question(columns), dataset(columns)
    assert client.decide(asked, datasets=datasets).allow
    return timed(lambda: client.decide(asked, datasets=datasets), times)


def server(columns: int, times: int) -> dict[str, Any] | None:
    """The gateway's client against the bare call of opa-python-client for the same question, turn by turn in one run."""
    from opa_client.opa import OpaClient

    program = opa()
    if program is None:
        return None
    with serving(program) as port:
        asked, datasets = question(columns), dataset(columns)
        client, raw = PolicyClient(ServerEngine(f"http://127.0.0.1:{port}", Bundle.load())), OpaClient(port=port)
        assert client.decide(asked, datasets=datasets).allow

        def bare() -> Any:
            return raw.query_rule(input_data=asked, package_path=SERVED, rule_name="answer")["result"]

        assert bare()["decision"]["allow"]
        ours, theirs = [], []
        for _ in range(10):
            ours.append(timed(lambda: client.decide(asked, datasets=datasets), times // 10)["median_ms"])
            theirs.append(timed(bare, times // 10)["median_ms"])
        ratio = statistics.median(ours) / statistics.median(theirs)
        medians = {"median_ms": statistics.median(ours), "raw_median_ms": statistics.median(theirs), "ratio": ratio}
        return {name: round(value, 3) for name, value in medians.items()}


def at_once(columns: int, times: int) -> dict[str, float]:
    """Decisions a second on one core and on all, of questions that all differ and of one put again and again."""
    bundle, datasets, same = Bundle.load(), dataset(columns), question(columns)
    differing = [{**same, "subject": same["subject"] | {"training_until": NOW + 9 + number}} for number in range(times)]
    rates = {}
    for name, asked in (("unique", differing), ("repeated", [same] * times)):
        for cores_named, cores in (("one_core", 1), ("all_cores", os.cpu_count() or 1)):
            began = time.perf_counter()
            assert sum(decision.allow for decision in decide_all(bundle, asked, datasets, processes=cores)) == times
            rates[f"{name}_{cores_named}"] = round(times / (time.perf_counter() - began))
    return rates


def replayed(count: int, *, alike: bool) -> dict[str, float]:
    """A replay of that many recorded decisions, all `alike` or each of another subject, under policies with one rule stricter."""
    now = Bundle.load()
    needed = now.data["approvers_needed"] | {"direct": 3}
    changed = Bundle(now.modules, {**now.data, "approvers_needed": needed}, "sha256:changed")

    def asked(number: int) -> dict[str, Any]:
        told = question(4)
        told["subject"]["id"] = told["context"]["grant"]["subject"] = "dana" if alike else f"dana-{number}"
        return told

    began = time.perf_counter()
    recorded = (Recorded(asked(number), str(number), (True, ())) for number in range(count))
    result = replay(recorded, now=now, changed=changed, datasets=dataset(4))
    seconds = time.perf_counter() - began
    assert result["turned"] == result["decided"] == count
    return {"decisions": count, "seconds": round(seconds, 1), "per_second": round(count / seconds)}


def opa() -> str | None:
    """An opa program, if there is one."""
    cached = sorted((Path.home() / ".cache" / "sallyport").glob("opa-*/opa"))
    return os.environ.get("SALLYPORT_OPA") or shutil.which("opa") or (str(cached[-1]) if cached else None)


@contextmanager
def serving(program: str) -> Iterator[int]:
    """An OPA server's port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    process = subprocess.Popen(
        [program, "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """All figures, as JSON on standard output."""
    part = 10 if "--quick" in sys.argv else 1
    figures = {
        "load_average": os.getloadavg()[0], "cores": os.cpu_count(),
        "embedded_50_columns": embedded(50, 2_000 // part), "embedded_4_columns": embedded(4, 2_000 // part),
        "server_50_columns": server(50, 1_000 // part), "server_4_columns": server(4, 1_000 // part),
        "decisions_a_second_4_columns": at_once(4, 10_000 // part),
        "replay_unique": replayed(100_000 // part, alike=False),
        "replay_repeated": replayed(100_000 // part, alike=True),
    }  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
