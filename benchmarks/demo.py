"""The main job, from an empty home and again: wall time of each step, and the most memory all its processes held at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

SALLYPORT = Path(sys.executable).with_name("sallyport")
SAMPLE_SECONDS = 0.25


def played(home: Path) -> dict[str, Any]:
    """One run: seconds of the whole and of each step, and the peak of resident memory in MiB over its processes."""
    started = time.monotonic()
    process = subprocess.Popen(
        [SALLYPORT, "demo", "--json"], env={**os.environ, "SALLYPORT_HOME": str(home)}, stdout=subprocess.PIPE, text=True
    )
    peak = [0.0]
    done = threading.Event()
    watcher = threading.Thread(target=_watch, args=(str(home), process.pid, peak, done))
    watcher.start()
    output, _ = process.communicate()
    done.set()
    watcher.join()
    report = json.loads(output)
    steps = {name: step["seconds"] for name, step in report.items() if name != "seconds"}
    return {"seconds": round(time.monotonic() - started, 1), "steps": steps, "peak_mib": round(peak[0])}


def _watch(home: str, pid: int, peak: list[float], done: threading.Event) -> None:
    """The stack's processes are known by the home in their command line or environment."""
    while not done.wait(SAMPLE_SECONDS):
        total = 0
        for process in psutil.process_iter():
            try:
                ours = (
                    process.pid == pid or home in " ".join(process.cmdline()) or process.environ().get("SALLYPORT_HOME") == home
                )
                if ours:
                    total += process.memory_full_info().pss
            except psutil.Error:
                continue
        peak[0] = max(peak[0], total / 2**20)


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="sp-bench-"))
    try:
        result = {"benchmark": "demo", "first": played(folder / "home"), "second": played(folder / "home")}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
