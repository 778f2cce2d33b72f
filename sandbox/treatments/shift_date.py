"""Date shift: every date of one person moves by the same secret number of days, so intervals stay.

With `weekdays: true` the number is a multiple of seven. The offset is between -DAYS and -1 days: nothing moves into the future.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from sandbox.treatments.keyed import Keyed

DAYS = 364
KIND = "date-shift"


def offset_days(keyed: Keyed, person: str, *, weekdays: bool) -> int:
    """The days that every date of `person` moves."""
    return _offset(keyed.mac(KIND, person), weekdays=weekdays)


def treat(column: pl.Series, options: Mapping[str, Any], keyed: Keyed) -> pl.Series:
    """Each date moved by its person's offset; a date that would leave the calendar becomes null."""
    if keyed.persons is None:
        raise ValueError("a date can only be shifted where the row's person is known")
    persons = keyed.persons.cast(pl.String)
    distinct = persons.drop_nulls().unique()
    weekdays = bool(options.get("weekdays", False))
    macs = keyed.macs(KIND, distinct.to_list())
    offsets = pl.Series([_offset(mac, weekdays=weekdays) for mac in macs], dtype=pl.Int64)
    days = persons.replace_strict(distinct, offsets, default=None, return_dtype=pl.Int64)
    frame = pl.DataFrame({"moment": column, "days": days})
    shifted = pl.col("moment") + pl.duration(days=pl.col("days"))
    bounded = pl.when(pl.col("moment").dt.year().is_between(2, 9_998)).then(shifted)
    return frame.select(bounded.cast(column.dtype).alias(column.name)).to_series()


def _offset(mac: bytes, *, weekdays: bool) -> int:
    drawn = int.from_bytes(mac[:8])
    return -7 * (1 + drawn % (DAYS // 7)) if weekdays else -(1 + drawn % DAYS)
