"""Feature definitions: one expression, equal rows on DuckDB and on PostgreSQL, and never a look ahead."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from click.testing import CliRunner

from gateway.commands.features import command
from sandbox.contracts import load_contract
from sandbox.domains import contract_path
from sandbox.errors import InvalidFeatures
from sandbox.features import Beside, Compiled, Definition, Rows, project, running, trial, year
from sandbox.features.compiled import require_query
from sandbox.features.compiling import compiled, live_schemas, treated_schemas
from sandbox.features.parity import compare

CODE = """
import ibis

from sandbox.features import Beside, Definition, History, Rows, year

visits = Definition(
    name="visits", version="1.0.0", dataset="small",
    rows=Rows("visits", entity="id", as_of="at", person="who", columns=("ward", "amount", "score", "at")),
    beside=(Beside("people", by="who", columns=("born", "Town")),),
    history=(
        History("visits", by="who", known="at", columns=("amount", "score", "ward"), values=lambda past: {
            "earlier": past.count(),
            "spent": past.amount.sum(),
            "mean_amount": past.amount.mean(),
            "spread": past.score.std(),
            "wards": past.ward.nunique(),
            "highest": past.score.max(),
            "last_month": past.count(where=past.known >= past.as_of - ibis.interval(days=30)),
            "_rank": past.amount.min(),
        }),
    ),
    values=lambda row: {
        "age": year(row.at) - year(row.born), "town": row.Town.lower(), "letters": row.Town.length(),
        "half": row.amount // 2, "rest": row.amount % 7, "each": row.amount / 3, "per_visit": row.spent / row.earlier.nullif(0),
        "above": row.amount > row._rank, "month": row.at.month(), "weekday": row.at.day_of_week.index(), "day": row.at.date(),
        "rounded": row.score.round(2), "root": row.score.abs().sqrt(), "level": row.ward.fill_null("none"),
        "group": ibis.cases((row.amount < 0, "debt"), (row.amount < 50, "small"), else_="large"),
    },
    label="outcome",
)
"""
TOWNS = ["Ärlingen", "", 'O\'Brien "West"', "line\nbreak", "comma, town", "\\N", None, "ß", "NULL"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Awkward tables: missing values, empty and strange words, ties, negative and large numbers, times of a zone."""
    import random

    draw, made = random.Random(11), tmp_path_factory.mktemp("tables")
    start = datetime(2024, 2, 27, 23, 59, 59, 123456, tzinfo=UTC)
    people = [
        {"who": f"p{i}", "born": date(1930 + i % 70, 1 + i % 12, 1 + i % 28), "Town": TOWNS[i % len(TOWNS)]} for i in range(60)
    ]
    visits = [
        {
            "id": f"v{i:05d}", "who": f"p{draw.randrange(65)}", "at": start + timedelta(days=draw.randrange(400), seconds=i % 3),
            "ward": draw.choice(["a", "B", "é", None]), "amount": draw.choice([None, 0, -7, 13, 2**40 + i, i]),
            "score": draw.choice([None, 0.1, -2.5, draw.random() * 1e6, 1e-12]), "outcome": i % 2,
        }
        for i in range(3_000)
    ]  # fmt: skip
    pl.DataFrame(people).write_parquet(made / "people-0.parquet")
    pl.DataFrame(visits, infer_schema_length=None).write_parquet(made / "visits-0.parquet")
    return made


@pytest.fixture(scope="module")
def both(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """The definition, compiled in the jail for these tables."""
    code = tmp_path_factory.mktemp("code") / "features.py"
    code.write_text(CODE, "utf-8")
    schemas = trial.schemas(running.table_files(folder))
    return project.compile_project(code, treated=schemas, live=schemas)[0]


@pytest.fixture
def on_postgres(folder: Path, both: Compiled, database_url: str) -> Callable[[str], pl.DataFrame]:
    """What a query gives on the same tables in PostgreSQL."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DO $$ BEGIN CREATE ROLE features_reader; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    trial.load(database_url, running.table_files(folder), [both.reads], reader="features_reader")

    def run(sql: str) -> pl.DataFrame:
        with psycopg.connect(database_url, autocommit=True) as connection:
            return running.on_postgres(sql, connection, both.columns)

    return run


def test_both_engines_give_equal_rows(both: Compiled, folder: Path, on_postgres: Callable[[str], pl.DataFrame]) -> None:
    files = running.on_files(both.snapshot_sql, running.table_files(folder), both.columns)
    live = on_postgres(both.live_sql)
    found = compare(files, live)
    assert found.equal, [column for column in found.columns if column.different]
    assert found.rows == 3_000
    assert {column.name for column in found.columns} == {*both.columns, "person", "as_of"}
    assert files["town"].null_count() > 0
    assert "" in set(live["town"])


def test_a_difference_is_found(both: Compiled, folder: Path, on_postgres: Callable[[str], pl.DataFrame]) -> None:
    files = running.on_files(both.snapshot_sql, running.table_files(folder), both.columns)
    live = on_postgres(both.live_sql)
    assert not compare(files, live.head(2_999)).equal
    changed = live.with_columns(pl.when(pl.col("row_id") == "v00007").then(pl.lit(None)).otherwise(pl.col("age")).alias("age"))
    assert [column.name for column in compare(files, changed).columns if column.different] == ["age"]
    assert not compare(files, live.with_columns(pl.col("each") * (1 + 1e-6))).equal
    assert compare(files, live.with_columns(pl.col("each") * (1 + 1e-15))).equal


def test_a_row_knows_what_came_before_it_and_nothing_else(both: Compiled, folder: Path) -> None:
    made = running.on_files(both.snapshot_sql, running.table_files(folder), both.columns)
    visits = pl.read_parquet(folder / "visits-0.parquet")
    for row in made.sample(60, seed=1).iter_rows(named=True):
        own = visits.filter(pl.col("id") == row["row_id"])
        before = visits.filter((pl.col("who") == row["person"]) & (pl.col("at") < own["at"][0]))
        assert row["earlier"] == before.height
        assert row["spent"] == (before["amount"].sum() if before["amount"].drop_nulls().len() else None)
        month = own["at"][0] - timedelta(days=30)
        assert row["last_month"] == before.filter(pl.col("at") >= month).height


def test_what_happens_later_changes_no_row(both: Compiled, folder: Path, tmp_path: Path) -> None:
    tables = running.table_files(folder)
    cut = datetime(2024, 9, 1, tzinfo=UTC)
    pl.read_parquet(tables["visits"]).filter(pl.col("at") < cut).write_parquet(tmp_path / "visits-0.parquet")
    then = running.on_files(both.snapshot_sql, {**tables, "visits": [str(tmp_path / "visits-0.parquet")]}, both.columns)
    now = running.on_files(both.snapshot_sql, tables, both.columns).filter(pl.col("row_id").is_in(then["row_id"].implode()))
    assert then.height > 500
    assert compare(then, now).equal


def _small(**changes: Any) -> Definition:
    given: dict[str, Any] = {
        "name": "small", "version": "1", "dataset": "clinic", "label": "readmitted_30d",
        "rows": Rows("encounters", entity="encounter_id", as_of="stop", person="patient_id", columns=("start", "hba1c")),
        "values": lambda row: {"hba1c": row.hba1c},
    }  # fmt: skip
    return Definition(**given | changes)


def test_the_types_are_those_of_each_zone() -> None:
    contract = load_contract(contract_path("clinic"))
    assert treated_schemas(contract)["patients"]["birth_date"] == "int64"
    assert live_schemas(contract)["patients"]["birth_date"] == "date"
    assert "surname" not in treated_schemas(contract)["patients"]
    beside = (Beside("patients", by="patient_id", columns=("birth_date",)),)
    made = _small(beside=beside, values=lambda row: {"age": year(row.start) - year(row.birth_date)})
    one = compiled(made, treated=treated_schemas(contract), live=live_schemas(contract))
    assert one.columns == {"age": "int64"}
    assert one.snapshot_sql.count("EXTRACT") == 1
    assert one.live_sql.count("EXTRACT") == 2
    assert "readmitted_30d" not in one.live_sql
    assert "patients.birth_date" in one.reads
    assert Compiled.of(one.as_json()) == one
    with pytest.raises(InvalidFeatures, match="surname"):
        compiled(
            _small(beside=(Beside("patients", by="patient_id", columns=("surname",)),)),
            treated=treated_schemas(contract), live=live_schemas(contract),
        )  # fmt: skip


def test_a_definition_that_looks_ahead_is_refused() -> None:
    contract = load_contract(contract_path("clinic"))
    with pytest.raises(InvalidFeatures, match="label"):
        _small(rows=Rows("encounters", entity="encounter_id", as_of="stop", person="patient_id", columns=("readmitted_30d",)))
    with pytest.raises(InvalidFeatures, match="label"):
        compiled(
            _small(values=lambda row: {"hba1c": row.hba1c, "leak": row["__label"] + 1}),
            treated=treated_schemas(contract), live=live_schemas(contract),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "dialect"),
    [
        ("SELECT * FROM pg_shadow", "postgres"),
        ("SELECT * FROM public.visits", "postgres"),
        ("SELECT 1 FROM visits; DROP TABLE visits", "postgres"),
        ("DELETE FROM visits", "postgres"),
        ("SELECT * INTO other FROM visits", "postgres"),
        ("SELECT * FROM visits FOR UPDATE", "postgres"),
        ("SELECT * FROM pg_read_file('/etc/passwd')", "postgres"),
        ("SELECT * FROM read_csv('/etc/passwd')", "duckdb"),
        ("SELECT * FROM '/etc/passwd'", "duckdb"),
        ("COPY visits TO '/tmp/x'", "duckdb"),
        ("SELECT (", "duckdb"),
    ],
)
def test_sql_that_is_not_one_query_over_its_own_tables_is_refused(text: str, dialect: str) -> None:
    with pytest.raises(InvalidFeatures):
        require_query(text, dialect, {"visits"})
    require_query("WITH a AS (SELECT * FROM visits) SELECT * FROM a", dialect, {"visits"})


def test_the_projects_code_runs_in_the_jail(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    code = tmp_path / "features.py"
    code.write_text(f"open({str(secret)!r}).read()\n" + CODE)
    schemas = trial.schemas(running.table_files(folder))
    with pytest.raises(InvalidFeatures, match="FileNotFoundError"):
        project.compile_project(code, treated=schemas, live=schemas)


def test_the_command_tells_equal_from_different(folder: Path, tmp_path: Path) -> None:
    package = tmp_path / "features"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "good.py").write_text(CODE)
    # Halves go to the even number in PostgreSQL, and away from zero in DuckDB.
    other = CODE.replace("row.score.round(2)", "row.score.round()").replace('"1.0.0"', '"1.1.0"')
    (package / "other.py").write_text(other)
    ended = CliRunner().invoke(command, ["check", str(package), "--data", str(folder), "--json"])
    assert ended.exit_code == 1, ended.stderr
    good, bad = json.loads(ended.stdout)["definitions"]
    assert (good["version"], good["equal"], good["rows"]) == ("1.0.0", True, 3_000)
    assert (bad["version"], bad["equal"]) == ("1.1.0", False)
    assert [column["name"] for column in bad["columns"] if column["different"]] == ["rounded"]
    assert "rounded" in ended.stderr


def test_what_one_engine_refuses_is_said_by_its_name(folder: Path, on_postgres: Callable[[str], pl.DataFrame]) -> None:
    """DuckDB divides by zero and says null; PostgreSQL refuses the query."""
    rows = Rows("visits", entity="id", as_of="at", person="who", columns=("amount",))
    made = Definition("zero", "1", "small", rows, lambda row: {"each": 1 / row.amount})
    schemas = trial.schemas(running.table_files(folder))
    one = compiled(made, treated=schemas, live=schemas)
    assert running.on_files(one.snapshot_sql, running.table_files(folder), one.columns).height == 3_000
    with pytest.raises(InvalidFeatures, match="DivisionByZero"):
        on_postgres(one.live_sql)
