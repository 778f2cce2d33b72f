"""Structured data of 20 columns: a whole build's time and memory as rows grow; its treatments beside Polars' and Presidio's.

usage: structured.py [ROWS...]; the largest number of rows is also treated by plain Polars expressions that do the same maths
(which must give the same values), and by presidio-structured with operators as near as it has them, on as many rows as it does
in SECONDS, compared by rows a second. Every measurement has a process of its own, and all run on the cores there are.
"""

from __future__ import annotations

import hmac
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from benchmarks.apart import apart
from sandbox.bounds import Bounds
from sandbox.contracts import Contract, load_contract
from sandbox.enforcement import Limits
from sandbox.snapshots import Recipe, build_snapshot
from sandbox.sources import FolderSource
from sandbox.structured import treat_rows
from sandbox.text import Scrubber
from sandbox.treatments import Keyed
from sandbox.treatments.shift_date import offset_days
from sandbox.treatments.zip3 import SPARSE

KEY, SECONDS, CHUNK = b"k" * 32, 240, 250_000
HASHED = ("person_id", "mrn", "email", "phone")
# name -> type, class, treatment
COLUMNS: dict[str, tuple[str, str, Any]] = {
    "person_id": ("string", "direct", "pseudonym"),
    "mrn": ("string", "direct", "pseudonym"),
    "email": ("string", "direct", "pseudonym"),
    "phone": ("string", "direct", "pseudonym"),
    "name": ("string", "direct", "suppress"),
    "street": ("string", "direct", "suppress"),
    "birth_date": ("date", "quasi", {"name": "year", "width": 10, "oldest": 1936}),
    "zip": ("string", "quasi", "zip3"),
    "sex": ("string", "quasi", "keep"),
    "admitted": ("date", "quasi", "shift-date"),
    "discharged": ("date", "quasi", "shift-date"),
    "diagnosis": ("string", "sensitive", "keep"),
    "ward": ("string", "insensitive", "keep"),
    "insurer": ("string", "insensitive", "keep"),
    "cost": ("number", "insensitive", {"name": "round", "to": 10}),
    "weight": ("number", "insensitive", {"name": "bin", "width": 5, "lowest": 40, "highest": 150}),
    "height": ("integer", "insensitive", {"name": "bin", "width": 5, "lowest": 140, "highest": 210}),
    "visits": ("integer", "insensitive", "keep"),
    "emergency": ("boolean", "insensitive", "keep"),
    "score": ("number", "insensitive", "keep"),
}  # fmt: skip


def main() -> None:
    """Prints one JSON object."""
    sizes = [int(rows) for rows in sys.argv[1:]] or [100_000, 1_000_000]
    grown, found = {}, {}
    for rows in sizes:
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made) / "rows"
            generate(folder, rows)
            cost, digest = apart(build, str(folder), made, seconds=1_800)
            grown[rows] = cost | {"digest": digest[:20]}
            if rows == max(sizes):
                found = compared(str(folder), rows)
    print(json.dumps({"columns": len(COLUMNS), "cores": len(os.sched_getaffinity(0)), "builds": grown, **found}))


def compared(folder: str, rows: int) -> dict[str, Any]:
    """Treatments alone, of all rows in memory, three ways."""
    ours, one = apart(treat, folder, seconds=600)
    plain, other = apart(treat_in_polars, folder, seconds=600)
    theirs, done = apart(treat_in_presidio, folder, seconds=SECONDS + 60)
    assert one == other, "plain Polars gives other values"
    rate = done / theirs["seconds"]
    return {
        "treatments": {"rows": rows, "ours": ours, "plain_polars": plain, "presidio_structured": theirs | {"rows": done}},
        "of_plain_polars": round(plain["seconds"] / ours["seconds"], 2),
        "times_presidio": round(rows / ours["seconds"] / rate, 1),
    }


def build(folder: str, made: str) -> str:
    limits, bounds = Limits(5, 1, 0.2), Bounds(*[None] * 8)
    recipe = Recipe(KEY, "w", "p", limits, Scrubber(processes=1), bounds=bounds)
    return build_snapshot(contract(), FolderSource(Path(folder)), recipe, out=Path(made) / "out", built_at="t").digest


def treat(folder: str) -> list[int]:
    table = contract().tables[0]
    return _sums(treat_rows(table, "person_id", KEY, 0, _read(folder)))


def treat_in_polars(folder: str) -> list[int]:
    """The same as somebody would write it who needs no contract, limit, certificate or ledger."""
    frame = _read(folder)
    offsets = {person: offset_days(Keyed(KEY), person, weekdays=False) for person in frame["person_id"].unique()}
    first = pl.col("zip").str.extract(r"^(\d{3})\d{2}$", 1)

    def mac(name: str) -> pl.Expr:
        return pl.col(name).map_elements(
            lambda value: hmac.digest(KEY, f"stays.{name}\x00{value}".encode(), "sha256")[:16].hex(), return_dtype=pl.String
        )

    days = pl.col("person_id").replace_strict(offsets, return_dtype=pl.Int64)
    treated = frame.select(
        *(mac(name) for name in HASHED),
        pl.col("birth_date").dt.year().cast(pl.Int64).clip(1936) // 10 * 10,
        pl.when(first.is_null() | first.is_in(SPARSE)).then(pl.lit("000")).otherwise(first).alias("zip"), "sex",
        pl.col("admitted") + pl.duration(days=days), pl.col("discharged") + pl.duration(days=days),
        "diagnosis", "ward", "insurer",
        (pl.col("cost") / 10).round(mode="half_to_even") * 10, pl.col("weight").clip(40, 150) // 5 * 5,
        pl.col("height").clip(140, 210) // 5 * 5, "visits", "emergency", "score",
    )  # fmt: skip
    return _sums(treated)


def treat_in_presidio(folder: str) -> int:
    """Rows treated in SECONDS: hashes, and Python functions where Presidio has no operator of its own."""
    from presidio_anonymizer.entities import OperatorConfig
    from presidio_structured import PandasDataProcessor, StructuredAnalysis, StructuredEngine

    asked = {
        **dict.fromkeys(HASHED, OperatorConfig("hash", {"hash_type": "sha256", "salt": KEY})),
        **dict.fromkeys(("name", "street"), OperatorConfig("redact", {})),
        "birth_date": OperatorConfig("custom", {"lambda": lambda day: str(int(day[:4]) // 10 * 10)}),
        "zip": OperatorConfig("custom", {"lambda": lambda code: code[:3]}),
        **dict.fromkeys(("admitted", "discharged"), OperatorConfig("custom", {"lambda": lambda day: day[:4]})),
        **dict.fromkeys(
            ("cost", "weight", "height"), OperatorConfig("custom", {"lambda": lambda number: str(float(number) // 5 * 5)})
        ),
    }
    engine, analysis = StructuredEngine(PandasDataProcessor()), StructuredAnalysis(entity_mapping={name: name for name in asked})
    frame, done, until = _read(folder).cast(pl.String), 0, time.monotonic() + SECONDS
    while time.monotonic() < until and done < frame.height:
        part = frame[done : done + 20_000].to_pandas()
        engine.anonymize(part, analysis, operators=asked)
        done += len(part)
    return done


def contract() -> Contract:
    properties = []
    for name, (kind, class_, treatment) in COLUMNS.items():
        custom = [{"property": "treatment", "value": treatment}]
        item = {"name": name, "logicalType": kind, "classification": class_, "customProperties": custom}
        properties.append(item | ({"primaryKey": True} if name == "person_id" else {}))
    custom = [{"property": "purposes", "value": ["bench"]}, {"property": "personKey", "value": "stays.person_id"}]
    told = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "bench", "version": "1", "status": "active"}
    return load_contract(
        yaml.safe_dump(told | {"customProperties": custom, "schema": [{"name": "stays", "properties": properties}]})
    )


def generate(folder: Path, rows: int) -> None:
    """Many Parquet files of the one table."""
    (folder / "stays").mkdir(parents=True)
    for start in range(0, rows, CHUNK):
        _rows(start, min(CHUNK, rows - start)).write_parquet(folder / "stays" / f"{start:012}.parquet")


def _rows(start: int, number: int) -> pl.DataFrame:
    draw, ids = np.random.default_rng(start), pl.int_range(start, start + number, eager=True)
    day = pl.Series(draw.integers(0, 365 * 60, number)) * 86_400_000
    text = ids.cast(pl.String)
    return pl.DataFrame({
        "person_id": "P" + text, "mrn": (ids * 7919 % 10**8).cast(pl.String).str.zfill(8), "email": "p" + text + "@example.org",
        "phone": "555-" + text.str.zfill(8), "name": "Person " + text, "street": text + " High Street",
        "birth_date": (day - 86_400_000 * 365 * 40).cast(pl.Datetime("ms")).cast(pl.Date),
        "zip": pl.Series(draw.integers(100, 140, number) * 100 + draw.integers(0, 100, number)).cast(pl.String),
        "sex": draw.choice(["F", "M"], number).tolist(), "admitted": day.cast(pl.Datetime("ms")).cast(pl.Date),
        "discharged": (day + 86_400_000 * 3).cast(pl.Datetime("ms")).cast(pl.Date),
        "diagnosis": draw.choice([f"D{i:02}" for i in range(40)], number).tolist(),
        "ward": draw.choice([f"W{i}" for i in range(12)], number).tolist(),
        "insurer": draw.choice([f"Insurer {i}" for i in range(9)], number).tolist(),
        "cost": draw.gamma(2, 3000, number).round(2), "weight": draw.normal(75, 15, number).round(1),
        "height": draw.integers(140, 205, number), "visits": draw.integers(0, 30, number),
        "emergency": pl.Series(draw.integers(0, 2, number)).cast(pl.Boolean), "score": draw.random(number).round(4),
    })  # fmt: skip


def _read(folder: str) -> pl.DataFrame:
    return pl.read_parquet(Path(folder) / "stays" / "*.parquet")


def _sums(treated: pl.DataFrame) -> list[int]:
    """A digest of every column's values, in order."""
    return [int(treated[name].hash(seed=1).sum() % 2**61) for name in treated.columns]


if __name__ == "__main__":
    main()
