"""Builds from bad rows, on a full disk and killed in the middle: a sentence of table, count and column, and nothing left over."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from small_contract import PLANTED, contract_text, write_rows

from sandbox.bounds import Bounds
from sandbox.contracts import load_contract
from sandbox.enforcement import Limits
from sandbox.errors import KUnreachable, SourceMismatch
from sandbox.snapshots import Built, Recipe, build_snapshot
from sandbox.sources import FolderSource
from sandbox.text import Scrubber

HEAD = "person_id,name,birth_date,zip\n"
PEOPLE = HEAD + "".join(f"P{n:03d},Ada {PLANTED},{{}},10001\n" for n in range(24))
SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
import test_bad_rows as t
print("began", flush=True)
{before}
t.build(Path({rows!r}), Path({out!r}))
"""


def build(rows: Path, out: Path) -> Built:
    recipe = Recipe(b"k" * 32, "w", "p", Limits(2, 1, 0.5), Scrubber(processes=1), bounds=Bounds(linkage=0.5))
    return build_snapshot(load_contract(contract_text()), FolderSource(rows), recipe, out=out, built_at="t")


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"persons__csv": HEAD, "visits__jsonl": ""}, KUnreachable, "table persons .* 0 of 0 rows.*it has no rows"),
        ({"persons__csv": PEOPLE.format(*[""] * 24) + f"P000,{PLANTED},,1\n"}, SourceMismatch, "person_id is repeated in 1 rows"),
        ({"persons__csv": PEOPLE.format(*["1950-01-01"] * 23, PLANTED)}, SourceMismatch, r"persons\.birth_date: 1 of 24 values"),
        ({"persons__csv": PEOPLE.format(*["10000-01-01"] * 24)}, SourceMismatch, r"persons\.birth_date: 24 of 24 values"),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_released_are_refused_and_nothing_is_written(
    tmp_path: Path, changes: dict[str, str], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        build(write_rows(tmp_path / "rows", **changes), tmp_path / "out")
    assert PLANTED not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["rows"]


def test_a_column_of_nulls_and_the_first_and_last_dates_are_released_as_their_treatments_say(tmp_path: Path) -> None:
    days = ["", "0001-01-01", "9999-12-31"]
    persons = PEOPLE.format(*(days[n // 8] for n in range(24))).replace("10001", "")
    build(write_rows(tmp_path / "rows", persons__csv=persons), tmp_path / "out")
    released = pl.read_parquet(next((tmp_path / "out").glob("persons-*")))
    assert released["zip"].null_count() == 24
    assert dict(released["birth_date"].value_counts().iter_rows()) == {None: 8, 1930: 8, 9990: 8}


def run(tmp_path: Path, before: str) -> subprocess.Popen[str]:
    rows = write_rows(tmp_path / "rows")
    script = SCRIPT.format(here=str(Path(__file__).parent), before=before, rows=str(rows), out=str(tmp_path / "out"))
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_full_disk_keeps_nothing_and_says_no_value(tmp_path: Path) -> None:
    full = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        " resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))"
    )
    _, said = run(tmp_path, full).communicate(timeout=60)
    assert "BuildFailed: The snapshot could not be written; nothing of it was kept." in said
    assert PLANTED not in said
    assert [p.name for p in tmp_path.iterdir()] == ["rows"]


def test_a_build_killed_in_the_middle_leaves_no_snapshot_and_the_next_one_stands(tmp_path: Path) -> None:
    stop = "import os, polars; polars.DataFrame.write_parquet = lambda *a, **k: os.kill(os.getpid(), 9)"
    assert run(tmp_path, stop).wait(timeout=60) == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    build(tmp_path / "rows", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "rows"]
