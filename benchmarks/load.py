"""Two hundred people of all roles for ten minutes on the embedded stack: errors, p99 for each thing they do, memory over time.

Written to standard output as one JSON object. LOAD_SECONDS and LOAD_PEOPLE make it shorter or smaller.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.own_stack import own_stack

SECONDS, PEOPLE = int(os.environ.get("LOAD_SECONDS", "600")), int(os.environ.get("LOAD_PEOPLE", "200"))
PARTS = ("gateway", "worker", "model_server", "mlflow", "postgres", "openbao")
HERE = Path(__file__).parent


@contextmanager
def clinic_stack() -> Iterator[Any]:
    """A stack of its own with the clinic's rows in it."""
    from gateway.client import Gateway
    from gateway.commands.dataset import send_rows
    from gateway.commands.table_files import table_files
    from gateway.embedded.users import login
    from gateway.settings import Settings
    from sandbox.domains import contract_path
    from sandbox.domains.clinic.generate import write

    with own_stack() as home:
        rows = home.root.parent / "rows"
        write(rows, patients=300, notes=120, seed=7)
        sam = Gateway(Settings.load().gateway_url, lambda: login(home.root, "sam"))
        sam.post("/v1/datasets", {"project": "readmission", "contract": contract_path("clinic").read_text("utf-8")})
        with table_files(str(rows)) as paths:
            send_rows(sam, "clinic", paths)
        yield home


def start_people(out: Path) -> subprocess.Popen[bytes]:
    """Locust drives them; its figures are in files that begin with `out` when it ends."""
    command = [
        sys.executable, "-m", "locust", "--locustfile", str(HERE / "load_people.py"), "--headless", "--users", str(PEOPLE),
        "--spawn-rate", "10", "--run-time", f"{SECONDS}s", "--stop-timeout", "10", "--json-file", str(out), "--only-summary",
        "--exit-code-on-error", "0",
    ]  # fmt: skip
    return subprocess.Popen(command, stdout=sys.stderr, stderr=sys.stderr)


def memory(home: Any) -> dict[str, float]:
    """part -> MiB that it and its children have to themselves, with their share of what they share."""
    from gateway.embedded import processes

    found = {}
    for part in PARTS:
        if process := processes.running(home, part):
            every = [process, *process.children(recursive=True)]
            found[part] = round(sum(_pss(one) for one in every) / 2**20, 1)
    return found


def figures(out: Path) -> dict[str, Any]:
    """thing done -> how often, how many failed, median and p99 in milliseconds."""
    said = json.loads(out.with_suffix(".json").read_text("utf-8"))
    return {one["name"]: _figures(one) for one in said}


def _figures(one: dict[str, Any]) -> dict[str, float]:
    times = sorted((float(ms), int(number)) for ms, number in one["response_times"].items())
    total = sum(number for _, number in times)
    return {"requests": one["num_requests"], "failed": one["num_failures"],
            "median_ms": _quantile(times, total, 0.5), "p99_ms": _quantile(times, total, 0.99)}  # fmt: skip


def _quantile(times: list[tuple[float, int]], total: int, share: float) -> float:
    seen = 0
    for milliseconds, number in times:
        seen += number
        if seen >= share * total:
            return milliseconds
    return 0.0


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def main() -> int:
    with clinic_stack() as home, tempfile.TemporaryDirectory() as work:
        idle = memory(home)
        people, samples, started = start_people(Path(work) / "load"), [], time.monotonic()
        while people.poll() is None:
            time.sleep(min(15, SECONDS / 8))
            samples.append({"second": round(time.monotonic() - started), "mib": memory(home)})
        found = figures(Path(work) / "load")
    failed = sum(one["failed"] for one in found.values())
    result = {"people": PEOPLE, "seconds": SECONDS, "failed": failed, "requests": sum(one["requests"] for one in found.values()),
              "things": found, "memory_idle_mib": idle, "memory": samples}  # fmt: skip
    json.dump(result, sys.stdout, indent=1)
    print()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
