"""Rows that come some at a time: the outcome is the same however many, and of live rows nothing is put down on the way."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from small_contract import PLANTED, contract_text, write_rows
from staged_frames import staged

from sandbox import sources, table_files
from sandbox.bounds import Bounds
from sandbox.contracts import Table, load_contract
from sandbox.enforcement import Limits
from sandbox.errors import BuildFailed, SourceMismatch
from sandbox.loading import load_into_postgres
from sandbox.sealed import Sealed
from sandbox.snapshots import Built, Recipe, build_snapshot
from sandbox.sources import FolderSource, PostgresSource, Source
from sandbox.survey import read_tables
from sandbox.text import Scrubber
from sandbox.writing import write_table

CONTRACT = load_contract(contract_text(holdout=0.2))


def build(source: Source, folder: Path, **more: Any) -> Built:
    recipe = Recipe(b"k" * 32, "w", "p", Limits(2, 1, 0.5), Scrubber(processes=1), bounds=Bounds(*[None] * 8))
    return build_snapshot(CONTRACT, source, recipe, out=folder / "out", holdout_out=folder / "held", built_at="t", **more)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_few_rows_at_a_time_give_the_bytes_and_the_manifest_of_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FolderSource(write_rows(tmp_path / "rows", persons=60))
    whole = build(source, tmp_path / "whole")
    monkeypatch.setattr(table_files, "ROWS", 7)
    parts = build(source, tmp_path / "parts")
    assert parts.statement == whole.statement
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert {name.partition("/")[0] for name in contents(tmp_path / "whole")} == {"out", "held"}


def test_a_table_in_many_files_of_its_folder_is_the_table_in_one(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows")
    one = read_tables(CONTRACT, FolderSource(rows))
    persons, visits = (rows / "persons.csv").read_text().splitlines(), (rows / "visits.jsonl").read_text().splitlines()
    for name in ("persons", "visits"):
        (rows / name).mkdir()
    for part in range(3):
        chosen = persons[1 + 8 * part : 9 + 8 * part]
        with gzip.open(rows / "persons" / f"{part}.csv.gz", "wt") as file:
            file.write("\n".join([persons[0], *chosen]) + "\n")
        (rows / "visits" / f"{part}.jsonl").write_text("\n".join(visits[16 * part : 16 * part + 16]) + "\n")
    with pytest.raises(SourceMismatch, match="a file and a folder for table persons"):
        read_tables(CONTRACT, FolderSource(rows))
    (rows / "persons.csv").unlink()
    (rows / "visits.jsonl").unlink()
    many = read_tables(CONTRACT, FolderSource(rows))
    assert all(many[name].equals(one[name]) for name in one)


def test_postgresql_is_read_some_rows_at_a_time_and_gives_the_bytes_of_the_files(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = f'"Ada\n{PLANTED}, ""Q"" 1"'  # a line break, a comma and quotes in one value
    rows = write_rows(tmp_path / "rows")
    (rows / "persons.csv").write_text((rows / "persons.csv").read_text().replace(f"Ada {PLANTED} 1,", f"{odd},"))
    source = FolderSource(rows)
    monkeypatch.setattr(sources, "ROWS", 5)
    with psycopg.connect(database_url) as connection:
        connection.execute("DO $$ BEGIN CREATE ROLE live_owner; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        connection.execute("DO $$ BEGIN EXECUTE format('GRANT ALL ON DATABASE %I TO live_owner', current_database()); END $$")
        load_into_postgres(CONTRACT, source, connection)
        live = PostgresSource(connection, "small")
        assert [len(batch) for batch in live.batches(CONTRACT.table("persons"))] == [5, 5, 5, 5, 4]
        there = build(live, tmp_path / "there")
    assert there.digest == build(source, tmp_path / "here").digest


def test_of_live_rows_nothing_is_on_disk_while_a_build_goes_on(tmp_path: Path) -> None:
    seen: dict[str, bytes] = {}

    def look(step: str, done: int, total: int) -> None:
        if step == "treat persons":
            sealed = [data for name, data in contents(tmp_path / "out.partial").items() if name.startswith("sealed/")]
            assert len(sealed) == 2 and not any(b"ARROW1" in data for data in sealed)
        if step in ("risk", "certify"):
            assert not any((tmp_path / "out.partial" / "sealed").iterdir())
            assert (tmp_path / "out.partial").stat().st_mode & 0o077 == 0
            seen.update(contents(tmp_path / "out.partial"))

    build(FolderSource(write_rows(tmp_path / "rows")), tmp_path, progress=look)
    staged = [pl.read_parquet(data) for name, data in seen.items() if name.endswith(".parquet")]
    assert sum(frame.height for frame in staged) == 72
    said = str([frame.to_dicts() for frame in staged]) + repr(seen)
    assert not any(value in said for value in ("Quackenbush", "Featherstone", "P003", "V3-1"))
    assert not (tmp_path / "out.partial").exists()


class Counted:
    """A source that counts how often it is asked for each table."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.asked: list[str] = []

    def batches(self, table: Table) -> Iterator[pl.DataFrame]:
        self.asked.append(table.name)
        yield from self._source.batches(table)


def test_a_source_is_read_once_and_let_go_before_anything_is_treated(tmp_path: Path) -> None:
    source, steps = Counted(FolderSource(write_rows(tmp_path / "rows"))), list[str]()
    build(
        source, tmp_path, done_reading=lambda: steps.append("done"), progress=lambda step, done, total: steps.append(step)
    )  # fmt: skip
    assert source.asked == ["persons", "visits"]
    assert steps[:3] == ["read", "done", "treat persons"] and steps.count("done") == 1


def test_sealed_rows_are_read_once_and_by_nobody_else(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": ["Quackenbush"] * 90, "b": [date(2020, 1, 1), None, None] * 30})
    sealed = Sealed(tmp_path / "sealed")
    for part in (frame[:40], frame[40:]):
        sealed.put("t", part)
    seen = b"".join(contents(tmp_path / "sealed").values())
    assert len(seen) > 200 and b"ARROW1" not in seen and b"Quackenbush" not in seen
    assert pl.concat(list(sealed.take("t"))).equals(frame)
    assert contents(tmp_path / "sealed") == {} and list(sealed.take("t")) == []


def test_a_sealed_part_put_in_the_place_of_another_breaks_the_build(tmp_path: Path) -> None:
    sealed = Sealed(tmp_path / "sealed")
    sealed.put("t", pl.DataFrame({"a": [1]}))
    sealed.put("t", pl.DataFrame({"a": [2]}))
    (tmp_path / "sealed" / "000002").rename(tmp_path / "sealed" / "000001")
    with pytest.raises(BuildFailed, match="Rows of table t were changed"):
        list(sealed.take("t"))


def test_a_file_has_the_same_bytes_however_its_rows_come_and_none_is_left_when_they_stop(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": range(1_000), "b": [None, "x\x00", "", "ż"] * 250})
    one = write_table(tmp_path, "t", frame.schema, iter([frame]))
    many = write_table(tmp_path, "t", frame.schema, iter([frame.clear(), *(frame[i : i + 33] for i in range(0, 1_000, 33))]))
    assert one == many and pl.read_parquet(tmp_path / one[0]).equals(frame)


def test_a_build_whose_counting_breaks_says_no_value_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import duckdb

    def broken(*_: Any) -> None:
        raise duckdb.OutOfMemoryException(PLANTED)

    monkeypatch.setattr("sandbox.snapshots.enforce", broken)
    with pytest.raises(BuildFailed, match="OutOfMemoryException") as caught:
        build(FolderSource(write_rows(tmp_path / "rows")), tmp_path)
    assert PLANTED not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert [path.name for path in tmp_path.iterdir()] == ["rows"]


def test_rows_that_differ_by_the_sign_of_a_zero_have_one_order(tmp_path: Path) -> None:
    contract, found = load_contract(contract_text()), []
    persons, visits = (pl.DataFrame({c.name: [None, None] for c in contract.table(t).columns}) for t in ("persons", "visits"))
    for zeros in ([0.0, -0.0], [-0.0, 0.0]):
        folder = tmp_path / str(zeros)
        folder.mkdir()
        frames = {"persons": persons, "visits": visits.with_columns(score=pl.Series(zeros))}
        with staged(contract, frames, folder) as stage:
            table = contract.table("visits")
            found.append([str(row) for frame in stage.sorted(table, stage.candidates(table)) for row in frame["score"]])
    assert found == [["0.0", "0.0"]] * 2
