"""Values planted in tables and notes reach no log, no message, no traceback and no manifest, however a build ends."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path

import pytest
from small_contract import contract_text, write_rows

from sandbox.contracts import load_contract
from sandbox.errors import SandboxError
from sandbox.snapshots import Limits, Recipe, build_snapshot
from sandbox.sources import FolderSource
from sandbox.text import Scrubber

# Planted in every column of every row, each in a form that its column takes.
NAME, NUMBER, DAY, ZIP = "Zebulon Quackenbush-Featherstone", "PLANT8837261", "1951-11-27", "77391"
PARTS = ("quackenbush", "featherstone", "zebulon", "8837261", "1951-11-27", "77391")
PERSONS, VISITS = "persons.csv", "visits.jsonl"


def rows(folder: Path) -> Path:
    people = ["person_id,name,birth_date,zip", *(f"{NUMBER}-{i},{NAME},{DAY},{ZIP}" for i in range(12))]
    visits = [
        {"visit_id": f"V{i}-{NUMBER}", "person_id": f"{NUMBER}-{i}", "day": "2024-03-01", "score": i,
         "note": f"Seen: {NAME}, MRN {NUMBER}, born {DAY}, from {ZIP} town. Stable, eats well."}
        for i in range(12)
    ]  # fmt: skip
    write_rows(folder)
    (folder / PERSONS).write_text("\n".join(people) + "\n")
    (folder / VISITS).write_text("".join(json.dumps(visit) + "\n" for visit in visits))
    return folder


def swap(file: str, old: str, new: bytes) -> tuple[str, str, bytes]:
    return file, old, new


BROKEN = {
    "nothing": swap(PERSONS, "", b""),
    "a date that is none": swap(PERSONS, f",{DAY},", f",{NUMBER},".encode()),
    "a key twice": swap(PERSONS, f"{NUMBER}-1,", f"{NUMBER}-0,".encode()),
    "a note of nobody": swap(VISITS, f'"person_id": "{NUMBER}-3"', f'"person_id": "{NUMBER}-99"'.encode()),
    "a score that is no number": swap(VISITS, '"score": 4', f'"score": "{NAME}"'.encode()),
    "broken UTF-8 in a table": swap(PERSONS, NAME, b"Quackenbush \xff\xfe"),
    "broken UTF-8 in a note": swap(VISITS, NAME, b"Quackenbush \xff\xfe"),
    "a line cut off": swap(VISITS, "eats well.", b'eats well."'),
    "a column nobody described": swap(PERSONS, "name,birth", b"name,more,birth"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_planted_value_is_in_no_output_of_a_build(
    broken: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = rows(tmp_path / "rows")
    file, old, new = BROKEN[broken]
    if old:
        before = (folder / file).read_bytes()
        (folder / file).write_bytes(before.replace(old.encode(), new, 1))
        assert (folder / file).read_bytes() != before
    recipe = Recipe(key=b"k" * 32, wrapped_key="w", project="p", limits=Limits(2, 1, 0.5), scrubber=Scrubber(processes=1))
    said = [repr(recipe)]
    with caplog.at_level(logging.DEBUG):
        try:
            built = build_snapshot(
                load_contract(contract_text()), FolderSource(folder), recipe, out=tmp_path / "out", built_at="t",
                progress=lambda *step: said.append(repr(step)),
            )  # fmt: skip
            said += [repr(built), json.dumps(built.statement.predicate)]
            assert broken == "nothing"
        except SandboxError as error:
            said += [str(error), "".join(traceback.format_exception(error))]
            assert broken != "nothing" and not (tmp_path / "out").exists()
    out, err = capfd.readouterr()
    everything = "\n".join([*said, caplog.text, out, err]).lower()
    assert [part for part in PARTS if part in everything] == []


def test_what_is_written_of_planted_values_is_scrubbed(tmp_path: Path) -> None:
    recipe = Recipe(key=b"k" * 32, wrapped_key="w", project="p", limits=Limits(2, 1, 0.5), scrubber=Scrubber(processes=1))
    build_snapshot(
        load_contract(contract_text()), FolderSource(rows(tmp_path / "rows")), recipe, out=tmp_path / "out", built_at="t"
    )
    import polars as pl

    read = [str(pl.read_parquet(path).to_dicts()) for path in sorted((tmp_path / "out").rglob("*.parquet"))]
    assert len(read) == 2
    assert [part for part in PARTS if part in "\n".join(read).lower()] == []


def test_a_column_of_notes_that_are_all_null_is_built(tmp_path: Path) -> None:
    folder = rows(tmp_path / "rows")
    visits = [json.loads(line) | {"note": None} for line in (folder / VISITS).read_text().splitlines()]
    (folder / VISITS).write_text("".join(json.dumps(visit) + "\n" for visit in visits))
    recipe = Recipe(key=b"k" * 32, wrapped_key="w", project="p", limits=Limits(2, 1, 0.5), scrubber=Scrubber(processes=1))
    built = build_snapshot(load_contract(contract_text()), FolderSource(folder), recipe, out=tmp_path / "out", built_at="t")
    assert built.statement.predicate["certificate"]["text"] == {}
