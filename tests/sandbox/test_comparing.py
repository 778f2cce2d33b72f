"""`snapshot diff`: what changed is counted, whatever changed, and no value is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from small_contract import COLUMNS, PLANTED, contract_text, write_rows
from snapshot_signing import signed

from sandbox.comparing import Columns, Difference, Rows, compare
from sandbox.contracts import load_contract
from sandbox.enforcement import Limits
from sandbox.snapshots import Recipe, build_snapshot
from sandbox.sources import FolderSource
from sandbox.text import Scrubber

SCRUBBER = Scrubber(processes=1)


def made(rows: Path, out: Path, text: str | None = None, key: bytes = b"k" * 32) -> Any:
    recipe = Recipe(key=key, wrapped_key=key.hex(), project="p", limits=Limits(2, 1, 0.5), scrubber=SCRUBBER)
    contract = load_contract(text or contract_text())
    return signed(build_snapshot(contract, FolderSource(rows), recipe, out=out, built_at="2026-01-01T00:00:00Z"))


def difference(tmp_path: Path, lines: list[str], text: str | None = None, key: bytes = b"k" * 32) -> Difference:
    """Between the rows as they are and those with the persons' file replaced."""
    one = made(write_rows(tmp_path / "rows"), tmp_path / "one")
    other = write_rows(tmp_path / "changed", persons__csv="\n".join(lines) + "\n")
    return compare(one, made(other, tmp_path / "two", text, key))


def persons(tmp_path: Path) -> list[str]:
    return (write_rows(tmp_path / "rows") / "persons.csv").read_text("utf-8").splitlines()


def test_equal_snapshots_are_the_same(tmp_path: Path) -> None:
    found = difference(tmp_path, persons(tmp_path))
    assert found.same and not found.columns and not found.treatments and not found.facts
    assert found.rows == {"persons": Rows(24, 24, 0, 0, 0), "visits": Rows(48, 48, 0, 0, 0)}


def test_rows_added_and_changed_are_counted_by_key(tmp_path: Path) -> None:
    lines = persons(tmp_path)
    lines[1] = lines[1].replace("10001", "20001").replace("1950", "1960")  # from the one class to the other
    lines.append("P900,Ada New,1950-01-11,10001")
    found = difference(tmp_path, lines)
    assert found.rows["persons"] == Rows(24, 25, 1, 0, 1)
    assert not found.same and found.joinable
    assert found.facts["risk.tables.persons.rows"] == (24, 25)
    assert PLANTED not in json.dumps(found.as_json())


def test_a_column_released_no_more_and_another_treatment_are_named(tmp_path: Path) -> None:
    columns: dict[str, Any] = {**COLUMNS, "persons": [*COLUMNS["persons"][:3], ("zip", "string", "quasi", "suppress")]}
    found = difference(tmp_path, persons(tmp_path), contract_text(columns))
    assert found.columns == {"persons": Columns((), ("zip",), ())}
    assert found.treatments == {"persons.zip": ({"name": "zip3"}, {"name": "suppress"})}
    assert found.rows["persons"] == Rows(24, 24, 0, 0, 0)


def test_two_projects_rows_do_not_join(tmp_path: Path) -> None:
    found = difference(tmp_path, persons(tmp_path), key=b"o" * 32)
    assert not found.joinable
    assert found.rows["persons"] == Rows(24, 24, 24, 24, None)
