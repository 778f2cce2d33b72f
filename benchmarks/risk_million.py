"""Disclosure risk of a million rows and six quasi-identifiers: seconds, memory, and pycanon's numbers where it is installed.

usage: risk_million.py [ROWS]; pycanon (not a dependency) is asked about the first 20,000 rows, as it needs minutes for more.
"""

from __future__ import annotations

import importlib.util
import json
import resource
import sys
import time

import numpy as np
import polars as pl

from sandbox.risk import measure

QUASI = ["age", "sex", "zip3", "race", "marital", "region"]
COMPARED = 20_000


def main() -> None:
    """Prints one JSON object."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    frame = _table(rows)
    start = time.perf_counter()
    risk = measure(frame, QUASI, ["diagnosis", "cost"])
    seconds = time.perf_counter() - start
    result = {"rows": rows, "seconds": round(seconds, 2), "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
    if importlib.util.find_spec("pycanon"):
        result["pycanon"] = _compare(frame.head(COMPARED))
    print(json.dumps(result | risk.as_json()))


def _table(rows: int) -> pl.DataFrame:
    draw = np.random.default_rng(7)
    return pl.DataFrame(
        {
            "age": draw.integers(0, 10, rows) * 10,
            "sex": draw.choice(["F", "M"], rows),
            "zip3": draw.integers(0, 40, rows).astype(str),
            "race": draw.choice(["a", "b", "c", "d"], rows, p=[0.6, 0.2, 0.15, 0.05]),
            "marital": draw.choice(["s", "m", "d"], rows),
            "region": draw.choice(["n", "e", "s", "w"], rows),
            "diagnosis": draw.choice([f"d{i}" for i in range(30)], rows),
            "cost": draw.integers(0, 200, rows),
        }
    )


def _compare(frame: pl.DataFrame) -> dict[str, object]:
    from pycanon import anonymity

    given = frame.to_pandas()
    start = time.perf_counter()
    theirs = (
        anonymity.k_anonymity(given, QUASI), anonymity.l_diversity(given, QUASI, ["diagnosis"]),
        round(float(anonymity.t_closeness(given, QUASI, ["cost"])), 9),
    )  # fmt: skip
    middle = time.perf_counter()
    one, other = measure(frame, QUASI, ["diagnosis"]), measure(frame, QUASI, ["cost"])
    ours = (one.k, one.l, round(other.t or 0.0, 9))
    times = (middle - start) / (time.perf_counter() - middle)
    return {"rows": frame.height, "same_numbers": ours == theirs, "times_faster": round(times, 1)}


if __name__ == "__main__":
    main()
