"""Risk by DuckDB: the numbers of sandbox/risk.py, in little memory, and no value in an error."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.commands.risk import command
from sandbox import risk_tables
from sandbox.errors import InvalidTable
from sandbox.risk import measure
from sandbox.risk_tables import measure_files, opened, table_files

SOME = st.none() | st.integers(0, 2)
ROWS = st.lists(st.tuples(SOME, SOME, st.none() | st.integers(0, 5), st.none() | st.sampled_from("xyz")), min_size=1, max_size=50)
SCHEMA = {"a": pl.Int64, "b": pl.Int64, "s": pl.Int64, "r": pl.String}


@settings(max_examples=10, deadline=None)
@given(ROWS, ROWS, st.sampled_from([1, 3, 200]))
def test_the_numbers_are_those_measured_in_memory(
    rows: list[tuple[object, ...]], more: list[tuple[object, ...]], batch: int
) -> None:
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    population = pl.DataFrame(more, schema=SCHEMA, orient="row")
    with tempfile.TemporaryDirectory() as made, pytest.MonkeyPatch.context() as patch:
        patch.setattr(risk_tables, "BATCH", batch)
        here, there = Path(made) / "t.parquet", Path(made) / "p.parquet"
        frame.write_parquet(here)
        population.write_parquet(there)
        with opened([here], population=[there], threads=1) as duck:
            found = measure_files(duck, ["a", "b"], ["s", "r"]).as_json()
    assert found == pytest.approx(measure(frame, ["a", "b"], ["s", "r"], population=population).as_json())


def test_a_folder_of_files_is_one_table(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    for part in range(3):
        (tmp_path / "rows" / f"part-{part}.csv").write_text("q,s\n" + "a,1\nb,2\n" * (part + 1))
    result = CliRunner().invoke(command, [str(tmp_path / "rows"), "--quasi", "q", "--sensitive", "s", "--json"])
    assert json.loads(result.stdout) | {"t": 0} == {
        "rows": 12, "k": 6, "classes": 2, "l": 1, "t": 0, "prosecutor_risk": 1 / 6, "unique_rows": 0, "marketer_risk": 1 / 6,
        "journalist_risk": None, "entropy_l": 1.0,
    }  # fmt: skip


def test_a_table_larger_than_its_memory_is_measured(tmp_path: Path) -> None:
    rows, draw = 400_000, np.random.default_rng(3)
    frame = pl.DataFrame({"id": np.arange(rows) // 2, "text": [f"{n:0>60}" for n in draw.integers(0, 9**9, rows)]})
    frame.write_parquet(tmp_path / "t.parquet")
    assert frame.estimated_size("mb") > 25
    with opened([tmp_path / "t.parquet"], memory="40MB", threads=1) as duck:
        found = measure_files(duck, ["id"], ["text"])
    assert (found.rows, found.k, found.classes) == (rows, 2, rows // 2)


@pytest.mark.parametrize(
    ("name", "data", "memory", "says"),
    [
        ("t.parquet", b"Quackenbush", "1GB", "cannot be read as CSV or Parquet"),
        ("t.csv", b"q,s\nQuackenbush,\xff\xfe\n" * 3, "1GB", "cannot be read as CSV or Parquet"),
        ("t.csv", b"q,s\nQuackenbush,1\n", "plenty", "no size such as 500MB"),
    ],
)
def test_what_cannot_be_measured_is_said_without_a_value(tmp_path: Path, name: str, data: bytes, memory: str, says: str) -> None:
    (tmp_path / name).write_bytes(data)
    result = CliRunner().invoke(command, [str(tmp_path / name), "--quasi", "q", "--memory", memory])
    assert result.exit_code == 1 and says in result.stderr and "Quackenbush" not in result.stderr + result.stdout


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTable):
        table_files([tmp_path])


def test_a_class_the_population_has_fewer_rows_of_counts_as_the_table_has_it(tmp_path: Path) -> None:
    here, there = tmp_path / "t.csv", tmp_path / "p.csv"
    here.write_text("q\n" + "a\n" * 5)
    there.write_text("q\n" + "a\n" * 2)
    with opened([here], population=[there]) as duck:
        assert measure_files(duck, ["q"]).journalist_risk == 1 / 5
