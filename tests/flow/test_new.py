"""A project from the template: made, trained, checked, taken over by somebody else with one command, promoted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.client import Gateway
from gateway.commands import snapshot as snapshots
from gateway.commands.new import command
from sandbox.contracts import load_contract
from sandbox.domains import contract_path
from sandbox.errors import InvalidFeatures
from sandbox.features.outline import outline

pytestmark = pytest.mark.flow
As = Callable[[str], Gateway]


def make(folder: Path, *targets: str) -> subprocess.CompletedProcess[str]:
    sallyport = Path(sys.executable).parent / "sallyport"
    words = ["make", "-s", f"SALLYPORT={sallyport}", f"PYTHON={sys.executable}", *targets]
    environment = os.environ | {"SALLYPORT_USER": "dana", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, env=environment, timeout=250, check=False)


def test_a_project_is_made_trained_taken_over_and_promoted(as_user: As, clinic: Path, tmp_path: Path) -> None:
    sam = as_user("sam")
    built = snapshots.watch(sam, sam.post("/v1/snapshots", {"dataset": "clinic"}))
    assert built["state"] == "built", built
    first = tmp_path / "first"
    contract = str(contract_path("clinic"))
    made = CliRunner().invoke(command, ["stay_model", "--contract", contract, "--out", str(first)])
    assert made.exit_code == 0, made.output
    assert make(first, "model").returncode == 2, "without a snapshot nothing is trained"
    (first / "snapshot.digest").write_text(built["digest"] + "\n")
    trained = make(first, "model")
    assert trained.returncode == 0, trained.stderr
    assert "on record in model.digest: commit it" in trained.stdout
    assert json.loads((first / "result.json").read_text())["roc_auc"] > 0.5

    other = tmp_path / "newcomer"
    shutil.copytree(first, other, ignore=shutil.ignore_patterns("result.json", "snapshot"))
    again = make(other, "model")
    assert again.returncode == 0, again.stderr
    assert "is the one on record" in again.stdout
    assert json.loads((other / "result.json").read_text())["model_digest"] == (first / "model.digest").read_text().strip()
    (other / "model.digest").write_text("sha256:" + "0" * 64)
    changed = subprocess.run([sys.executable, "same.py"], cwd=other, capture_output=True, text=True, check=False)
    assert changed.returncode == 1
    assert "NOT the one on record" in changed.stderr

    checked = make(first, "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "equal" in checked.stderr
    promoted = make(first, "promote")
    assert promoted.returncode == 0, promoted.stderr[-2000:]
    assert json.loads(promoted.stdout.splitlines()[-1])["state"] == "awaiting-approval"


def test_where_the_contract_leaves_it_open_the_command_says_so(tmp_path: Path) -> None:
    contract = load_contract(contract_path("synthea"))
    with pytest.raises(InvalidFeatures, match="learnt"):
        outline(contract)
    asked = CliRunner().invoke(command, ["x", "--contract", str(contract_path("synthea")), "--out", str(tmp_path / "x")])
    assert asked.exit_code == 1
    assert "--label" in asked.stderr
    assert not (tmp_path / "x").exists()


def test_a_proposal_holds_what_a_snapshot_shows_and_never_the_label() -> None:
    found = outline(load_contract(contract_path("bank")))
    assert (found["table"], found["label"], found["as_of"]) == ("transactions", "fraud", "booked")
    assert "fraud" not in (*found["columns"], *found["numbers"], *found["words"])
    assert not {"name", "iban", "email"} & {*found["columns"], *found["person_columns"]}


def test_copier_is_a_program_of_its_own() -> None:
    """A part of it stands under the GPL, so no module of ours may import it."""
    root = Path(__file__).parents[2]
    for package in ("gateway", "sandbox", "promotion", "compliance", "policies"):
        for file in (root / package).rglob("*.py"):
            text = file.read_text("utf-8")
            assert "import copier" not in text and "from copier" not in text, file
