"""Snapshots: whole or not at all, k enforced, every changed byte seen, no value in any error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_contract import COLUMNS, PLANTED, contract_text, write_rows
from snapshot_signing import KEYS, signed

from sandbox.bounds import Bounds
from sandbox.contracts import load_contract
from sandbox.enforcement import Limits
from sandbox.errors import BuildFailed, InvalidSnapshot, KUnreachable, SourceMismatch
from sandbox.manifests import verify_snapshot
from sandbox.snapshots import Built, Recipe, build_snapshot
from sandbox.sources import FolderSource
from sandbox.text import Scrubber

SCRUBBER = Scrubber(processes=1)


def recipe(key: bytes = b"k" * 32, k: int = 2) -> Recipe:
    return Recipe(key, "vault:v1:x", "p", Limits(k, 1, 1 / k), SCRUBBER, bounds=Bounds(linkage=1 / k))


def build(rows: Path, out: Path, given: Recipe | None = None, text: str | None = None, **more: Any) -> Built:
    contract = load_contract(text or contract_text())
    return build_snapshot(contract, FolderSource(rows), given or recipe(), out=out, built_at="2026-01-01T00:00:00Z", **more)


def frames(folder: Path) -> dict[str, pl.DataFrame]:
    return {p.name.rsplit("-", 1)[0]: pl.read_parquet(p) for p in folder.glob("*.parquet")}


def test_the_same_rows_give_the_same_bytes_and_nobody_can_be_read_in_them(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows")
    one, two = build(rows, tmp_path / "one"), build(rows, tmp_path / "two")
    assert one.digest == two.digest
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
        assert PLANTED.encode() not in path.read_bytes()
    notes = frames(tmp_path / "one")["visits"]["note"].to_list()
    assert not any("Quackenbush" in n or "Featherstone" in n or "19" in n for n in notes)
    assert all(n.endswith("Stable.") for n in notes)


def test_pseudonyms_join_tables_and_snapshots_of_a_project_and_not_two_projects(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows")
    build(rows, tmp_path / "a")
    build(write_rows(tmp_path / "fewer", persons=20), tmp_path / "b")
    build(rows, tmp_path / "c", recipe(b"o" * 32))
    ids = {name: {t: set(f["person_id"]) for t, f in frames(tmp_path / name).items()} for name in "abc"}
    assert ids["a"]["persons"] == ids["a"]["visits"]
    assert ids["b"]["persons"] < ids["a"]["persons"]
    assert not ids["a"]["persons"] & ids["c"]["persons"]


def test_k_is_enforced_on_what_is_written(tmp_path: Path) -> None:
    odd = "P900,Odd One,1933-01-01,99501\n"
    rows = write_rows(tmp_path / "rows")
    (rows / "persons.csv").write_text((rows / "persons.csv").read_text() + odd)
    built = build(rows, tmp_path / "out", recipe(k=5))
    persons = frames(tmp_path / "out")["persons"]
    assert persons.group_by("birth_date", "zip").len()["len"].min() >= 5
    assert built.statement.predicate["risk"]["suppressed_rows"]["persons"] == 1


def test_an_unreachable_k_writes_nothing_and_says_how_far_it_is(tmp_path: Path) -> None:
    with pytest.raises(KUnreachable, match=r"k of 13 .* suppressing 24 of 24 rows"):
        build(write_rows(tmp_path / "rows"), tmp_path / "out", recipe(k=13))
    assert [p.name for p in tmp_path.iterdir()] == ["rows"]


def test_an_unclassified_column_stops_the_build(tmp_path: Path) -> None:
    columns: dict[str, Any] = {**COLUMNS, "visits": [*COLUMNS["visits"][:4], ("score", "integer", None, "keep")]}
    with pytest.raises(SourceMismatch, match=r"visits\.score"):
        build(write_rows(tmp_path / "rows"), tmp_path / "out", text=contract_text(columns))


def test_an_interrupted_or_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = write_rows(tmp_path / "rows")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(BuildFailed) as caught:
        build(rows, tmp_path / "out", holdout_out=tmp_path / "held")
    assert PLANTED not in str(caught.value)
    assert not (tmp_path / "out").exists() and not (tmp_path / "held").exists()
    monkeypatch.undo()
    assert build(rows, tmp_path / "out").path.exists()


def test_held_back_persons_are_in_one_part_only(tmp_path: Path) -> None:
    build(
        write_rows(tmp_path / "rows", persons=60),
        tmp_path / "out",
        text=contract_text(holdout=0.3),
        holdout_out=tmp_path / "held",
    )
    released, held = frames(tmp_path / "out"), frames(tmp_path / "held")
    assert held["persons"].height and released["persons"].height
    assert not set(released["persons"]["person_id"]) & set(held["persons"]["person_id"])
    assert set(held["visits"]["person_id"]) == set(held["persons"]["person_id"])


def test_any_changed_added_or_missing_file_is_seen(tmp_path: Path) -> None:
    built = build(write_rows(tmp_path / "rows"), tmp_path / "out")
    with pytest.raises(InvalidSnapshot, match="no manifest"):
        verify_snapshot(tmp_path / "out", KEYS)
    signed(built)
    assert verify_snapshot(tmp_path / "out", KEYS).predicate["dataset"] == "small"
    victim = next((tmp_path / "out").glob("persons-*"))
    whole = victim.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 25)):
        victim.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(InvalidSnapshot):
            verify_snapshot(tmp_path / "out", KEYS)
    victim.write_bytes(whole)
    (tmp_path / "out" / "more.parquet").write_bytes(b"")
    with pytest.raises(InvalidSnapshot):
        verify_snapshot(tmp_path / "out", KEYS)
    (tmp_path / "out" / "more.parquet").unlink()
    victim.unlink()
    with pytest.raises(InvalidSnapshot):
        verify_snapshot(tmp_path / "out", KEYS)


def test_surrogates_move_the_dates_of_a_text_as_the_persons_columns_move(tmp_path: Path) -> None:
    told = {"name": "scrub", "style": "surrogate"}
    columns = {table: [(*c[:3], told if c[3] == "scrub" else c[3]) for c in described] for table, described in COLUMNS.items()}
    lines = (write_rows(tmp_path / "first") / "visits.jsonl").read_text("utf-8").splitlines()
    visits = [row | {"note": f"Seen {row['day']}: Ada {PLANTED}."} for row in map(json.loads, lines)]
    rows = write_rows(tmp_path / "rows", visits__jsonl="".join(json.dumps(row) + "\n" for row in visits))
    build(rows, tmp_path / "out", text=contract_text(columns))
    visits_out = frames(tmp_path / "out")["visits"]
    for day, note in visits_out.select("day", "note").iter_rows():
        assert note.startswith(f"Seen {day}: ") and not any(part in note for part in ("[", "Quackenbush", "Featherstone"))
    assert visits_out.group_by("person_id").agg(pl.col("note").str.split(": ").list.last().n_unique())["note"].max() == 1
