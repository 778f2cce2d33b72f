"""On Spark a build gives the bytes and the manifest of the default engine's, and no value gets out of it when it fails."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sandbox import spark as module
from sandbox.contracts import Contract, load_contract
from sandbox.domains import contract_path
from sandbox.domains.clinic.generate import write
from sandbox.enforcement import Limits
from sandbox.errors import BuildFailed, SourceMismatch, SparkUnavailable
from sandbox.snapshots import Built, Recipe, build_snapshot
from sandbox.sources import FolderSource
from sandbox.spark import Spark, SparkScrubber
from sandbox.structured import treat_rows
from sandbox.text import Scrubber
from sandbox.text.engines import MODEL
from sandbox.text.surrogates import Surrogates

KEY, PLANTED = b"k" * 32, "Quackenbush"
NO_JAVA = pytest.mark.skipif(shutil.which("java") is None, reason="SKIPPED: the Spark engine is untested here, there is no Java")


@pytest.fixture(scope="module")
def running() -> Iterator[Spark]:
    with Spark(2) as spark:
        yield spark


@NO_JAVA
def test_the_clinic_has_the_same_bytes_and_manifest_notes_and_persons_held_back_included(running: Spark, tmp_path: Path) -> None:
    write(tmp_path / "rows", patients=400, notes=30, seed=23)
    contract = load_contract(contract_path("clinic").read_text("utf-8"))
    asked: list[int] = []

    def spread(frame: pl.DataFrame, function: Any) -> pl.DataFrame:
        asked.append(frame.height)
        return running.spread(frame, function)

    one = build(contract, tmp_path, "local", Scrubber(processes=1))
    other = build(contract, tmp_path, "spark", SparkScrubber(running, engine=MODEL), spread=spread)
    assert asked == list(one.statement.predicate["source"]["rows"].values())
    assert one.digest == other.digest
    assert one.statement == other.statement
    assert contents(tmp_path / "local") == contents(tmp_path / "spark")


@NO_JAVA
def test_surrogates_nulls_and_known_records_are_the_default_engines(running: Spark) -> None:
    texts = [
        None,
        "",
        f"Ada {PLANTED} came on 2024-03-02.",
        "Ada was well.",
        "\x00 null byte, 3 March 2021",
        "The plumtree was well.",
    ] * 3
    known = [{"name": f"Plumtree {PLANTED}"} if number % 3 else {} for number in range(len(texts))]
    moves = [Surrogates(KEY, -number) for number in range(len(texts))]
    spread, here = SparkScrubber(running, engine=MODEL), Scrubber(processes=1)
    assert here.scrub_batch(texts, known) != here.scrub_batch(texts)  # so that the records matter
    assert spread.scrub_batch(texts, known) == here.scrub_batch(texts, known)
    assert spread.scrub_batch(texts, known, surrogates=moves) == here.scrub_batch(texts, known, surrogates=moves)
    assert spread.recipe == here.recipe


@NO_JAVA
def test_values_at_the_edges_of_their_types_and_the_order_of_rows_come_back_as_they_were(running: Spark) -> None:
    days = pl.Series("Day", ["0001-01-01", "9999-12-31", None, "1582-10-10"] * 25).str.to_date()
    numbers = pl.Series("day", [float("nan"), -0.0, None, 1e308] * 25)  # a name that differs by case alone
    moments = days.cast(pl.Datetime("us", "UTC")).alias("moment")
    frame = pl.DataFrame([days, numbers, moments, pl.Series("n", range(100)), pl.Series("text", ["\x00", "", None, "ż"] * 25)])
    assert running.spread(frame, pl.DataFrame.clone).equals(frame)
    assert running.spread(frame, pl.DataFrame.clone).schema == frame.schema
    assert running.spread(frame.clear(), pl.DataFrame.clone).schema == frame.schema


@NO_JAVA
def test_what_fails_in_a_worker_is_said_as_here_and_holds_no_value(running: Spark, capfd: pytest.CaptureFixture[str]) -> None:
    contract = load_contract(contract_path("clinic").read_text("utf-8"))
    table = contract.table("patients")
    rows = pl.DataFrame({column.name: [PLANTED] * 5 for column in table.columns})  # no dates where dates are shifted or cut
    treat = partial(treat_rows, table, contract.person_column(table), KEY, rows.height)
    with pytest.raises(SourceMismatch) as here:
        treat(rows)
    with pytest.raises(SourceMismatch) as there:
        running.spread(rows, treat)
    assert str(there.value) == str(here.value)
    with pytest.raises(BuildFailed, match="A worker of Spark failed") as broken:
        running.spread(rows, methodcaller("cast", pl.Int64))  # whose own message repeats what it was given
    said = capfd.readouterr()
    assert PLANTED not in f"{broken.value!r} {broken.value.__cause__!r} {said.out} {said.err}"


@pytest.mark.parametrize(("absent", "wanted"), [("java", "install Java 17"), ("pyspark", r"install sallyport\[spark\]")])
def test_without_java_or_pyspark_the_error_says_what_to_install(
    absent: str, wanted: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == absent else object())
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(SparkUnavailable, match=wanted) as refused, Spark():
        pass
    assert refused.value.code == "spark_unavailable"


def build(contract: Contract, folder: Path, name: str, scrubber: Any, **more: Any) -> Built:
    recipe = Recipe(KEY, "w", "p", Limits(5, 1, 0.2), scrubber, **more)
    out, held = folder / name / "released", folder / name / "held"
    (folder / name).mkdir()
    return build_snapshot(
        contract, FolderSource(folder / "rows"), recipe, out=out, holdout_out=held, built_at="2026-01-01T00:00:00Z"
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.parquet")}
