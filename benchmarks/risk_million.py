"""Disclosure risk of a million rows and six quasi-identifiers: in memory, by DuckDB in little of it, and by pycanon.

usage: risk_million.py [ROWS]; each measure of pycanon is asked in a process of its own that is ended after SECONDS, so that its
time is a lower bound where it says so; on the first 2,000 rows it finishes, and its numbers must be ours. Proposals too.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.apart import apart
from sandbox.generalising import propose
from sandbox.risk import measure
from sandbox.risk_tables import measure_files, opened

QUASI = ["age", "sex", "zip3", "race", "marital", "region"]
COMPARED, SECONDS, MEMORY = 2_000, 240, "256MB"


def main() -> None:
    """Prints one JSON object."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as made:
        path = Path(made) / "table.parquet"
        table(rows).write_parquet(path)
        duck, measured = apart(in_files, str(path), seconds=SECONDS)
        memory, again = apart(in_memory, str(path), seconds=SECONDS)
        assert again == {name: value if value is None else again[name] for name, value in measured.items()}
        theirs = {name: _pycanon(name, str(path), rows) for name in ("k", "l", "t")}
        few = {name: _pycanon(name, str(path), COMPARED) for name in ("k", "l", "t")}
        table(rows).head(COMPARED).write_parquet(path)
        ours_few, same = apart(one_each, str(path), seconds=SECONDS)
        proposed, found = apart(proposals, str(path), seconds=SECONDS)
    spent = sum(one["seconds"] for one in theirs.values())
    print(json.dumps({
        "rows": rows, "duckdb": duck | {"memory_limit": MEMORY}, "in_memory": memory,
        "pycanon": theirs | {"finished": all(one["finished"] for one in theirs.values())},
        "times_faster_at_least": round(spent / duck["seconds"], 1),
        f"of_{COMPARED}": {
            "pycanon_seconds": round(sum(one["seconds"] for one in few.values()), 2), "ours_seconds": ours_few["seconds"],
            "times_faster": round(sum(one["seconds"] for one in few.values()) / ours_few["seconds"], 1),
            "same_numbers": all(abs(few[name]["value"] - same[name]) < 1e-9 for name in few),
        },
        "proposals": proposed | {"tried": found["tried"], "loss": found["best"] and found["best"]["loss"]}, **measured,
    }))  # fmt: skip


def in_files(path: str) -> dict[str, Any]:
    with opened([Path(path)], memory=MEMORY) as duck:
        return measure_files(duck, QUASI, ["diagnosis", "cost"]).as_json()


def in_memory(path: str) -> dict[str, Any]:
    return measure(pl.read_parquet(path), QUASI, ["diagnosis", "cost"]).as_json()


def one_each(path: str) -> dict[str, Any]:
    """As pycanon is asked: l of the one column, t of the other."""
    with opened([Path(path)], memory=MEMORY) as duck:
        one, other = measure_files(duck, QUASI, ["diagnosis"]), measure_files(duck, QUASI, ["cost"])
    return {"k": one.k, "l": one.l, "t": other.t}


def proposals(path: str) -> dict[str, Any]:
    classes = pl.read_parquet(path).group_by(QUASI).len("size")
    return propose(classes, QUASI, 11, most_suppressed=0.05)


def pycanon(name: str, path: str, rows: int) -> float:
    from pycanon import anonymity

    given = pl.read_parquet(path).head(rows).to_pandas()
    if name == "k":
        return float(anonymity.k_anonymity(given, QUASI))
    if name == "l":
        return float(anonymity.l_diversity(given, QUASI, ["diagnosis"]))
    return float(anonymity.t_closeness(given, QUASI, ["cost"]))


def _pycanon(name: str, path: str, rows: int) -> dict[str, Any]:
    try:
        took, value = apart(pycanon, name, path, rows, seconds=SECONDS)
    except TimeoutError:
        return {"seconds": SECONDS, "finished": False, "value": None}
    return {"seconds": took["seconds"], "finished": True, "value": value}


def table(rows: int) -> pl.DataFrame:
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


if __name__ == "__main__":
    main()
