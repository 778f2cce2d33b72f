"""Year: a date as its year, and the years of ages over 89 as one (45 CFR 164.514(b)(2)(i)(C)).

With `oldest` (a year) every earlier date becomes that year: the birth year of somebody aged 90.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from sandbox.treatments.keyed import Keyed


def treat(column: pl.Series, options: Mapping[str, Any], keyed: Keyed) -> pl.Series:
    """Each date's year, rounded down to `width` years, not before `oldest`."""
    years = column.dt.year().cast(pl.Int64)
    if "oldest" in options:
        years = years.clip(lower_bound=int(options["oldest"]))
    width = int(options.get("width", 1))
    return (years // width) * width
