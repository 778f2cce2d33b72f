"""Whether two engines give equal rows: whole numbers, words and times exactly, other numbers to the last digits."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

# Sums of floating numbers differ by the order they are taken in; of a million terms by some 1e-10 of their size. Where large
# terms cancel (a spread of equal values), what is left is compared with the column's largest number instead.
TOLERANCE, CANCELLED = 1e-9, 1e-13


@dataclass(frozen=True, slots=True)
class Column:
    """How one column compares: rows that differ, and the largest relative difference of those numbers that may differ so."""

    name: str
    different: int
    largest: float


@dataclass(frozen=True, slots=True)
class Parity:
    """How two frames of the same features compare. `only_one` counts rows that one of the two lacks."""

    rows: int
    only_one: int
    columns: tuple[Column, ...]

    @property
    def equal(self) -> bool:
        return self.only_one == 0 and all(column.different == 0 for column in self.columns)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"equal": self.equal}


def compare(one: pl.DataFrame, other: pl.DataFrame) -> Parity:
    """The comparison by row_id, of the columns that both have."""
    names = [name for name in one.columns if name in other.columns and name != "row_id"]
    repeated = one.height - one["row_id"].n_unique() + other.height - other["row_id"].n_unique()
    if repeated:
        return Parity(one.height, repeated, ())
    if not one["row_id"].equals(other["row_id"]):
        both = one.select("row_id").join(other.select("row_id"), on="row_id")["row_id"]
        missing = one.height + other.height - 2 * both.len()
        one, other = (frame.filter(pl.col("row_id").is_in(both.implode())).sort("row_id") for frame in (one, other))
        return Parity(one.height, missing, tuple(_column(name, one[name], other[name]) for name in names))
    return Parity(one.height, 0, tuple(_column(name, one[name], other[name]) for name in names))


def _column(name: str, one: pl.Series, other: pl.Series) -> Column:
    if one.dtype != other.dtype:
        return Column(name, max(one.len(), 1), 0.0)
    unequal = one.ne_missing(other)
    if not one.dtype.is_float() or not unequal.any():
        return Column(name, int(unequal.sum()), 0.0)
    a, b = one.filter(unequal), other.filter(unequal)
    size = pl.DataFrame({"a": a.abs(), "b": b.abs()}).select(pl.max_horizontal("a", "b")).to_series()
    apart = ((a - b).abs() / size).fill_nan(float("inf")).fill_null(float("inf"))
    largest = float(one.abs().filter(one.is_finite()).max() or 0.0)  # type: ignore[arg-type]
    wrong = (apart > TOLERANCE) & ((a - b).abs() > CANCELLED * largest).fill_null(True)
    return Column(name, int(wrong.sum()), float(apart.filter(~wrong).max() or 0.0))  # type: ignore[arg-type]
