"""Work measured in a process of its own: its seconds, the processor's, the most memory it held, and its outcome."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SPAWN = multiprocessing.get_context("spawn")


def apart(work: Callable[..., Any], *given: Any, seconds: float) -> tuple[dict[str, Any], Any]:
    """What `work` cost and what it gave. Raises TimeoutError after so many seconds."""
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=_timed, args=(there, work, given))
    process.start()
    there.close()
    try:
        if not here.poll(seconds + 20):
            raise TimeoutError
        outcome: tuple[dict[str, Any], Any] = here.recv()
        return outcome
    finally:
        process.kill()
        process.join()


def _timed(answer: Any, work: Callable[..., Any], given: tuple[Any, ...]) -> None:
    before = peak_mb()
    start, cpu = time.perf_counter(), time.process_time()
    value = work(*given)
    told = {"seconds": round(time.perf_counter() - start, 3), "cpu_seconds": round(time.process_time() - cpu, 3)}
    answer.send((told | {"peak_mb": peak_mb(), "peak_mb_above_start": peak_mb() - before}, value))


def peak_mb() -> int:
    """The most memory this process has held; unlike rusage's, a new program starts from nothing."""
    (line,) = [line for line in Path("/proc/self/status").read_text("utf-8").splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1024
