"""The main job end to end, as a new user runs it: `sallyport demo --json` in an empty home, on real parts."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from compliance.verify import verify_bundle
from gateway.demo.domains import DOMAINS
from gateway.demo.story import STEPS
from gateway.embedded import processes
from gateway.embedded.home import Home
from gateway.embedded.stack import ORDER
from promotion.checks import CHECKS

SALLYPORT = str(Path(sys.executable).with_name("sallyport"))


def sallyport(home: Path, *arguments: str, timeout: int = 280) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SALLYPORT_HOME": str(home)}
    return subprocess.run(
        [SALLYPORT, *arguments], env=environment, capture_output=True, text=True, timeout=timeout, check=False, cwd=home.parent
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("demo") / "home"
    yield folder
    sallyport(folder, "down")
    shutil.rmtree(Home(folder).sockets, ignore_errors=True)


@pytest.fixture(scope="module")
def report(home: Path) -> dict[str, Any]:
    done = sallyport(home, "demo", "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_every_step_is_reported_with_who_acted_and_how_long_it_took(report: dict[str, Any]) -> None:
    assert [name for name in report if name != "seconds"] == list(STEPS)
    assert all(report[name]["who"] and report[name]["seconds"] >= 0 for name in STEPS)


def test_the_stack_is_up_with_its_root_token_revoked_and_its_policies_recorded(report: dict[str, Any], home: Path) -> None:
    assert set(report["up"]["parts"].values()) == {"running"}
    assert report["up"]["root_token_revoked"]
    entries = [json.loads(line) for line in (Path(report["audit"]["bundle"]) / "entries.jsonl").read_text().splitlines()]
    loaded = [entry for entry in entries if entry["type"] == "policy:loaded"]
    assert [entry["object"]["digest"] for entry in loaded] == [report["up"]["policy_digest"]]


def test_the_live_rows_and_the_snapshot_are_of_the_size_and_k_they_must_be(report: dict[str, Any]) -> None:
    rows = report["live"]["rows"]
    assert (rows["patients"], rows["notes"]) == (2_000, 1_200)
    assert 5_000 < rows["encounters"] < 7_000
    assert report["snapshot"]["k"] >= report["snapshot"]["required_k"] >= 11
    assert report["snapshot"]["signed_by"]


def test_training_reached_neither_the_network_nor_live_data(report: dict[str, Any]) -> None:
    answers = report["train"]["isolation"]
    assert len(answers) >= 5
    assert all(answer.startswith("denied") for answer in answers.values())
    assert report["train"]["roc_auc"] > 0.7


def test_live_data_is_denied_without_a_grant_and_masked_with_one(report: dict[str, Any]) -> None:
    assert report["live_denied"]["reasons"] == ["no_grant"]
    seen = report["live_access"]
    assert seen["self_approval"] == ["role_not_permitted"]  # a data scientist approves nothing, least of all their own
    assert 0 < seen["rows_seen"] < seen["rows_live"]
    assert seen["obligations"]["columns"]["patients.ssn"] == "pseudonym"
    assert all("-" not in row[1] for row in seen["masked_sample"])  # a social security number has dashes, a pseudonym none
    assert seen["connection_dead"] and seen["login_dead"]
    assert set(seen["refused_statements"].values()) <= {"InsufficientPrivilege", "ReadOnlySqlTransaction", "UndefinedTable"}


def test_a_pickle_is_refused_and_a_good_model_is_deployed_and_answers(report: dict[str, Any]) -> None:
    assert report["promotion_refused"]["state"] == "refused" and not report["promotion_refused"]["code_ran"]
    promoted = report["promotion"]
    assert {"artifact", "lineage", "data-quality", "performance", "leakage"} <= set(promoted["checks"])
    assert all(check["outcome"] == "passed" for check in promoted["checks"].values())
    assert "self_approval" in promoted["self_approval"]
    assert set(promoted["approved_by"]) == {"vera", "sam"}
    assert promoted["state"] == "deployed"
    assert promoted["inference"]["digest"] == promoted["digest"] and 0 <= promoted["inference"]["score"] <= 1


def test_the_evidence_verifies_alone_and_a_changed_byte_is_named(report: dict[str, Any]) -> None:
    assert report["audit"]["verified"] and not report["audit"]["tampered_verified"]
    assert any("entry" in problem for problem in report["audit"]["tampered_problems"])
    assert verify_bundle(Path(report["audit"]["bundle"])).ok


def test_nothing_is_left_running_and_no_secret_stands_in_a_log(report: dict[str, Any], home: Path) -> None:
    assert not any(processes.running(Home(home), part) for part in ORDER)
    secrets = [path.read_text().strip() for path in (home / "secrets").iterdir() if path.is_file() and path.stat().st_size < 200]
    secrets = [secret for secret in secrets if len(secret) > 20]
    assert secrets
    for log in [*(home / "logs").iterdir(), *Path(report["audit"]["bundle"]).rglob("*")]:
        if log.is_file():
            text = log.read_text("utf-8", "replace")
            assert not any(secret in text for secret in secrets), log.name


def test_a_second_run_in_the_same_home_gives_the_same_snapshot(report: dict[str, Any], home: Path) -> None:
    done = sallyport(home, "demo", "--json", "--keep-running")
    assert done.returncode == 0, done.stderr
    again = json.loads(done.stdout)
    assert again["snapshot"]["digest"] == report["snapshot"]["digest"]
    assert again["promotion"]["version"] > report["promotion"]["version"]


def test_a_promoted_model_trained_again_gives_the_same_bytes_and_another_script_is_refused(
    report: dict[str, Any], home: Path, tmp_path: Path
) -> None:
    digest = report["promotion"]["digest"]
    done = sallyport(home, "reproduce", digest, "--as", "dana")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["outcome"], found["files"], found["metrics"]) == ("bytes", [], {})
    assert found["run_id"] == report["train"]["run_id"] != found["again"]
    (tmp_path / "train.py").write_text("print('another script')\n")
    other = sallyport(home, "reproduce", digest, "--script", str(tmp_path / "train.py"), "--as", "dana")
    assert other.returncode == 1 and "not_reproducible" in other.stderr
    unknown = sallyport(home, "reproduce", "sha256:" + "0" * 64, "--as", "dana")
    assert unknown.returncode == 1 and "not_reproducible" in unknown.stderr


def test_a_worker_killed_in_the_middle_of_its_checks_loses_and_doubles_none(
    report: dict[str, Any], home: Path, tmp_path: Path
) -> None:
    contract = tmp_path / "model.yaml"
    contract.write_text(DOMAINS["clinic"].model_contract.read_text("utf-8").replace("tier: medium", "tier: high"))
    run = f"runs:/{report['train']['run_id']}/model"
    sent = sallyport(
        home, "promote", "submit", run, "--contract", str(contract), "--project", "readmission", "--no-wait", "--as", "dana"
    )
    promotion = json.loads(sent.stdout)["id"]
    for least in (0, 3):  # in the first check and in the middle
        while len(json.loads(sallyport(home, "promote", "show", promotion, "--as", "dana").stdout)["checks"]) < least:
            time.sleep(0.1)
        worker = processes.running(Home(home), "worker")
        assert worker is not None
        worker.kill()
        worker.wait(10)
        assert sallyport(home, "up").returncode == 0
    until = time.monotonic() + 120
    while (found := json.loads(sallyport(home, "promote", "show", promotion, "--as", "dana").stdout))["state"] == "checking":
        assert time.monotonic() < until
    assert found["state"] == "awaiting-approval" and sorted(one["name"] for one in found["checks"]) == sorted(CHECKS)
    assert sallyport(home, "audit", "export", "--out", str(tmp_path / "bundle"), "--as", "carl").returncode == 0
    entries = [json.loads(line) for line in (tmp_path / "bundle" / "entries.jsonl").read_text("utf-8").splitlines()]
    ours = [entry for entry in entries if entry.get("refs", {}).get("promotion") == promotion]
    completed = [entry["refs"]["check"] for entry in ours if entry["type"] == "check:completed"]
    reused = {entry["refs"]["check"] for entry in ours if "reused_from" in entry["refs"]}
    assert reused == {"artifact", "leakage"}  # the same bytes and snapshot were submitted before, under another tier
    assert sorted(completed) == sorted(CHECKS) and [one["type"] for one in ours].count("promotion:checks-passed") == 1


def test_too_few_people_are_refused_at_the_snapshot_with_a_sentence(home: Path, tmp_path: Path) -> None:
    from sandbox.domains.clinic.generate import write

    write(tmp_path / "few", patients=9, notes=3, seed=1)
    done = sallyport(home, "demo", "--data", str(tmp_path / "few"), "--keep-running")
    assert done.returncode == 1
    assert "k_unreachable" in done.stderr and "without suppressing" in done.stderr


def listening(path: Path) -> set[int]:
    """The processes that listen on a Unix socket of that path."""
    return {
        process.pid
        for process in psutil.process_iter()
        for connection in _sockets(process)
        if connection.laddr == str(path) and connection.status in ("LISTEN", "NONE")
    }


def _sockets(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections("unix"))
    except psutil.Error:
        return []


def test_parts_killed_at_once_start_again_with_their_state(home: Path) -> None:
    for part in ORDER:
        process = processes.running(Home(home), part)
        assert process is not None, part
        process.kill()
        process.wait(10)
    stopped = sallyport(home, "status")
    assert stopped.returncode == 1 and "stopped" in stopped.stderr
    assert sallyport(home, "up").returncode == 0
    assert len(listening(Home(home).sockets / "mlflow.sock")) == 1  # what the killed server left behind is gone
    listed = sallyport(home, "snapshot", "list", "--as", "dana")
    assert any(snapshot["state"] == "built" for snapshot in json.loads(listed.stdout)["items"])
