"""What the sandbox costs a notebook: starting a kernel in the jail against a bare one, and loading a table against pyarrow.

usage: notebook_sandbox.py [ROWS [KERNELS]]; prints one JSON object. The aims: at most 1.3 and 1.2 times.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet


def main() -> None:
    """Prints one JSON object."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    kernels = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    with tempfile.TemporaryDirectory() as made:
        result = _loading(Path(made), rows) | _starting(Path(made), kernels)
    print(json.dumps(result))


def _loading(folder: Path, rows: int) -> dict[str, Any]:
    """The client's `load` and pyarrow on the same files, turn by turn."""
    import sandbox.client as sp

    draw = np.random.default_rng(3)
    table = pa.table({
        **{f"n{i}": draw.normal(size=rows) for i in range(6)}, **{f"i{i}": draw.integers(0, 1000, rows) for i in range(4)},
        "word": draw.choice(["alpha", "beta", "gamma"], rows), "id": [f"{i:012d}" for i in range(rows)],
    })  # fmt: skip
    file = folder / "visits-0.parquet"
    parquet.write_table(table, file, compression="zstd")
    os.environ |= {"SALLYPORT_SNAPSHOT": str(folder), "SALLYPORT_SNAPSHOT_DATASET": "made", "SALLYPORT_SNAPSHOT_DIGEST": "d"}
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(6):
        started = time.perf_counter()
        parquet.read_table(file).to_pandas()
        middle = time.perf_counter()
        sp.load("made", table="visits")
        bare.append(middle - started)
        ours.append(time.perf_counter() - middle)
    return _compared("load", ours[1:], bare[1:]) | {"rows": rows}


def _starting(folder: Path, kernels: int) -> dict[str, Any]:
    """Kernels until they answer, turn by turn; the first of each is left out."""
    from sandbox.notebook.server import prepare

    place = prepare(folder / "dana")
    for name, part in (("HOME", "home"), ("SNAPSHOTS", "snapshots"), ("TOKENS", "tokens")):
        os.environ[f"SALLYPORT_NOTEBOOK_{name}"] = str(place / part)
    bare = place / "data" / "kernels" / "bare"
    bare.mkdir()
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (bare / "kernel.json").write_text(json.dumps({"display_name": "bare", "language": "python", "argv": argv}))
    times: dict[str, list[float]] = {"sallyport": [], "bare": []}
    for _ in range(kernels + 1):
        for name, seconds in times.items():
            seconds.append(_start(name, place / "data" / "kernels"))
    return _compared("kernel", times["sallyport"][1:], times["bare"][1:])


def _start(name: str, folder: Path) -> float:
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import KernelManager

    specs = KernelSpecManager(kernel_dirs=[str(folder)], ensure_native_kernel=False)
    manager = KernelManager(kernel_name=name, kernel_spec_manager=specs)
    started = time.perf_counter()
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        return time.perf_counter() - started
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _compared(what: str, ours: list[float], bare: list[float]) -> dict[str, Any]:
    mine, theirs = statistics.median(ours), statistics.median(bare)
    return {f"{what}_seconds": round(mine, 3), f"{what}_bare_seconds": round(theirs, 3), f"{what}_times": round(mine / theirs, 2)}


if __name__ == "__main__":
    main()
