"""Live rows: typed and checked as the contract says, or refused by table, column and count, never by value."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import psycopg
import pytest
from small_contract import contract_text, write_rows

from sandbox.contracts import load_contract
from sandbox.errors import SourceMismatch
from sandbox.loading import load_into_postgres
from sandbox.sources import FolderSource, PostgresSource
from sandbox.survey import read_tables

CONTRACT = load_contract(contract_text())
VISIT = '{"visit_id": "V1", "person_id": "%s", "day": "2024-01-01", "note": "", "score": %s}\n'
HEAD = "person_id,name,birth_date,zip\n"


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("persons.csv", HEAD + "P1,Zebulon,1950-01-01,1\nP1,Zebulon,1950-01-01,1\n", "key person_id is repeated in 1 rows"),
        ("persons.csv", HEAD + ",Zebulon,1950-01-01,1\n", "key person_id is missing in 1 rows"),
        ("persons.csv", HEAD + "P1,Zebulon,Zebulon,1\n", r"persons\.birth_date: 1 of 1 values are no date"),
        ("persons.csv", HEAD + "P1,Zebulon,2023-02-30,1\n", r"persons\.birth_date: 1 of 1 values are no date"),
        ("persons.csv", "person_id,name,zip\nP1,Zebulon,1\n", "persons lacks column birth_date"),
        ("persons.csv", HEAD.strip() + ",ssn\nP1,Zebulon,1950-01-01,1,2\n", "columns the contract does not describe: ssn"),
        ("persons.csv", "P1,Zebulon,1950-01-01,1\n" * 2, "persons does not begin with the names"),
        ("visits.jsonl", VISIT % ("Zebulon", "1"), "1 rows refer to no row"),
        ("visits.jsonl", '{"visit_id": "Zebulon"', "visits cannot be read as jsonl"),
        ("visits.jsonl", VISIT % ("P000", '"Zebulon"'), r"visits\.score: 1 of 1"),
    ],
)  # fmt: skip
def test_rows_that_break_the_contract_are_refused_without_a_value(tmp_path: Path, file: str, text: str, says: str) -> None:
    folder = write_rows(tmp_path / "rows")
    (folder / file).write_text(text, "utf-8")
    with pytest.raises(SourceMismatch, match=says) as caught:
        read_tables(CONTRACT, FolderSource(folder))
    chain: BaseException | None = caught.value
    assert "Zebulon" not in str(chain)


def test_broken_utf8_and_missing_files_are_refused(tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "rows")
    (folder / "persons.csv").write_bytes(HEAD.encode() + b"P1,Zeb\xff,1950-01-01,1\n")
    with pytest.raises(SourceMismatch, match="persons cannot be read as CSV in UTF-8 with commas"):
        read_tables(CONTRACT, FolderSource(folder))
    (folder / "persons.csv").unlink()
    with pytest.raises(SourceMismatch, match="no file for table persons"):
        read_tables(CONTRACT, FolderSource(folder))


def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "rows")
    first = read_tables(CONTRACT, FolderSource(folder))
    pl.read_csv(folder / "persons.csv", infer_schema=False).write_parquet(folder / "persons.parquet")
    (folder / "persons.csv").unlink()
    again = read_tables(CONTRACT, FolderSource(folder))
    assert first["persons"].equals(again["persons"])
    assert first["persons"].schema["birth_date"] == pl.Date


def test_dates_of_the_first_and_last_year_and_empty_tables_are_read(tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "rows", persons__csv=HEAD + "P1,,0001-01-01,\nP2,,9999-12-31,\n", visits__jsonl="")
    frames = read_tables(CONTRACT, FolderSource(folder))
    assert [day.year for day in frames["persons"]["birth_date"]] == [1, 9999]
    assert frames["persons"]["zip"].null_count() == 2
    assert frames["visits"].height == 0


def test_postgresql_gives_the_rows_of_the_files_back(tmp_path: Path, database_url: str) -> None:
    source = FolderSource(write_rows(tmp_path / "rows"))
    with psycopg.connect(database_url) as connection:
        connection.execute("DO $$ BEGIN CREATE ROLE live_owner; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        connection.execute("DO $$ BEGIN EXECUTE format('GRANT ALL ON DATABASE %I TO live_owner', current_database()); END $$")
        assert load_into_postgres(CONTRACT, source, connection) == {"persons": 24, "visits": 48}
        there, here = read_tables(CONTRACT, PostgresSource(connection, "small")), read_tables(CONTRACT, source)
        for name in here:
            assert there[name].sort("person_id").equals(here[name].sort("person_id")) or name == "visits"
        with pytest.raises(SourceMismatch, match="persons cannot be read from the live database"):
            list(PostgresSource(connection, "elsewhere").batches(CONTRACT.table("persons")))
