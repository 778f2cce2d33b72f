"""Whether a snapshot holds a person: told by the pseudonym of that table's kind, and in doubt yes."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from sandbox.holding import holds, keyed_digest, persons_named
from sandbox.treatments import Keyed, pseudonym

KEY = b"k" * 32
PERSONS = {"people": {"column": "who", "kind": "person", "treatment": "pseudonym"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    treated = pseudonym.treat(pl.Series("who", ["ada", "bob"]), {}, Keyed(KEY, "person"))
    pl.DataFrame([treated]).write_parquet(tmp_path / "people-0123456789abcdef.parquet")
    return tmp_path


def test_who_is_in_it_is_found_and_who_is_not_is_not(folder: Path) -> None:
    assert holds(folder, PERSONS, KEY, "ada") and not holds(folder, PERSONS, KEY, "eve")
    assert not holds(folder, PERSONS, b"o" * 32, "ada")
    other = {"people": PERSONS["people"] | {"kind": "other"}}
    assert not holds(folder, other, KEY, "ada")


def test_what_cannot_be_read_or_told_holds_everybody(folder: Path) -> None:
    assert holds(folder, None, KEY, "eve")
    next(folder.glob("*")).write_bytes(b"no table")
    assert holds(folder, PERSONS, KEY, "eve")
    assert persons_named({}) is None
    assert persons_named({"persons": {"people": PERSONS["people"] | {"treatment": "suppress"}}}) is None
    assert persons_named({"persons": PERSONS}) == PERSONS


def test_the_digest_of_a_person_needs_the_key_and_is_no_pseudonym() -> None:
    assert keyed_digest(KEY, "ada") != keyed_digest(b"o" * 32, "ada")
    assert Keyed(KEY).mac("person", "ada").hex() not in keyed_digest(KEY, "ada")
