"""Policies can be checked, tested, explained, replayed and built from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import questions as q
from click.testing import CliRunner, Result

from gateway.commands.policy import command
from policies.bundle import DEFAULT_FOLDER, Bundle
from policies.check import problems
from policies.replay import Recorded, replay


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for part in ("rego", "data"):
        shutil.copytree(DEFAULT_FOLDER / part, tmp_path / "changed" / part)
    return tmp_path / "changed"


def run(*words: Any) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def files(folder: Path, asked: Any) -> tuple[Path, Path]:
    (folder / "data.json").write_text(json.dumps(q.DATASETS))
    (folder / "input.json").write_text(json.dumps(asked))
    return folder / "input.json", folder / "data.json"


def test_the_shipped_policies_have_no_problem() -> None:
    result = run("check")
    said = json.loads(result.stdout)
    assert result.exit_code == 0 and said["ok"] and said["problems"] == []
    assert {"approvals_missing", "unknown_zone", "invalid_input"} <= set(said["reasons"])


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('judged contains "grant_expired"', 'judged contains "grant_gone"', "reason_without_sentence"),
        ("not begun", "not given.not_before <= input.context.now", "doubtful_not"),
        ("not running", 'not startswith(given.id, "g")', "unlisted_builtin"),
        ("not covered", "not dataset.covered_by(given.columns)", "doubtful_not"),
    ],
)
def test_what_is_known_to_go_wrong_is_found(copied: Path, old: str, new: str, code: str) -> None:
    rewrite(copied / "rego" / "sallyport" / "grant.rego", old, new)
    result = run("check", "--policies", copied)
    assert result.exit_code == 1
    assert code in result.stderr or code in {problem["code"] for problem in json.loads(result.stdout)["problems"]}


def test_policies_that_allow_nothing_at_all_are_a_problem(copied: Path) -> None:
    (copied / "rego" / "sallyport" / "decision.rego").write_text(
        'package sallyport\n\ndecision := {"allow": true, "reasons": [], "obligations": {}}\n'
    )
    assert "allows_nothing" in {problem.code for problem in problems(Bundle.load(copied))}


def test_the_rules_own_tests_run_through_opa_and_a_failing_one_fails(copied: Path, opa: Path) -> None:
    result = run("test", "--opa", opa, "--policies", copied)
    assert result.exit_code == 0 and json.loads(result.stdout)["failed"] == []
    rewrite(copied / "rego" / "sallyport" / "grant.rego", "not begun", "not running")
    result = run("test", "--opa", opa, "--policies", copied)
    failed = json.loads(result.stdout)["failed"]
    assert result.exit_code == 1 and failed == [f"data.sallyport.grant_test.test_{name}" for name in ("deny", "missing")]


def test_without_opa_the_tests_are_not_said_to_pass() -> None:
    result = run("test", "--opa", "/nowhere/opa")
    assert result.exit_code == 1 and "opa_missing" in result.stderr


def test_a_denial_is_explained_by_sentence_rule_and_title(tmp_path: Path) -> None:
    asked = q.live()
    asked["context"]["grant"]["approvals"][1]["by"] = "dana"
    question, data = files(tmp_path, asked)
    result = run("explain", question, "--data", data)
    said = json.loads(result.stdout)
    assert [each["reason"] for each in said["why"]] == ["approvals_missing", "self_approval"]
    assert said["why"][1]["file"] == "rego/sallyport/approvals.rego" and "own request" in said["why"][1]["title"]
    assert all(sentence in result.stderr for sentence in said["sentences"])


def test_an_allowance_is_explained_by_its_terms(tmp_path: Path) -> None:
    question, data = files(tmp_path, q.live())
    said = json.loads(run("explain", question, "--data", data).stdout)["sentences"]
    assert "Seen as pseudonym: p.ssn." in said and "Only rows that pass the filter 'consent' are seen." in said


def test_a_bundle_is_written_with_the_digest_as_revision(tmp_path: Path) -> None:
    said = json.loads(run("build", "--out", tmp_path / "b.tar.gz").stdout)
    assert said["revision"] == Bundle.load().digest and (tmp_path / "b.tar.gz").stat().st_size > 1000
    assert run("build", "--out", tmp_path / "no" / "b.tar.gz").exit_code == 1


def test_unchanged_policies_turn_nothing(tmp_path: Path) -> None:
    _, data = files(tmp_path, {})
    lines = tmp_path / "inputs.jsonl"
    lines.write_text("\n".join(json.dumps(good()) for good in q.GOOD.values()))
    said = json.loads(run("replay", "--inputs", lines, "--data", data, "--policies", DEFAULT_FOLDER).stdout)
    assert (said["decided"], said["turned"], said["turns"]) == (len(q.GOOD), 0, [])


def test_what_changed_policies_would_turn_is_counted_with_examples(copied: Path, tmp_path: Path) -> None:
    rewrite(copied / "data" / "treatments.json", '"quasi": 1', '"quasi": 3')
    rewrite(copied / "data" / "limits.json", '"live_ttl_seconds": 14400', '"live_ttl_seconds": 60')
    rewrite(copied / "data" / "roles.json", '"read_sandbox": [', '"read_sandbox": ["operator", ')
    operator = q.sandbox()
    operator["subject"]["roles"] = ["operator"]
    one, hiv = q.live("p.birth", approvals=(q.steward("sam"),)), q.live("p.hiv")
    rows = [one, one, hiv, operator, q.export(), {"input": operator, "decision_id": "d5", "allow": True, "reasons": []}]
    _, data = files(tmp_path, {})
    (tmp_path / "inputs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    result = run("replay", "--inputs", tmp_path / "inputs.jsonl", "--data", data, "--policies", copied)
    said = json.loads(result.stdout)
    assert (said["decided"], said["turned"], said["would_be_allowed"], said["would_be_denied"]) == (6, 5, 2, 2)
    assert {turn["kind"]: turn["count"] for turn in said["turns"]} == {
        "would be denied": 2, "would be allowed": 2, "other terms": 1,
    }  # fmt: skip
    assert said["recorded_differently"] == 1
    denied = next(turn for turn in said["turns"] if turn["kind"] == "would be denied")
    assert (denied["before"], denied["after"]) == ([], ["approvals_missing"])
    assert denied["examples"][0]["subject"] == "dana" and "5 would turn" in result.stderr


def test_a_thousand_examples_are_counted_and_three_are_shown() -> None:
    stricter = Bundle.load()
    stricter = Bundle(stricter.modules, {**stricter.data, "roles": stricter.data["roles"] | {"export_audit": ["auditor"]}}, "x")
    recorded = (Recorded(q.export(), str(n)) for n in range(300))
    said = replay(recorded, now=Bundle.load(), changed=stricter, datasets={})
    assert said["turns"][0]["count"] == 300 and len(said["turns"][0]["examples"]) == 3


@pytest.mark.parametrize("since", ["", "90", "d", "yesterday", "-3d"])
def test_a_period_that_is_none_is_wrong_usage(since: str, tmp_path: Path) -> None:
    assert run("replay", "--since", since, "--policies", DEFAULT_FOLDER).exit_code == 2
