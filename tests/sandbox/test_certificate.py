"""The release certificate: exact bounds, planted identifiers, a simulated attacker, drift."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_contract import COLUMNS, contract_text, write_rows
from staged_frames import staged

from sandbox.bounds import Bounds
from sandbox.canaries import SENTENCES, leaks, plant, words_lost
from sandbox.certificate import binomial_bounds, drift, linkage
from sandbox.contracts import load_contract
from sandbox.enforcement import Limits
from sandbox.errors import CertificateRefused
from sandbox.snapshots import Recipe, build_snapshot
from sandbox.sources import FolderSource
from sandbox.survey import read_tables
from sandbox.text import Scrubber

TEXTS = ["The patient was seen for asthma. Continue albuterol as needed.", "BP 128/76. No fever. Return in two weeks."]


class Lazy:
    """A scrubber that lets every name through."""

    recipe: Mapping[str, Any] = {"version": 0}

    def scrub_batch(
        self, texts: Sequence[str | None], known: Sequence[Mapping[str, str]], progress: Callable[[int], None]
    ) -> list[str | None]:
        return list(texts)


@pytest.mark.parametrize(
    ("failed", "of", "low", "high"),
    [(0, 270, 0.0, 0.011034), (1, 10, 0.005116, 0.394163), (5, 20, 0.104081, 0.455582), (10, 10, 0.741134, 1.0)],
)
def test_the_bounds_are_those_of_clopper_and_pearson(failed: int, of: int, low: float, high: float) -> None:
    assert binomial_bounds(failed, of) == pytest.approx((low, high), abs=1e-6)


def test_canaries_of_every_kind_are_planted_and_found_when_they_stay() -> None:
    canaries = plant(TEXTS, 90, b"seed")
    assert {c.kind for c in canaries} == set(SENTENCES)
    assert canaries == plant(TEXTS, 90, b"seed") != plant(TEXTS, 90, b"other")
    assert all(c.value in c.planted for c in canaries)
    assert leaks(canaries, [c.planted for c in canaries], TEXTS) == dict.fromkeys(SENTENCES, 5)
    clean = [c.planted.replace(c.value, "[X]") for c in canaries]
    assert leaks(canaries, clean, TEXTS) == {} and words_lost(canaries, clean, TEXTS) == 0.0
    assert words_lost(canaries, [TEXTS[c.index] for c in canaries], TEXTS) == 1.0


def test_the_scrubber_lets_hardly_a_canary_through() -> None:
    canaries = plant(TEXTS, 270, b"another seed")
    clean = Scrubber(processes=1).scrub_batch([c.planted for c in canaries])
    assert sum(leaks(canaries, clean, TEXTS).values()) <= 5


def recipe(scrubber: Any) -> Recipe:
    return Recipe(key=b"k" * 32, wrapped_key="w", project="p", limits=Limits(2, 1, 0.5), scrubber=scrubber)


def test_a_snapshot_of_a_lazy_scrubber_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    source = FolderSource(write_rows(tmp_path / "rows"))
    with pytest.raises(CertificateRefused, match="270 leaked, of ACCOUNT, AGE"):
        build_snapshot(load_contract(contract_text()), source, recipe(Lazy()), out=tmp_path / "out", built_at="t")
    assert not (tmp_path / "out").exists()


def test_a_snapshot_carries_its_certificate(tmp_path: Path) -> None:
    source = FolderSource(write_rows(tmp_path / "rows"))
    built = build_snapshot(
        load_contract(contract_text()), source, recipe(Scrubber(processes=1)), out=tmp_path / "out", built_at="t"
    )
    certificate = built.statement.predicate["certificate"]
    text = certificate["text"]["visits.note"]
    assert text["canaries"] == 270 and text["recall"] > 0.98 and text["leak_upper_bound"] < 0.05
    assert 0 < text["words_kept"] < 1 and 0 <= text["words_lost"] < 0.02
    assert certificate["linkage"]["quasi"] == {"expected": pytest.approx(1 / 12, abs=1e-5), "unique": 0.0}
    assert certificate["drift"]["persons.zip"] == 0.0


class Greedy(Lazy):
    """A scrubber that leaves hardly a word."""

    def scrub_batch(
        self, texts: Sequence[str | None], known: Sequence[Mapping[str, str]], progress: Callable[[int], None]
    ) -> list[str | None]:
        return ["[X]" for _ in texts]


def test_a_snapshot_of_a_scrubber_that_takes_ordinary_words_is_refused(tmp_path: Path) -> None:
    source = FolderSource(write_rows(tmp_path / "rows"))
    with pytest.raises(CertificateRefused, match=r"ordinary words lost from visits\.note is 1, the limit 0.05"):
        build_snapshot(load_contract(contract_text()), source, recipe(Greedy()), out=tmp_path / "out", built_at="t")
    assert not (tmp_path / "out").exists()


def test_drift_is_held_to_all_live_rows_also_those_held_back_and_distortion_to_the_untreated(tmp_path: Path) -> None:
    contract, source = load_contract(contract_text(holdout=0.4)), FolderSource(write_rows(tmp_path / "rows"))
    given = dataclasses.replace(recipe(Scrubber(processes=1)), bounds=Bounds(linkage=None))
    built = build_snapshot(contract, source, given, out=tmp_path / "out", built_at="t")
    live, released = read_tables(contract, source)["visits"], pl.read_parquet(next((tmp_path / "out").glob("visits-*.parquet")))
    assert 0 < released.height < live.height
    said = built.statement.predicate["certificate"]
    moved = furthest(live["score"], released["score"])
    assert moved > 0 and said["drift"]["visits.score"] == pytest.approx(moved, abs=1e-5)
    assert said["distortion"] == {"visits.day": pytest.approx(furthest(live["day"], released["day"]), abs=1e-5)}


def furthest(one: pl.Series, other: pl.Series) -> float:
    """The largest distance of two empirical distributions."""
    return max(abs(float((one <= v).mean()) - float((other <= v).mean())) for v in [*one, *other])  # type: ignore[arg-type]


def test_an_attacker_links_whom_one_row_fits_and_drift_shows_who_is_missing(tmp_path: Path) -> None:
    contract = load_contract(contract_text({"persons": COLUMNS["persons"]}))
    whole = pl.DataFrame({"person_id": ["a", "b", "c", "d"], "birth_date": [1950, 1950, 1960, 1970], "zip": ["1", "1", "2", "3"]})
    with staged(contract, {"persons": whole}, tmp_path) as stage:
        stage.duck.execute("INSERT INTO gone SELECT person FROM t0 WHERE c0 = 'd'")
        found, moved = linkage(stage), drift(stage, ["persons.person_id"])
    assert found["quasi"] == {"expected": 0.5, "unique": 0.25}
    assert moved == {"persons.birth_date": 0.25, "persons.zip": 0.25}
