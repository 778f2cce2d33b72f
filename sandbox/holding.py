"""Whether a folder of released or held-back rows holds a person, told by their pseudonym; in doubt it does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from sandbox.manifests import table_of
from sandbox.treatments import Keyed
from sandbox.treatments.pseudonym import LENGTH_BYTES

KIND = "erased-person"
PERSON_DIGEST = "hmac-sha256:"


def holds(folder: Path, persons: Mapping[str, Mapping[str, str]] | None, key: bytes, person: str) -> bool:
    """A table file of `folder` has a row of the person; `persons` says by table which column names them, and of what kind.

    A manifest that says nothing of it, and a file that cannot be read, count as holding everybody.
    """
    if persons is None:
        return True
    for path in sorted(folder.glob("*.parquet")):
        told = persons.get(table_of(path.name))
        if told is None:
            continue
        name = Keyed(key).mac(told["kind"], person)[:LENGTH_BYTES].hex()
        try:
            if pl.scan_parquet(path).filter(pl.col(told["column"]).cast(pl.String) == name).head(1).collect().height:
                return True
        except (pl.exceptions.PolarsError, OSError):
            return True
    return False


def persons_named(predicate: Mapping[str, Any]) -> Mapping[str, Mapping[str, str]] | None:
    """What a manifest says of how its tables name persons; None where one of them cannot be told by a pseudonym."""
    persons = predicate.get("persons")
    if not persons or any(told.get("treatment") != "pseudonym" for told in persons.values()):
        return None
    found: Mapping[str, Mapping[str, str]] = persons
    return found


def keyed_digest(key: bytes, person: str) -> str:
    """What a ledger may say of an erased person: without the project's key nobody can try keys of persons against it."""
    return PERSON_DIGEST + Keyed(key).mac(KIND, person).hex()
