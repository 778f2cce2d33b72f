"""ZIP3: the first three digits of a ZIP code, or 000 where so few people live that those would identify.

45 CFR 164.514(b)(2)(i)(B): areas of at most 20,000 people. The list is the one of the 2000 census in the HHS guidance of
2012 on de-identification, which is the one usually applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from sandbox.treatments.keyed import Keyed

SPARSE = frozenset(
    ["036", "059", "063", "102", "203", "556", "692", "790", "821", "823", "830", "831", "878", "879", "884", "890", "893"]
)


def treat(column: pl.Series, options: Mapping[str, Any], keyed: Keyed) -> pl.Series:
    """Each ZIP code's first three digits; 000 for sparse areas and for what is no ZIP code."""
    first = column.cast(pl.String).str.strip_chars().str.extract(r"^(\d{3})\d{2}(?:-?\d{4})?$", 1)
    frame = pl.DataFrame({"given": column, "first": first})
    known = pl.when(pl.col("first").is_null() | pl.col("first").is_in(SPARSE)).then(pl.lit("000")).otherwise(pl.col("first"))
    return frame.select(pl.when(pl.col("given").is_not_null()).then(known).alias(column.name)).to_series()
