"""Bundles: whole, reproducible, and proven against the whole ledger."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from compliance.bundle import ExportResult, export_bundle
from compliance.ledger import append
from compliance.verify import verify_bundle
from tests.compliance.conftest import START, LocalSigner, decision, fill


def export(connection: Any, out: Path, first: int = 0, last: int = 60, **given: Any) -> ExportResult:
    """A bundle of the entries from minute `first` up to minute `last`."""
    since, until = START + timedelta(minutes=first), START + timedelta(minutes=last)
    usual = {"signer": LocalSigner(), "since": since, "until": until, "profile": "hipaa", "out": out}
    return export_bundle(connection, **(usual | given))


@pytest.mark.parametrize(("first", "last"), [(0, 60), (0, 10), (10, 20), (5, 6), (39, 60), (1, 41)])
def test_a_bundle_of_any_part_of_the_ledger_is_proven_against_it(app: Any, tmp_path: Path, first: int, last: int) -> None:
    fill(app, 40)
    made = export(app, tmp_path / "b", first, last)
    found = verify_bundle(tmp_path / "b")
    assert found.ok and not made.problems, found.problems
    assert found.entries == made.entries == min(last, 41) - max(first, 1)


@pytest.mark.parametrize("count", [0, 1, 5])
@pytest.mark.parametrize(("first", "last"), [(-20, -10), (100, 200)])
def test_a_period_without_entries_gives_a_bundle_that_shows_there_are_none(
    app: Any, tmp_path: Path, count: int, first: int, last: int
) -> None:
    fill(app, count)
    made = export(app, tmp_path / "b", first, last)
    assert (made.entries, made.problems) == (0, ())
    assert verify_bundle(tmp_path / "b").ok


def test_the_copy_of_the_verifier_in_the_bundle_needs_nothing_of_ours(app: Any, tmp_path: Path) -> None:
    fill(app, 5)
    export(app, tmp_path / "b")
    command = [sys.executable, "-I", "-S", "-c", ISOLATED, str(tmp_path / "b")]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["entries"] == 5


ISOLATED = """
import sys, runpy, importlib.util
sys.path.append(__import__("sysconfig").get_paths()["purelib"])
class Ours:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("compliance", "gateway", "policies", "sandbox", "promotion"):
            raise ImportError(name)
sys.meta_path.insert(0, Ours())
sys.argv = ["verify.py", sys.argv[1], "--json"]
runpy.run_path(sys.argv[1] + "/verify.py", run_name="__main__")
"""


def test_a_half_written_bundle_is_never_taken_for_a_whole_one(app: Any, tmp_path: Path) -> None:
    fill(app, 5)
    export(app, tmp_path / "b")
    files = sorted(path for path in (tmp_path / "b").rglob("*") if path.is_file())
    for path in files:
        whole = path.read_bytes()
        for kept in {0, len(whole) // 2, len(whole) - 1} if whole else ():
            path.write_bytes(whole[:kept])
            assert not verify_bundle(tmp_path / "b").ok, (path.name, kept)
        path.unlink()
        assert not verify_bundle(tmp_path / "b").ok, path.name
        path.write_bytes(whole)
    assert verify_bundle(tmp_path / "b").ok
    (tmp_path / "nothing").mkdir()
    assert not verify_bundle(tmp_path / "nothing").ok


def test_a_clock_that_jumps_is_told_and_hides_no_entry(app: Any, tmp_path: Path) -> None:
    for minute in (1, 2, 600_000, 3, 4):  # more than a year ahead, and back
        append(app, decision(minute), now=START + timedelta(minutes=minute))
    app.commit()
    made = export(app, tmp_path / "b", 0, 10)
    found = verify_bundle(tmp_path / "b")
    assert found.ok and made.entries == 5 and "The clock stepped back at entry 4." in found.notes
    stated = json.loads((tmp_path / "b" / "completeness.json").read_bytes())
    assert (stated["clock_steps_back"], stated["outside_the_period"]) == ([4], 1)
