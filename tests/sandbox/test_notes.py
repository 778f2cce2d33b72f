"""`deid notes`: files in, files out, whole or not at all, and no value in any message."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gateway.commands.deid import command
from sandbox.errors import InvalidNotes
from sandbox.text import Scrubber
from sandbox.text.notes import read_notes, scrub_file

PLANTED = "Zebulon Quackenbush"


@pytest.fixture(scope="module")
def scrubber() -> Scrubber:
    return Scrubber(processes=1)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_fields_other_than_text_stay_as_they_are_and_in_order(tmp_path: Path, scrubber: Scrubber) -> None:
    row = {"z": 1.5, "note_id": "1", "text": f"Seen: {PLANTED}.", "spans": [{"start": 6}], "nothing": None, "ключ": "значение"}
    scrub_file(write(tmp_path / "in.jsonl", [row]), tmp_path / "out.jsonl", scrubber)
    (got,) = read(tmp_path / "out.jsonl")
    assert got == {**row, "text": "Seen: [NAME]."}
    assert list(got) == list(row)


def test_what_the_row_of_the_patient_says_is_removed_in_every_spelling(tmp_path: Path, scrubber: Scrubber) -> None:
    texts = [
        "QUACKENBUSH, ZEBULON came in.",
        "zebulon quackenbush came in.",
        "Quackenbsh came in.",
        "Codes 44 71-9902 and xk/77.12 belong together, born 5.3.1949.",
        "He lives near Upper Strandhögg and in upper strandhogg.",
    ]
    given = write(tmp_path / "in.jsonl", [{"note_id": i, "text": t, "patient_id": "p1"} for i, t in enumerate(texts)])
    with (tmp_path / "known.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [
                ["patient_id", "name", "number", "code", "birth_date", "place"],
                ["p1", PLANTED, "44719902", "XK-7712", "1949-03-05", "Strandhögg"],
            ]
        )
    scrub_file(given, tmp_path / "out.jsonl", scrubber, known=tmp_path / "known.csv")
    clean = " ".join(row["text"] for row in read(tmp_path / "out.jsonl")).lower()
    for part in ("quack", "zebulon", "9902", "77.12", "1949", "strandh"):
        assert part not in clean
    assert "came in." in clean


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"note_id": 1, "text": "Zebulon \xff"}', "Line 2 is not UTF-8"),
        (b'{"note_id": 1, "text": "Zebulon"', "Line 2 is no JSON"),
        (b'["Zebulon"]', "Line 2 is no JSON object"),
        (b'{"note_id": 1, "other": "Zebulon"}', "Line 2 has no field text"),
        (b'{"text": "Zebulon"}', "Line 2 has no field note_id"),
        (b'{"note_id": 1, "text": ["Zebulon"]}', "Line 2: the field text is no string"),
        (b'{"note_id": 1, "text": "Zebulon\x00"}', "Line 2 is no JSON"),
        (b"[" * 100_000, "Line 2 is no JSON"),
    ],
)
def test_bad_input_is_named_by_line_and_field_and_leaves_the_output_alone(
    tmp_path: Path, scrubber: Scrubber, line: bytes, says: str
) -> None:
    (tmp_path / "in.jsonl").write_bytes(b'{"note_id": 0, "text": "fine"}\n' + line + b"\n")
    (tmp_path / "out.jsonl").write_text("as before")
    with pytest.raises(InvalidNotes) as caught:
        scrub_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", scrubber)
    assert says in str(caught.value)
    assert "Zebulon" not in str(caught.value)
    assert (tmp_path / "out.jsonl").read_text() == "as before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_notes_of_unknown_patients_are_counted_and_refused(tmp_path: Path, scrubber: Scrubber) -> None:
    given = write(tmp_path / "in.jsonl", [{"note_id": i, "text": "t", "patient_id": f"p{i}"} for i in range(3)])
    (tmp_path / "known.csv").write_text("patient_id,name\np0,Somebody\n")
    with pytest.raises(InvalidNotes, match=r"2 of 3 notes \(the first is number 2\)") as caught:
        scrub_file(given, tmp_path / "out.jsonl", scrubber, known=tmp_path / "known.csv")
    assert "p1" not in str(caught.value)
    with pytest.raises(InvalidNotes, match="no column mrn"):
        scrub_file(given, tmp_path / "out.jsonl", scrubber, known=tmp_path / "known.csv", key="mrn")
    assert not (tmp_path / "out.jsonl").exists()


def test_an_empty_file_gives_an_empty_file(tmp_path: Path, scrubber: Scrubber) -> None:
    (tmp_path / "in.jsonl").write_bytes(b"\xef\xbb\xbf\r\n\n")
    assert scrub_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", scrubber).notes == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""


@pytest.mark.parametrize(
    "text",
    [
        f"<p>Seen: <b>{PLANTED}</b><br/>&nbsp;</p>",
        "Seen: Zebu\u0000lon Quack\u200benbush today",
        "Seen: Zebulon\u202e Quackenbush\u202c today",
        f"\ud800 Seen: {PLANTED} today",
        "Seen: ZEBULON QUACKENBUSH today",
    ],
)
def test_marks_inside_a_text_hide_no_name(tmp_path: Path, scrubber: Scrubber, text: str) -> None:
    (tmp_path / "in.jsonl").write_text(json.dumps({"note_id": 1, "text": text}) + "\n")
    scrub_file(tmp_path / "in.jsonl", tmp_path / "out.jsonl", scrubber)
    (got,) = [json.loads(line)["text"] for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert "[NAME]" in got
    assert "Zebu" not in got and "bush" not in got.lower()


def test_a_hebrew_name_in_an_english_note_is_removed(scrubber: Scrubber) -> None:
    assert scrubber.scrub_batch(["Seen with her daughter שרה כהן today."]) == ["Seen with her daughter [NAME] today."]


def test_a_text_of_five_megabytes_is_scrubbed_to_its_end(scrubber: Scrubber) -> None:
    draw = random.Random(5)
    filler = "lorem 12 ipsum-dolor (sit) amet; consectetur 3.4 adipiscing, "
    long = filler * (5_000_000 // len(filler)) + f" Seen: {PLANTED}."
    from sandbox.text import shapes

    # The language model alone takes a minute for this; the patterns must be linear, so they are timed on all of it.
    assert sum(1 for _ in shapes.spans(long[:400_000])) < 10
    (got,) = scrubber.scrub_batch([long[-50_000 - draw.randrange(99) :]])
    assert got is not None and got.endswith("[NAME].")


def test_the_command_says_what_it_did_and_shows_no_value(tmp_path: Path) -> None:
    given = write(tmp_path / "in.jsonl", [{"note_id": 1, "text": f"Seen: {PLANTED}, SSN 123-45-6789."}])
    result = CliRunner().invoke(command, ["notes", str(given), str(tmp_path / "out.jsonl"), "--json", "--processes", "1"])
    assert result.exit_code == 0
    summary = json.loads(result.stdout)
    assert summary["notes"] == 1 and summary["removed"] == {"NAME": 1, "SSN": 1}
    given.write_bytes(b'{"text": "Quackenbush"}')
    result = CliRunner().invoke(command, ["notes", str(given), str(tmp_path / "other.jsonl")])
    assert result.exit_code == 1
    assert "invalid_notes" in result.stderr and "Quackenbush" not in result.output
    assert not (tmp_path / "other.jsonl").exists()


def test_rows_are_read_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_bytes(b'{"note_id": 1, "text": null}\nbroken')
    rows = read_notes(tmp_path / "in.jsonl")
    assert next(rows)["text"] is None
    with pytest.raises(InvalidNotes):
        next(rows)
