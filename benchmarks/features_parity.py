"""Feature parity: the same definition on DuckDB and on PostgreSQL, over a million rows with ten of history each.

usage: features_parity.py [ROWS]; prints one JSON object with the seconds each took and how many values differ.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psycopg

from gateway.embedded import throwaway
from sandbox.features import Beside, Definition, History, Rows, parity, running, trial, year
from sandbox.features.compiling import compiled

VISITS_OF_A_PERSON = 10
VISITS = Definition(
    name="visits", version="1", dataset="made",
    rows=Rows("visits", entity="id", as_of="at", person="who", columns=("at", "amount", "score", "ward")),
    beside=(Beside("people", by="who", columns=("born",)),),
    history=(
        History("visits", by="who", known="at", columns=("amount", "score", "ward"), values=lambda past: {
            "earlier": past.count(), "spent": past.amount.sum(), "mean_score": past.score.mean(), "spread": past.score.std(),
            "wards": past.ward.nunique(), "year_before": past.count(where=past.known >= past.as_of - _days(365)),
        }),
    ),
    values=lambda row: {
        "age": year(row.at) - year(row.born), "ward": row.ward, "amount": row.amount,
        "per_visit": row.spent / row.earlier.nullif(0), "root": row.score.abs().sqrt(), "weekday": row.at.day_of_week.index(),
    },
    label="outcome",
)  # fmt: skip


def _days(number: int) -> Any:
    import ibis

    return ibis.interval(days=number)


def main() -> None:
    """Prints one JSON object; ends with status 1 where the rows differ."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as made:
        tables = _tables(Path(made), rows)
        schemas = trial.schemas(tables)
        one = compiled(VISITS, treated=schemas, live=schemas)
        on_files, duckdb_seconds = _timed(lambda: running.on_files(one.snapshot_sql, tables, one.columns))
        with throwaway.postgres() as (owner, reader):
            _, loading = _timed(lambda: trial.load(owner, tables, [one.reads], reader=throwaway.READER))
            with psycopg.connect(reader, autocommit=True) as connection:
                live, postgres_seconds = _timed(lambda: running.on_postgres(one.live_sql, connection, one.columns))
    found = parity.compare(on_files, live)
    different = {column.name: column.different for column in found.columns}
    print(json.dumps({
        "rows": found.rows, "equal": found.equal, "different": different,
        "largest_relative": max(column.largest for column in found.columns), "duckdb_seconds": duckdb_seconds,
        "postgres_seconds": postgres_seconds, "postgres_load_seconds": loading,
    }))  # fmt: skip
    sys.exit(0 if found.equal else 1)


def _timed(act: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    return act(), round(time.perf_counter() - started, 2)


def _tables(folder: Path, rows: int) -> dict[str, list[str]]:
    draw = np.random.default_rng(20261125)
    persons = max(1, rows // VISITS_OF_A_PERSON)
    days = draw.integers(0, 3_650, rows)
    start = np.datetime64("2016-01-01T00:00:00.000000")
    scores = np.where(draw.random(rows) < 0.05, np.nan, draw.lognormal(3, 2, rows))
    visits = pl.DataFrame({
        "id": [f"v{i:08d}" for i in range(rows)], "who": [f"p{i:07d}" for i in draw.integers(0, persons, rows)],
        "at": start + days.astype("timedelta64[D]") + draw.integers(0, 86_400_000_000, rows).astype("timedelta64[us]"),
        "amount": draw.integers(-500, 100_000, rows), "score": pl.Series(scores).fill_nan(None),
        "ward": draw.choice(["north", "south", "east", "west"], rows), "outcome": draw.integers(0, 2, rows),
    })  # fmt: skip
    born = np.datetime64("1930-01-01") + draw.integers(0, 30_000, persons).astype("timedelta64[D]")
    people = pl.DataFrame({"who": [f"p{i:07d}" for i in range(persons)], "born": born})
    for name, frame in (("visits", visits), ("people", people)):
        frame.write_parquet(folder / f"{name}-0.parquet")
    return running.table_files(folder)


if __name__ == "__main__":
    main()
