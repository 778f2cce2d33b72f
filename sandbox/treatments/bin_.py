"""Bin: a number as the lower bound of its bin, within bounds; or a category as one of the few that are listed.

Options: `width` (default 1), `lowest` and `highest` (values outside become the bound; ages: highest 90), or `groups`
(group -> list of values; what is in none becomes `other`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from sandbox.treatments.keyed import Keyed


def treat(column: pl.Series, options: Mapping[str, Any], keyed: Keyed) -> pl.Series:
    """Each value's bin."""
    if "groups" in options:
        group_of = {str(value): str(group) for group, values in options["groups"].items() for value in values}
        texts = column.cast(pl.String)
        grouped = texts.replace_strict(group_of, default="other", return_dtype=pl.String)
        frame = pl.DataFrame({"given": texts, "grouped": grouped})
        return frame.select(pl.when(pl.col("given").is_not_null()).then(pl.col("grouped")).alias(column.name)).to_series()
    numbers = column.cast(pl.Float64) if column.dtype == pl.String else column
    if "lowest" in options or "highest" in options:
        numbers = numbers.clip(options.get("lowest"), options.get("highest"))
    width = options.get("width", 1)
    binned: pl.Series = (numbers // width) * width
    return binned
