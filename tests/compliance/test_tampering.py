"""What somebody with superuser rights does to the ledger, and what somebody does to a bundle: found, and named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compliance.attestations import Statement, Subject, sign_statement
from compliance.canonical import canonical_json, digest
from compliance.checkpoints import sign_checkpoint
from compliance.gathering import Attestation
from compliance.ledger import FIRST_PREVIOUS, append, leaf_hash
from compliance.verify import Verification, verify_bundle
from tests.compliance.conftest import START, LocalSigner, decision, fill
from tests.compliance.test_bundle import export


@pytest.fixture
def bundle(app: Any, tmp_path: Path) -> Path:
    fill(app, 20)
    export(app, tmp_path / "bundle", 3, 18)
    return tmp_path / "bundle"


def codes(found: Verification) -> set[str]:
    assert not found.ok
    return {problem.code for problem in found.problems}


@pytest.mark.parametrize("line", [0, 7, 14])
@pytest.mark.parametrize("place", [0, 0.2, 0.5, 0.9, 0.999])
def test_a_changed_byte_of_an_entry_names_the_entry(bundle: Path, line: int, place: float) -> None:
    path = bundle / "entries.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    changed = bytearray(lines[line])
    changed[int(place * (len(changed) - 1))] ^= 0x01
    lines[line] = bytes(changed)
    path.write_bytes(b"".join(lines))
    found = verify_bundle(bundle)
    named = [problem.sentence for problem in found.problems if problem.code == "entry_changed"]
    assert len(named) == 1 and named[0].startswith(f"entry {line + 3} (decision:made) was changed"), found.problems


def test_flipping_any_byte_of_any_file_is_found(bundle: Path, tmp_path: Path) -> None:
    files = sorted(path for path in bundle.rglob("*") if path.is_file() and path.stat().st_size)

    @settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(files), st.floats(0, 1, exclude_max=True), st.integers(0, 7))
    def flip(path: Path, place: float, bit: int) -> None:
        before = path.read_bytes()
        after = bytearray(before)
        after[int(place * len(before))] ^= 1 << bit
        path.write_bytes(after)
        try:
            assert not verify_bundle(bundle).ok
        finally:
            path.write_bytes(before)

    flip()
    assert verify_bundle(bundle).ok


def rewrite(superuser: Any, change: Callable[[dict[str, Any]], dict[str, Any] | None]) -> None:
    """The whole chain is made anew after `change`, as somebody would who knows how the ledger works (None drops an entry)."""
    rows = superuser.execute("SELECT canonical FROM ledger.entries ORDER BY seq").fetchall()
    superuser.execute("DELETE FROM ledger.entries")
    previous, numbers = FIRST_PREVIOUS, dict[str, int]()
    kept = [entry for (raw,) in rows if (entry := change(json.loads(bytes(raw)))) is not None]
    for seq, entry in enumerate(kept, 1):
        numbers[entry["source"]] = numbers.get(entry["source"], 0) + 1
        entry |= {"seq": seq, "prev": previous, "source_seq": numbers[entry["source"]]}
        canonical = canonical_json(entry)
        leaf = leaf_hash(canonical)
        previous = f"sha256:{leaf.hex()}"
        superuser.execute(
            "INSERT INTO ledger.entries VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (seq, entry["id"], entry["type"], entry["occurred_at"], entry["recorded_at"], entry["actor"]["id"],
             entry["project"], entry["object"]["type"], entry["object"]["id"], entry["outcome"], entry["source"],
             entry["source_seq"], leaf, canonical),
        )  # fmt: skip


def edit(superuser: Any) -> None:
    superuser.execute(
        "UPDATE ledger.entries SET canonical = convert_to(replace(convert_from(canonical, 'UTF8'), 'dana', 'eve'), 'UTF8')"
        " WHERE seq = 7"
    )


def edit_with_its_hash(superuser: Any) -> None:
    edit(superuser)
    superuser.execute("UPDATE ledger.entries SET hash = sha256('\\x00'::bytea || canonical) WHERE seq = 7")


def delete(superuser: Any) -> None:
    superuser.execute("DELETE FROM ledger.entries WHERE seq = 7")


def swap(superuser: Any) -> None:
    superuser.execute("UPDATE ledger.entries SET seq = CASE seq WHEN 7 THEN -12 ELSE -7 END WHERE seq IN (7, 12)")
    superuser.execute("UPDATE ledger.entries SET seq = -seq WHERE seq < 0")


def reorder(superuser: Any) -> None:
    superuser.execute("UPDATE ledger.entries SET seq = -CASE seq WHEN 9 THEN 6 ELSE seq + 1 END WHERE seq BETWEEN 6 AND 9")
    superuser.execute("UPDATE ledger.entries SET seq = -seq WHERE seq < 0")


def insert(superuser: Any) -> None:
    superuser.execute("UPDATE ledger.entries SET seq = -(seq + 1) WHERE seq > 7")
    superuser.execute("UPDATE ledger.entries SET seq = -seq WHERE seq < 0")
    superuser.execute(
        "INSERT INTO ledger.entries SELECT 8, gen_random_uuid(), type, occurred_at, recorded_at, actor, project, object_type,"
        " object_id, outcome, 'other', 1, hash, canonical FROM ledger.entries WHERE seq = 7"
    )


def truncate(superuser: Any) -> None:
    superuser.execute("DELETE FROM ledger.entries WHERE seq > 15")


def truncate_all(superuser: Any) -> None:
    superuser.execute("TRUNCATE ledger.entries")


def fork(superuser: Any) -> None:
    """After entry 10 the ledger goes on another way, with as many entries, each in its place."""
    rewrite(superuser, lambda entry: entry | {"outcome": "deny"} if entry["seq"] > 10 else entry)


def rewrite_everything(superuser: Any) -> None:
    rewrite(superuser, lambda entry: entry | {"actor": entry["actor"] | {"id": "eve"}} if entry["seq"] == 7 else entry)


def remove_source(superuser: Any) -> None:
    superuser.execute("DELETE FROM ledger.entries WHERE source = 'worker'")


def remove_source_and_rewrite(superuser: Any) -> None:
    rewrite(superuser, lambda entry: None if entry["source"] == "worker" else entry)


@pytest.mark.parametrize(
    ("tamper", "code", "named"),
    [
        (edit, "entry_changed", "entry 7 (decision:made) was changed"),
        (edit_with_its_hash, "entry_changed", "entry 7 (decision:made) was changed"),
        (delete, "entry_missing", "Entries are missing before entry 8 (decision:made): from entry 7 on."),
        (
            swap,
            "entry_changed",
            "entry 7 (decision:made) was changed: its hash is not the one recorded for it. It calls itself entry 12",
        ),
        (reorder, "entry_misplaced", "entry 9 (decision:made) was added, moved or repeated before entry 6"),
        (insert, "entry_misplaced", "entry 7 (decision:made) was added, moved or repeated before entry 8"),
        (truncate, "history_rewritten", "The checkpoint of 20 entries published earlier"),
        (truncate_all, "history_rewritten", "The checkpoint of 20 entries published earlier"),
        (fork, "history_rewritten", "The checkpoint of 20 entries published earlier does not fit: history was rewritten"),
        (
            rewrite_everything,
            "history_rewritten",
            "The checkpoint of 20 entries published earlier does not fit: history was rewritten",
        ),
        (remove_source, "entry_missing", "Entries are missing before entry 14 (decision:made): from entry 13 on."),
        (remove_source_and_rewrite, "history_rewritten", "The checkpoint of 20 entries published earlier"),
    ],
)
def test_what_a_superuser_does_to_the_ledger_is_found_and_named(
    app: Any, superuser: Any, tmp_path: Path, tamper: Callable[[Any], None], code: str, named: str
) -> None:
    fill(app, 12)
    append(app, decision(13), source="worker", now=START + timedelta(minutes=13))
    app.commit()
    fill(app, 7, first=14)
    kept = export(app, tmp_path / "good").checkpoint
    app.commit()
    tamper(superuser)
    made = export(app, tmp_path / "bad", published=[kept])
    found = verify_bundle(tmp_path / "bad")
    assert code in codes(found) and made.problems, found.problems
    assert any(named in problem.sentence for problem in found.problems), found.problems
    assert not verify_bundle(tmp_path / "bad", checkpoints=(kept,)).ok


def test_a_checkpoint_that_was_replaced_is_not_the_logs(app: Any, tmp_path: Path) -> None:
    fill(app, 20)
    kept = export(app, tmp_path / "good").checkpoint
    root = bytes(32)
    other = sign_checkpoint(20, root, LocalSigner(2))
    export(app, tmp_path / "bad", published=[other])
    assert {"checkpoint_unsigned", "history_rewritten"} <= codes(verify_bundle(tmp_path / "bad"))
    (tmp_path / "good" / "checkpoint.txt").write_bytes(other)
    assert {"checkpoint_unsigned", "root_mismatch", "file_changed"} <= codes(verify_bundle(tmp_path / "good"))
    assert verify_bundle(tmp_path / "bad", checkpoints=(kept,)).problems


def test_a_rewritten_ledger_signed_with_the_same_key_does_not_agree_with_a_checkpoint_kept_elsewhere(
    app: Any, superuser: Any, tmp_path: Path
) -> None:
    fill(app, 10)
    kept = export(app, tmp_path / "good").checkpoint
    app.commit()
    rewrite_everything(superuser)
    fill(app, 5, first=11)
    export(app, tmp_path / "bad")
    assert verify_bundle(tmp_path / "bad").ok
    assert codes(verify_bundle(tmp_path / "bad", checkpoints=(kept,))) == {"history_rewritten"}


def test_a_changed_report_is_named(bundle: Path) -> None:
    report = bundle / "reports" / "denied.csv"
    report.write_bytes(report.read_bytes() + b"1,2,3\n")
    found = verify_bundle(bundle)
    assert [(p.code, p.where) for p in found.problems] == [("file_changed", "reports/denied.csv")]


def test_an_attestation_that_was_changed_in_its_table_is_missed_by_the_entry_that_rests_on_it(app: Any, tmp_path: Path) -> None:
    statement = Statement((Subject("model", "sha256:" + "11" * 32),), "urn:sallyport:approval:v1", {"by": "vera"})
    envelope = sign_statement(statement, LocalSigner())
    fill(app, 3)
    append(app, decision(4, detail={"envelope": digest(canonical_json(envelope))}), now=START + timedelta(minutes=4))
    app.commit()
    export(app, tmp_path / "good", attestations=[Attestation("d4", envelope)])
    assert verify_bundle(tmp_path / "good").ok
    other = sign_statement(Statement(statement.subjects, statement.predicate_type, {"by": "eve"}), LocalSigner())
    export(app, tmp_path / "other", attestations=[Attestation("d4", other)])
    found = verify_bundle(tmp_path / "other")
    assert codes(found) == {"attestation_missing"}
    assert found.problems[0].sentence.startswith("entry 4 (decision:made) rests on the attestation sha256:")
    unsigned = envelope | {"signatures": [envelope["signatures"][0] | {"sig": "AAAA"}]}
    export(app, tmp_path / "unsigned", attestations=[Attestation("d4", unsigned)])
    assert codes(verify_bundle(tmp_path / "unsigned")) == {"attestation_unsigned", "attestation_missing"}


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (lambda b: (b / "extra.txt").write_text("x"), "file_added"),
        (lambda b: (b / "reports" / "denied.csv").unlink(), "file_missing"),
        (lambda b: (b / "empty").mkdir(), "folder_added"),
        (lambda b: (b / "link").symlink_to("verify.py"), "not_a_file"),
        (lambda b: os.mkfifo(b / "pipe"), "not_a_file"),
        (lambda b: (b / "manifest.json").unlink(), "unreadable"),
        (lambda b: (b / "manifest.dsse.json").unlink(), "unreadable"),
        (lambda b: (b / "entries.jsonl").unlink(), "file_missing"),
        (lambda b: (b / "keys.json").write_bytes(b"["), "unreadable"),
        (lambda b: (b / "proof.json").write_text('{"first":0,"end":9,"size":1e400,"hashes":[]}'), "unreadable"),
        (lambda b: (b / "completeness.json").write_text("[" * 100_000), "unreadable"),
        (lambda b: (b / "before.json").unlink(), "file_missing"),
        (lambda b: (b / "entries.jsonl").write_bytes(b'{"seq":' + b"9" * 5000 + b"}\n"), "entry_changed"),
        (lambda b: (b / "entries.jsonl").write_bytes(b"\xff\xfe\n" * 3), "entry_changed"),
    ],
)
def test_what_is_done_to_a_bundle_is_found(bundle: Path, harm: Callable[[Path], Any], code: str) -> None:
    harm(bundle)
    assert code in codes(verify_bundle(bundle))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda lines: lines[:5] + lines[6:], "Entries are missing before entry 9 (decision:made): from entry 8 on."),
        (lambda lines: lines[:-1], "Entries are missing before entry 18 (decision:made): from entry 17 on."),
        (lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]], "entry 9 (decision:made) was added, moved or repeated"),
        (lambda lines: [*lines[:5], lines[4], *lines[5:]], "entry 7 (decision:made) was added, moved or repeated"),
        (lambda lines: [*lines[:5], lines[5][:-1] + lines[6], *lines[7:]], "entry 8 (decision:made) was changed"),
    ],
)
def test_lines_taken_added_or_moved_are_named(bundle: Path, change: Callable[[list[bytes]], list[bytes]], sentence: str) -> None:
    path = bundle / "entries.jsonl"
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))
    found = verify_bundle(bundle)
    assert any(sentence in problem.sentence for problem in found.problems), found.problems


def test_a_bundle_that_leaves_out_entries_of_its_period_says_so_itself(app: Any, tmp_path: Path) -> None:
    """Whoever holds the key cuts the period short: the entries next to it give that away."""
    fill(app, 20)
    export(app, tmp_path / "b", 5, 15)
    stated = json.loads((tmp_path / "b" / "completeness.json").read_text())
    stated["period"]["until"] = "2026-11-01T08:18:00.000000Z"
    (tmp_path / "b" / "completeness.json").write_bytes(canonical_json(stated))
    found = verify_bundle(tmp_path / "b")
    assert any("is of the period, but stands in after.json" in problem.sentence for problem in found.problems)


def test_a_pinned_key_must_be_the_one_that_signed(bundle: Path) -> None:
    mine = verify_bundle(bundle).fingerprint
    assert verify_bundle(bundle, fingerprint=mine).pinned and verify_bundle(bundle, fingerprint=mine).notes == ()
    assert codes(verify_bundle(bundle, fingerprint="sha256:" + "0" * 64)) == {"key_not_pinned"}


def test_what_is_printed_cannot_mislead(bundle: Path) -> None:
    (bundle / "a\u202egpj.exe\n\x1b[31m").write_text("x")
    sentence = verify_bundle(bundle).problems[0].sentence
    assert sentence.isprintable() and "\\u202e" in sentence


ANYTHING = (None, [], {}, 5, "x", [[1]], "2026-99-99T99:99:99.999999Z", {"ttl_seconds": "x", "envelope": []})
PARTS = (
    "type", "outcome", "source", "source_seq", "seq", "recorded_at", "occurred_at", "prev", "id", "project", "reasons", "refs",
    "detail", "actor", "actor.id", "actor.roles", "actor.kind", "object", "object.id",
)  # fmt: skip


@pytest.mark.parametrize("path", PARTS)
def test_whatever_somebody_writes_into_an_entry_the_evidence_can_be_exported_and_names_it(
    app: Any, superuser: Any, tmp_path: Path, path: str
) -> None:
    fill(app, 6, type="lease:opened", detail={"ttl_seconds": 60, "envelope": "sha256:1"})
    for number, value in enumerate(ANYTHING):
        (raw,) = superuser.execute("SELECT canonical FROM ledger.entries WHERE seq = 3").fetchone()
        entry = json.loads(bytes(raw))
        parent, _, name = path.rpartition(".")
        (entry[parent] if parent else entry)[name] = value
        superuser.execute("UPDATE ledger.entries SET canonical = %s WHERE seq = 3", (json.dumps(entry).encode(),))
        made = export(app, tmp_path / f"b{number}")
        app.rollback()
        assert any(sentence.startswith("entry 3 (") and "was changed" in sentence for sentence in made.problems), made.problems
        superuser.execute("UPDATE ledger.entries SET canonical = %s WHERE seq = 3", (raw,))
