"""A bundle redacted for its reader: still proven whole, nothing withheld can hide a change, and no name is left in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from compliance.attestations import Statement, Subject, sign_statement
from compliance.canonical import canonical_json, digest
from compliance.checkpoints import sign_checkpoint
from compliance.entries import Actor, ObjectRef
from compliance.ledger import append
from compliance.publishing import ledger_tree
from compliance.redaction import UnknownReader, load_reader, readers
from compliance.verify import verify_bundle
from tests.compliance import test_tampering as tampering
from tests.compliance.conftest import START, LocalSigner, decision
from tests.compliance.test_bundle import export
from tests.compliance.test_tampering import codes

DANA, SAM = Actor("dana", "person", ("data-scientist",)), Actor("sam", "person", ("data-steward",))
MACHINE = Actor("snapshot-builder", "service")
SECRET = "because my sister is ill"


@pytest.fixture
def ledger(app: Any) -> Any:
    """Twenty entries by people and services, in which people are named as actors, holders, in identifiers and in texts."""
    made: list[dict[str, Any]] = [
        {"actor": DANA, "object": ObjectRef("file", "dana.csv")},
        {"type": "session:opened", "actor": SAM, "outcome": "done", "object": ObjectRef("session", "sam")},
        {"type": "cell:started", "actor": DANA, "outcome": "done"},
        {"type": "lease:opened", "actor": MACHINE, "outcome": "done", "object": ObjectRef("lease", "l1"),
         "refs": {"lease_id": "l1", "holder": "eve", "dataset": "clinic", "decision_id": "d1"}},
        {"type": "waiver:signed", "actor": SAM, "outcome": "done", "detail": {"why": SECRET, "by": ["readmission/dana"]}},
        {"type": "dataset:loaded", "actor": MACHINE, "outcome": "done", "detail": {"patients": 5}},
        {"type": "lease:revoked", "actor": MACHINE, "outcome": "done", "refs": {"holder": "snapshot-builder"}},
    ]  # fmt: skip
    for number in range(20):
        append(app, decision(number, **made[number % len(made)]), now=START + timedelta(minutes=number + 1))
    app.commit()
    return app


@pytest.mark.parametrize(
    ("reader", "first", "last"), [*((name, 3, 18) for name in readers()), ("board", 0, 60), ("board", 30, 40), ("public", 2, 4)]
)
def test_what_any_reader_gets_is_proven_whole(ledger: Any, tmp_path: Path, reader: str, first: int, last: int) -> None:
    made = export(ledger, tmp_path / "b", first, last, reader=reader)
    found = verify_bundle(tmp_path / "b")
    assert found.ok and not made.problems, found.problems
    assert found.entries == made.entries == max(0, min(last, 21) - max(first, 1))
    assert (tmp_path / "b" / "report.pdf").read_bytes().startswith(b"%PDF")


def withheld(bundle: Path) -> dict[int, str]:
    lines = [json.loads(line) for line in (bundle / "entries.jsonl").read_bytes().splitlines()]
    return {one["seq"]: one["rule"] for one in lines if "rule" in one}


def test_each_reader_is_withheld_what_its_rules_say_and_the_verifier_counts_it(ledger: Any, tmp_path: Path) -> None:
    expected = {"regulator": 0, "auditor": 6, "board": 6 + 9, "public": 20}
    for reader, number in expected.items():
        export(ledger, tmp_path / reader, reader=reader)
        stated = json.loads((tmp_path / reader / "completeness.json").read_text())
        assert len(withheld(tmp_path / reader)) == number == sum(stated["withheld"].values()), reader
        notes = [note for note in verify_bundle(tmp_path / reader).notes if "withheld" in note]
        assert sorted(notes) == sorted(
            f"{many} entries are withheld under the rule {rule}." for rule, many in stated["withheld"].items() if many
        )
    assert withheld(tmp_path / "auditor")[2] == "staff-conduct" and withheld(tmp_path / "board")[1] == "names-people"


@pytest.mark.parametrize("reader", ["board", "public"])
def test_no_name_of_the_staff_and_no_text_is_left_in_any_file(ledger: Any, tmp_path: Path, reader: str) -> None:
    export(ledger, tmp_path / "b", reader=reader)
    for path in (path for path in (tmp_path / "b").rglob("*") if path.is_file() and path.suffix not in (".pdf", ".parquet")):
        for name in (b"dana", b'sam"', b'eve"', b",sam,", b",eve,", b"/sam", SECRET.encode()):
            assert name not in path.read_bytes(), (path.name, name)


def test_a_name_is_replaced_by_the_same_number_everywhere_and_in_every_bundle(ledger: Any, tmp_path: Path) -> None:
    def rows(bundle: Path, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (bundle / "reports" / f"{name}.jsonl").read_text().splitlines()]

    for name, first in (("whole", 0), ("part", 5)):
        export(ledger, tmp_path / name, first, 60, reader="board")
    ledgers = {one["seq"]: one for one in rows(tmp_path / "whole", "access-ledger")}
    assert ledgers[4]["actor"] == "snapshot-builder" and ledgers[4]["detail"] == {"action": "read"}
    assert {one["actor"] for one in rows(tmp_path / "whole", "access-ledger")} == {"snapshot-builder"}
    by = (tmp_path / "whole" / "reports" / "people-and-objects.csv").read_text()
    assert "person 1," in by and "person 2," in by  # dana and sam, by first appearance
    waived = rows(tmp_path / "part", "access-ledger")
    assert {one["actor"] for one in waived} <= {"snapshot-builder", "person 1", "person 2"}
    assert rows(tmp_path / "whole", "denied") == []
    page = (tmp_path / "whole" / "report.html").read_text()
    assert "The organisation" in page and "Withheld under the rule names-people" in page


def test_a_table_that_may_not_be_shown_does_not_say_that_nothing_happened(ledger: Any, tmp_path: Path) -> None:
    export(ledger, tmp_path / "b", reader="public")
    page = (tmp_path / "b" / "report.html").read_text()
    assert "Nothing of the kind happened in the period." not in page and "that this reader may see" in page
    assert "There is something to look at" in (tmp_path / "b" / "controls" / "findings.json").read_text()
    whole = export(ledger, tmp_path / "w", reader="regulator")
    matrix = (tmp_path / "w" / "controls" / "matrix.csv", tmp_path / "b" / "controls" / "matrix.csv")
    assert whole.entries == 20 and matrix[0].read_bytes() == matrix[1].read_bytes(), "the controls are judged on everything"


def test_names_of_several_words_and_names_in_sentences_of_findings_are_replaced(app: Any, tmp_path: Path) -> None:
    append(app, decision(1, actor=Actor("Eva Lind", "person")), now=START)
    named = {"actor": MACHINE, "type": "alert:raised", "outcome": "done", "object": ObjectRef("alert", "model/Eva Lind+x")}
    append(app, decision(2, **named), now=START)
    app.commit()
    export(app, tmp_path / "b", -60 * 24 * 30, 60 * 24 * 30, reader="board")
    findings = (tmp_path / "b" / "controls" / "findings.json").read_text()
    assert "The alert model/person 1+x stands" in findings and withheld(tmp_path / "b") == dict.fromkeys((1, 2), "names-people")
    for path in (path for path in (tmp_path / "b").rglob("*") if path.is_file() and path.suffix not in (".pdf", ".parquet")):
        assert b"Lind" not in path.read_bytes(), path.name


def test_an_unknown_reader_gets_nothing(ledger: Any, tmp_path: Path) -> None:
    with pytest.raises(UnknownReader):
        export(ledger, tmp_path / "b", reader="everybody")
    assert not (tmp_path / "b").exists() and load_reader("auditor").title


def edit_withheld(superuser: Any) -> None:
    superuser.execute(
        "UPDATE ledger.entries SET canonical = convert_to(replace(convert_from(canonical, 'UTF8'), '\"sam\"', '\"pam\"'), 'UTF8')"
        " WHERE seq = 9"
    )


def edit_withheld_with_its_hash(superuser: Any) -> None:
    edit_withheld(superuser)
    superuser.execute("UPDATE ledger.entries SET hash = sha256('\\x00'::bytea || canonical) WHERE seq = 9")


def pass_for_withheld(superuser: Any) -> None:
    """The entry is overwritten by what a withheld one looks like, with the hash it had."""
    row = superuser.execute("SELECT canonical, hash FROM ledger.entries WHERE seq = 6").fetchone()
    known = json.loads(bytes(row[0]))
    place = {"leaf": bytes(row[1]).hex(), "rule": "staff-conduct", "type": "withheld"}
    place |= {name: known[name] for name in ("prev", "recorded_at", "seq", "source", "source_seq")}
    superuser.execute("UPDATE ledger.entries SET canonical = %s WHERE seq = 6", (canonical_json(place),))


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        (edit_withheld, {"entry_changed"}),
        (edit_withheld_with_its_hash, {"entry_changed", "root_mismatch"}),
        (pass_for_withheld, {"entry_changed"}),
        (tampering.delete, {"entry_missing"}),
        (tampering.swap, {"entry_misplaced", "entry_missing", "entry_changed"}),
        (tampering.reorder, {"entry_misplaced", "entry_missing", "entry_changed"}),
        (tampering.insert, {"entry_misplaced", "entry_changed"}),
        (tampering.truncate, {"history_rewritten"}),
        (tampering.fork, {"history_rewritten"}),
        (tampering.rewrite_everything, {"history_rewritten"}),
    ],
)
def test_tampering_below_what_is_withheld_is_found(
    ledger: Any, superuser: Any, tmp_path: Path, tamper: Callable[[Any], None], expected: set[str]
) -> None:
    tree = ledger_tree(ledger)
    published = [sign_checkpoint(tree.size, tree.root(), LocalSigner())]
    ledger.commit()
    tamper(superuser)
    reader = "auditor" if tamper is pass_for_withheld else "board"
    made = export(ledger, tmp_path / "b", reader=reader, published=published)
    assert made.problems and codes(verify_bundle(tmp_path / "b", checkpoints=tuple(published))) & expected


def lines_of(bundle: Path) -> list[bytes]:
    return (bundle / "entries.jsonl").read_bytes().splitlines()


@pytest.mark.parametrize(
    "changed",
    [{"leaf": "00" * 32}, {"leaf": "zz"}, {"rule": "no-such-rule"}, {"source_seq": 99}, {"rule": "names-people"},
     {"recorded_at": "2020-01-01T00:00:00.000000Z"}, {"seq": 4}, {"leaf": None}, {"rule": []}],
)  # fmt: skip
def test_a_withheld_place_that_was_changed_is_found_even_where_the_manifest_agrees(
    ledger: Any, tmp_path: Path, changed: dict[str, Any]
) -> None:
    bundle = tmp_path / "b"
    export(ledger, bundle, reader="board")
    lines = lines_of(bundle)
    lines[1] = canonical_json(json.loads(lines[1]) | changed)
    data = b"".join(line + b"\n" for line in lines)
    (bundle / "entries.jsonl").write_bytes(data)
    resign(bundle)
    assert codes(verify_bundle(bundle)) - {"file_changed", "manifest_unsigned"}


def test_an_entry_that_the_maker_hides_after_the_fact_is_missed_in_the_count(ledger: Any, tmp_path: Path) -> None:
    bundle = tmp_path / "b"
    export(ledger, bundle, reader="auditor")
    lines = lines_of(bundle)
    known = json.loads(lines[4])
    place = {"leaf": hashlib.sha256(b"\x00" + lines[4]).hexdigest(), "rule": "staff-conduct", "type": "withheld"}
    lines[4] = canonical_json(place | {name: known[name] for name in ("prev", "recorded_at", "seq", "source", "source_seq")})
    (bundle / "entries.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
    resign(bundle)
    assert codes(verify_bundle(bundle)) == {"completeness_false"}


def resign(bundle: Path) -> None:
    """The manifest is made and signed anew, as the holder of the key could."""
    manifest = json.loads((bundle / "manifest.json").read_bytes())
    subjects = tuple(Subject(one["name"], digest((bundle / one["name"]).read_bytes())) for one in manifest["subject"])
    statement = Statement(subjects, manifest["predicateType"], manifest["predicate"])
    (bundle / "manifest.json").write_bytes(canonical_json(statement.as_json()))
    (bundle / "manifest.dsse.json").write_bytes(canonical_json(sign_statement(statement, LocalSigner())))
