"""How the values of a column are distributed, in memory of bounded size, however many there are and in whatever order they come.

Values are counted one by one. Where more differ than `DISTINCT`, the lowest bits of all of them are dropped until no more do:
their order stays, neighbours become one. What is left depends on the values alone, not on the parts in which they came.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

DISTINCT = 100_000


@dataclass(slots=True)
class Shape:
    """Ordered values and how often each was there; `dropped` is how many of their lowest bits are no longer told apart."""

    counts: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={"v": pl.Float64, "n": pl.Int64}), repr=False)
    dropped: int = 0

    def add(self, values: pl.Series, numbers: pl.Series | None = None) -> None:
        """These numbers or times are counted, each as often as `numbers` says, else once; nulls are not."""
        many = pl.lit(1) if numbers is None else numbers
        new = pl.DataFrame({"v": values.to_physical().cast(pl.Float64)}).with_columns(n=many.cast(pl.Int64)).drop_nulls()
        self.counts = _merged(pl.concat([self.counts, _coarse(new, self.dropped)]))
        while self.counts.height > DISTINCT:
            self.drop(self.dropped + 1)

    def drop(self, bits: int) -> None:
        """At least so many of the lowest bits are dropped."""
        if bits > self.dropped:
            self.dropped = bits
            self.counts = _merged(_coarse(self.counts, bits))

    def distance(self, other: Shape) -> float:
        """The largest distance of the two distribution functions (Kolmogorov and Smirnov), as finely as both are known."""
        bits = max(self.dropped, other.dropped)
        self.drop(bits)
        other.drop(bits)
        both = self.counts.join(other.counts, on="v", how="full", coalesce=True, nulls_equal=True).sort("v").fill_null(0)
        if both.is_empty():
            return 0.0
        one, another = ((both[name].cum_sum() / max(both[name].sum(), 1)) for name in ("n", "n_right"))
        return float((one - another).abs().to_numpy().max())


def _coarse(counts: pl.DataFrame, bits: int) -> pl.DataFrame:
    """The values without so many of their lowest bits."""
    if not bits:
        return counts
    kept: Any = counts["v"].to_numpy().view("int64") >> bits << bits
    return counts.with_columns(v=pl.Series(kept.view("float64")))


def _merged(counts: pl.DataFrame) -> pl.DataFrame:
    return counts.group_by("v").agg(pl.col("n").sum())
