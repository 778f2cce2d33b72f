"""What changed from one snapshot to another: columns, rows, treatments, risk, certificate. Counts only, never a value.

Rows are matched by the table's key where both snapshots hold it (its pseudonyms join within a project), and else as a whole: then
a changed row counts as one removed and one added. Two projects' pseudonyms do not join, so neither do their rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from compliance.attestations import Statement
from sandbox.errors import InvalidSnapshot
from sandbox.manifests import snapshot_digest, table_of

# What of a manifest's predicate is compared, leaf by leaf; the rest is compared as what it is.
COMPARED = ("contract", "limits", "risk", "certificate", "holdout")


@dataclass(frozen=True, slots=True)
class Rows:
    """How a table's rows changed. `changed` is None where no key matches rows."""

    before: int
    after: int
    added: int
    removed: int
    changed: int | None


@dataclass(frozen=True, slots=True)
class Columns:
    """How a table's columns changed; `retyped` are those that hold another type."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    retyped: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """`joinable` says whether pseudonyms of the one are those of the other. Each change is (before, after)."""

    before: str
    after: str
    joinable: bool
    tables: Mapping[str, str]
    columns: Mapping[str, Columns]
    rows: Mapping[str, Rows]
    treatments: Mapping[str, tuple[Any, Any]]
    facts: Mapping[str, tuple[Any, Any]]

    @property
    def same(self) -> bool:
        """Byte for byte the same files, made under the same treatments."""
        return self.before == self.after and not self.treatments

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"same": self.same}


def compare(before: tuple[Path, Statement], after: tuple[Path, Statement]) -> Difference:
    """What changed between two verified snapshots. Raises InvalidSnapshot where a file is no table."""
    one, other = before[1].predicate, after[1].predicate
    joinable = one["project"] == other["project"] and _same_key(one, other)
    files, others = _files(before), _files(after)
    both = [table for table in files if table in others]
    frames = {table: (_read(files[table]), _read(others[table])) for table in both}
    keys = {table: _key(table, one, other) if joinable else [] for table in both}
    return Difference(
        before=snapshot_digest(before[1]), after=snapshot_digest(after[1]), joinable=joinable,
        tables={t: "removed" for t in files if t not in others} | {t: "added" for t in others if t not in files},
        columns={t: found for t, (a, b) in frames.items() if (found := _columns(a, b)) != Columns((), (), ())},
        rows={t: _rows(a, b, keys[t]) for t, (a, b) in frames.items()},
        treatments=_changes(_treatments(one), _treatments(other)),
        facts=_changes(_leaves({k: one.get(k) for k in COMPARED}), _leaves({k: other.get(k) for k in COMPARED})),
    )  # fmt: skip


def _same_key(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Both have pseudonyms under one key: its name says so, and in manifests that name none, that it was wrapped only once."""
    if "key" in one and "key" in other:
        return bool(one["key"] == other["key"])
    return bool(one["wrapped_key"] == other["wrapped_key"])


def _files(snapshot: tuple[Path, Statement]) -> dict[str, Path]:
    folder, statement = snapshot
    return {table_of(subject.name): folder / subject.name for subject in statement.subjects}


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InvalidSnapshot(f"The file of table {table_of(path.name)} cannot be read as Parquet.") from error


def _key(table: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """The key of the table that both manifests name; of an older one that names none, nothing."""
    keys = [list(predicate.get("keys", {}).get(table, ())) for predicate in (one, other)]
    return keys[0] if keys[0] == keys[1] else []


def _columns(before: pl.DataFrame, after: pl.DataFrame) -> Columns:
    one, other = before.schema, after.schema
    return Columns(
        added=tuple(name for name in other if name not in one),
        removed=tuple(name for name in one if name not in other),
        retyped=tuple(name for name in one if name in other and one[name] != other[name]),
    )


def _rows(before: pl.DataFrame, after: pl.DataFrame, key: list[str]) -> Rows:
    """The rows' columns that both have are compared; null is a value like another."""
    shared = [name for name in before.columns if name in after.columns and before.schema[name] == after.schema[name]]
    matching = key if key and all(name in shared for name in key) else shared
    if not matching:
        return Rows(before.height, after.height, after.height, before.height, None)
    one, other = (frame.group_by(matching).len("n") for frame in (before, after))
    met = one.join(other, on=matching, how="inner", nulls_equal=True, suffix="_after")
    kept = int(met.select(pl.min_horizontal("n", "n_after").sum()).item())
    equal = before.select(shared).join(after.select(shared), on=shared, how="semi", nulls_equal=True).height
    changed = kept - equal if matching is key else None
    return Rows(before.height, after.height, after.height - kept, before.height - kept, changed)


def _treatments(predicate: Mapping[str, Any]) -> dict[str, Any]:
    """Column -> its treatment with its options."""
    recipe = predicate["recipe"]
    options = recipe.get("options", {})
    return {name: {"name": treatment, **options.get(name, {})} for name, treatment in recipe["treatments"].items()}


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    """`a.b.c` -> value, for each value that is no mapping."""
    if not isinstance(value, Mapping):
        return {path: value}
    return {k: v for name, item in value.items() for k, v in _leaves(item, f"{path}.{name}" if path else str(name)).items()}


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = dict.fromkeys([*before, *after])
    return {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}
