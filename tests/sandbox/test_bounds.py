"""Limits of certificates: over any of them nothing is written, and what policy says must be whole."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from small_contract import contract_text, write_rows

from policies.bundle import Bundle
from sandbox.bounds import Bounds, require_within
from sandbox.contracts import load_contract
from sandbox.enforcement import Limits
from sandbox.errors import CertificateRefused, InvalidLimits
from sandbox.snapshots import Recipe, build_snapshot
from sandbox.sources import FolderSource
from sandbox.text import Scrubber

CERTIFIED = {
    "linkage": {"quasi": {"expected": 0.05, "unique": 0.0}, "all_released": {"expected": 0.6, "unique": 0.5}},
    "drift": {"p.zip": 0.1, "p.age": 0.2},
    "distortion": {"p.weight": 0.3},
    "text": {"n.note": {"leak_upper_bound": 0.03, "leaked": 2, "leaked_by_kind": {"NAME": 2}, "words_lost": 0.04}},
}
FACTS = {"tables": {"p": {"t": 0.4}, "q": {"t": None}}}


def test_the_defaults_are_those_of_the_shipped_policy() -> None:
    assert Bounds.of(Bundle.load().data["limits"]["certificate"]) == Bounds()


def test_what_is_within_every_bound_passes_and_so_does_a_dataset_without_text_or_persons() -> None:
    require_within(CERTIFIED, FACTS, Bounds())
    require_within({"linkage": {}, "drift": {}, "distortion": {}, "text": {}}, {"tables": {}}, Bounds(0, 0, 0, 0, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("name", "limit", "says"),
    [
        ("linkage", 0.04, "chance to link by quasi-identifiers is 0.05, the limit 0.04"),
        ("linkage_all", 0.5, "all that is released is 0.6"),
        ("drift", 0.15, r"drift of p\.age is 0.2, the limit 0.15"),
        ("distortion", 0.25, r"distortion of p\.weight is 0.3, the limit 0.25"),
        ("canary_leak", 0.02, r"planted in n\.note \(upper bound; 2 leaked, of NAME\) is 0.03"),
        ("words_lost", 0.03, r"ordinary words lost from n\.note is 0.04"),
        ("t", 0.3, "t of table p is 0.4"),
    ],
)
def test_each_bound_refuses_what_is_over_it_and_names_it(name: str, limit: float, says: str) -> None:
    with pytest.raises(CertificateRefused, match=says):
        require_within(CERTIFIED, FACTS, dataclasses.replace(Bounds(), **{name: limit}))
    require_within(CERTIFIED, FACTS, dataclasses.replace(Bounds(), **{name: None}))


def test_a_person_linked_to_one_row_and_a_measure_that_is_no_number_are_refused() -> None:
    for found in ({"expected": 0.01, "unique": 0.01}, {"expected": float("nan"), "unique": 0.0}):
        told = CERTIFIED | {"linkage": CERTIFIED["linkage"] | {"quasi": found}}
        with pytest.raises(CertificateRefused):
            require_within(told, FACTS, Bounds())


@pytest.mark.parametrize("change", [{"linkage": 2}, {"drift": "0.1"}, {"t": True}, {"more": 0.1}, {"drift": ...}])
def test_policy_data_that_is_not_whole_releases_nothing(change: dict[str, Any]) -> None:
    told = {k: v for k, v in (Bounds().as_json() | change).items() if v is not ...}
    with pytest.raises(InvalidLimits):
        Bounds.of(told)


def test_over_a_limit_nothing_is_written_and_within_it_the_manifest_says_which_held(tmp_path: Path) -> None:
    # An odd person's row goes, so the others' years and areas are more of the whole than before.
    rows = write_rows(tmp_path / "rows")
    (rows / "persons.csv").write_text((rows / "persons.csv").read_text() + "P900,Odd One,1933-01-01,99501\n")
    contract, out = load_contract(contract_text()), tmp_path / "out"
    recipe = Recipe(key=b"k" * 32, wrapped_key="w", project="p", limits=Limits(2, 1, 0.5), scrubber=Scrubber(processes=1))
    for bounds in (Bounds(linkage=0.5, drift=0.01), Bounds(linkage=0.01)):
        with pytest.raises(CertificateRefused):
            build_snapshot(contract, FolderSource(rows), dataclasses.replace(recipe, bounds=bounds), out=out, built_at="t")
        assert [p.name for p in tmp_path.iterdir()] == ["rows"]
    built = build_snapshot(contract, FolderSource(rows), recipe, out=out, built_at="t")
    assert built.statement.predicate["limits"]["certificate"] == json.loads(json.dumps(Bounds().as_json()))
