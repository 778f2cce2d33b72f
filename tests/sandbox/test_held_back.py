"""Held-back persons read live: the same persons as at the build, unmasked, in the snapshot's columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from small_contract import COLUMNS, contract_text, write_rows
from test_snapshots import build, frames

from sandbox.contracts import load_contract
from sandbox.held_back import live_rows
from sandbox.sources import FolderSource
from sandbox.survey import read_tables

KEY = b"k" * 32


def live_and_held(tmp_path: Path, text: str, rows: Path) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame]]:
    """What is read live of who is held back, and the treated rows of the same at the build."""
    build(rows, tmp_path / "out", text=text, holdout_out=tmp_path / "held")
    contract = load_contract(text)
    return live_rows(contract, read_tables(contract, FolderSource(rows)), KEY), frames(tmp_path / "held")


def test_live_rows_are_those_of_the_persons_held_back_and_are_not_masked(tmp_path: Path) -> None:
    live, held = live_and_held(tmp_path, contract_text(holdout=0.3), write_rows(tmp_path / "rows", persons=60))
    assert {name: frame.height for name, frame in live.items()} == {name: frame.height for name, frame in held.items()}
    assert live["visits"].height and set(live["visits"]["person_id"]) == set(live["persons"]["person_id"])
    assert all(name.startswith("P") for name in live["persons"]["person_id"])  # no pseudonyms
    assert set(live["visits"]["day"].dt.day()) <= {1, 8}  # not moved
    assert all("Featherstone" in note for note in live["visits"]["note"])
    assert sorted(live["visits"]["score"]) == sorted(held["visits"]["score"])


def test_columns_are_the_snapshots_and_recoded_ones_are_recoded(tmp_path: Path) -> None:
    live, held = live_and_held(tmp_path, contract_text(holdout=0.3), write_rows(tmp_path / "rows", persons=60))
    for name, frame in live.items():
        assert frame.columns == held[name].columns and frame.dtypes == held[name].dtypes
    for column in ("birth_date", "zip"):
        assert set(live["persons"][column]) == set(held["persons"][column])


def test_a_person_who_came_later_is_held_back_or_not_for_good(tmp_path: Path) -> None:
    text = contract_text(holdout=0.3)
    contract = load_contract(text)
    first, more = (
        live_rows(contract, read_tables(contract, FolderSource(write_rows(tmp_path / str(count), persons=count))), KEY)
        for count in (40, 60)
    )
    before, after = set(first["persons"]["person_id"]), set(more["persons"]["person_id"])
    assert before < after and all(int(name[1:]) >= 40 for name in after - before)


def test_rows_of_no_person_are_held_back_by_what_they_hold_whatever_their_order(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"visits": [COLUMNS["visits"][0], COLUMNS["visits"][4]]}
    text = contract_text(columns, holdout=0.3, personKey=None)
    lines = [f'{{"visit_id": "V{n}", "score": {n % 7}}}' for n in range(90)]
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "visits.jsonl").write_text("\n".join(lines) + "\n")
    live, held = live_and_held(tmp_path, text, tmp_path / "rows")
    assert 10 < held["visits"].height < 45
    (tmp_path / "rows" / "visits.jsonl").write_text("\n".join(reversed(lines)) + "\n")
    contract = load_contract(text)
    turned = live_rows(contract, read_tables(contract, FolderSource(tmp_path / "rows")), KEY)
    assert sorted(turned["visits"]["visit_id"]) == sorted(live["visits"]["visit_id"])


def test_a_table_of_no_person_stands_whole_on_both_sides(tmp_path: Path) -> None:
    wards = [("ward_id", "string", "insensitive", "keep"), ("beds", "integer", "insensitive", "keep")]
    rows = write_rows(tmp_path / "rows", persons=60, wards__csv="ward_id,beds\n" + "".join(f"W{n},{n}\n" for n in range(9)))
    live, held = live_and_held(tmp_path, contract_text({**COLUMNS, "wards": wards}, holdout=0.3), rows)
    assert live["wards"].height == held["wards"].height == frames(tmp_path / "out")["wards"].height == 9
