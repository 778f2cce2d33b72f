"""Round: a number to the nearest multiple of `to` (default 1), half to even; a date to the start of its period."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from sandbox.treatments.keyed import Keyed

PERIODS = {"month": "1mo", "quarter": "1q", "year": "1y"}


def treat(column: pl.Series, options: Mapping[str, Any], keyed: Keyed) -> pl.Series:
    """Each value rounded; integers stay integers where `to` is one."""
    to = options.get("to", 1)
    if isinstance(to, str):
        dates: pl.Series = column.dt.truncate(PERIODS[to])
        return dates
    if to <= 0:
        raise ValueError("numbers can only be rounded to multiples above zero")
    numbers = column.cast(pl.Float64) if column.dtype == pl.String else column
    rounded: pl.Series = (numbers.cast(pl.Float64) / to).round(mode="half_to_even") * to
    return rounded.cast(pl.Int64) if numbers.dtype.is_integer() and isinstance(to, int) else rounded
