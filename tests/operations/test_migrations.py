"""A database of an earlier version is brought to this one with its data, in one transaction, or left as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from compliance.ledger import FIRST_PREVIOUS, integrate, leaf_hash
from gateway.embedded import databases
from gateway.errors import DatabaseNewer
from gateway.operations import migrations


@pytest.fixture
def baseline(database_url: str, tmp_path: Path) -> psycopg.Connection[Any]:
    """A control database of the baseline, with a promotion in it."""
    connection = psycopg.connect(database_url)
    for package, name in databases.SCHEMAS:
        connection.execute(databases._text(package, name))
    assert migrations.upgrade(connection, tmp_path / "none") == [1]
    connection.execute(
        "INSERT INTO promotion.requests SELECT 'r1', 'p', 'm', 1, 'd', 'low', 'dana', NULL, 'c', 'c', 's', now(), now()"
    )
    connection.commit()
    return connection


def written(folder: Path, *steps: str) -> Path:
    for number, step in enumerate(steps, 2):
        (folder / f"{number:04d}_step.sql").write_text(step)
    return folder


def migrated(connection: psycopg.Connection[Any]) -> list[Any]:
    integrate(connection)
    rows = connection.execute("SELECT canonical FROM ledger.entries WHERE type = 'schema:migrated'").fetchall()
    return [bytes(row[0]).decode() for row in rows]


def test_an_older_database_with_data_is_upgraded_once_and_the_ledger_says_so(baseline: Any, tmp_path: Path) -> None:
    folder = written(
        tmp_path, "ALTER TABLE promotion.requests ADD COLUMN risk text; UPDATE promotion.requests SET risk = tier",
        "ALTER TABLE promotion.requests ALTER COLUMN risk SET NOT NULL",
    )  # fmt: skip
    assert migrations.upgrade(baseline, folder) == [2, 3]
    baseline.commit()
    assert baseline.execute("SELECT id, risk FROM promotion.requests").fetchall() == [("r1", "low")]
    (entry,) = migrated(baseline)
    assert '"from":1' in entry and '"to":3' in entry
    assert migrations.upgrade(baseline, folder) == [] and len(migrated(baseline)) == 1


def test_a_step_that_fails_leaves_the_database_as_it_was(baseline: Any, tmp_path: Path) -> None:
    steps = (f"ALTER TABLE promotion.{table} ADD COLUMN risk text" for table in ("requests", "nowhere"))
    folder = written(tmp_path, *steps)
    with pytest.raises(psycopg.errors.UndefinedTable):
        migrations.upgrade(baseline, folder)
    baseline.rollback()
    assert migrations.standing(baseline) == 1 and not migrated(baseline)
    with pytest.raises(psycopg.errors.UndefinedColumn):
        baseline.execute("SELECT risk FROM promotion.requests")


def test_a_database_of_a_newer_release_is_refused(baseline: Any, tmp_path: Path) -> None:
    steps = ["SELECT 1"] * (len(migrations.migrations()) + 1)
    migrations.upgrade(baseline, written(tmp_path, *steps))
    with pytest.raises(DatabaseNewer, match=f"version {1 + len(steps)}"):
        migrations.upgrade(baseline)


def test_a_new_database_needs_no_step_and_records_none(database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(database_url) as connection:
        assert migrations.upgrade(connection, written(tmp_path, "SELECT 1 / 0")) == [1, 2]


def test_steps_with_a_gap_are_refused(tmp_path: Path) -> None:
    (tmp_path / "0003_late.sql").write_text("SELECT 1")
    with pytest.raises(AssertionError, match="without a gap"):
        migrations.migrations(tmp_path)


OLD_APPEND = (
    'SELECT ledger.append(ARRAY[\'{"prev":"sha256:\', \'","recorded_at":"\', \'","seq":\', \',"source_seq":\', \'}\']::bytea[],'
    " gen_random_uuid(), 'test:written', now(), NULL, 'a', NULL, 'b', 'c', 'done', 'gateway')"
)


def test_a_ledger_written_in_order_goes_on_where_it_stood(database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute((Path(__file__).parent / "ledger_version_1.sql").read_bytes())
        migrations.upgrade(connection, tmp_path / "none")
        for _ in range(3):
            connection.execute(OLD_APPEND)
        for package, name in databases.SCHEMAS:
            connection.execute(databases._text(package, name))
        assert migrations.upgrade(connection)
        connection.commit()
        integrate(connection)
        raw = [bytes(line) for (line,) in connection.execute("SELECT canonical FROM ledger.entries ORDER BY seq")]
        assert [json.loads(line)["source_seq"] for line in raw] == [1, 2, 3, 4]
        held = [json.loads(line)["prev"] for line in raw]
        assert held == [FIRST_PREVIOUS, *(f"sha256:{leaf_hash(line).hex()}" for line in raw[:-1])]
        connection.execute("SET ROLE sallyport_app")
        with pytest.raises(psycopg.errors.UndefinedFunction):
            connection.execute(OLD_APPEND)
