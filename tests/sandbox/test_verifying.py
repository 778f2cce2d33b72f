"""`snapshot verify`: what a manifest says is held against the files; a signature alone does not make it true."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_contract import contract_text, write_rows
from snapshot_signing import KEYS, signed

from compliance.attestations import Subject
from compliance.canonical import digest_file
from sandbox.contracts import load_contract
from sandbox.enforcement import Limits
from sandbox.errors import InvalidSnapshot
from sandbox.snapshots import Built, Recipe, build_snapshot
from sandbox.sources import FolderSource
from sandbox.text import Scrubber
from sandbox.verifying import verify

SCRUBBER = Scrubber(processes=1)


@pytest.fixture
def built(tmp_path: Path) -> Built:
    recipe = Recipe(key=b"k" * 32, wrapped_key="w", project="p", limits=Limits(2, 1, 0.5), scrubber=SCRUBBER)
    rows = FolderSource(write_rows(tmp_path / "rows"))
    return build_snapshot(load_contract(contract_text()), rows, recipe, out=tmp_path / "out", built_at="2026-01-01T00:00:00Z")


def failed(folder: Path, **more: Any) -> list[tuple[str, str]]:
    return [(check.code, check.where) for check in verify(folder, KEYS, **more)[1] if not check.passed]


def forge(built: Built, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Path:
    """The snapshot with another persons' table, signed as if it had been built so."""
    path = next(built.path.glob("persons-*"))
    change(pl.read_parquet(path)).write_parquet(path)
    subjects = tuple(Subject(p.name, digest_file(p)) for p in sorted(built.path.glob("*.parquet")))
    return signed(dataclasses.replace(built, statement=dataclasses.replace(built.statement, subjects=subjects)))[0]


def test_a_snapshot_as_it_was_built_passes_every_check(built: Built) -> None:
    folder, _ = signed(built)
    digest, checks = verify(folder, KEYS, load_contract(contract_text()))
    assert digest == built.digest and all(check.passed for check in checks)
    assert {check.code for check in checks} == {"signature", "bytes", "contract", "columns", "treatment", "k", "l"}


def test_changed_missing_and_added_files_are_named_and_nothing_is_read_of_them(built: Built) -> None:
    folder, _ = signed(built)
    persons, visits = sorted(folder.glob("*.parquet"))
    visits.write_bytes(visits.read_bytes()[:-1] + b"x")
    persons.rename(folder / "more.parquet")
    assert failed(folder) == [("bytes", name) for name in ("more.parquet", persons.name, visits.name)]


@pytest.mark.parametrize(
    ("change", "code", "where"),
    [
        (pl.col("person_id").str.slice(0, 8), "treatment", "persons.person_id"),
        (pl.lit("10001").alias("zip"), "treatment", "persons.zip"),
        (pl.lit("036").alias("zip"), "treatment", "persons.zip"),
        (pl.lit(1951).alias("birth_date"), "treatment", "persons.birth_date"),
        (pl.lit("1950-01-11").alias("birth_date"), "treatment", "persons.birth_date"),
        (pl.lit("Ada").alias("name"), "columns", "persons"),
        (pl.int_range(pl.len()).mul(10).add(1930).alias("birth_date"), "k", "persons"),
    ],
)
def test_a_signed_file_that_its_treatments_cannot_give_is_seen(built: Built, change: pl.Expr, code: str, where: str) -> None:
    assert (code, where) in failed(forge(built, lambda frame: frame.with_columns(change)))


def test_another_contract_and_another_key_are_seen(built: Built) -> None:
    folder, _ = signed(built)
    assert failed(folder, contract=load_contract(contract_text(holdout=0.1))) == [("contract", "small")]
    with pytest.raises(InvalidSnapshot):
        verify(folder, {"other": next(iter(KEYS.values()))})
