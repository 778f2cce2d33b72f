"""Pseudonym: the same value gives the same 32 hex characters within a project, and nothing without its key.

The first 16 bytes of HMAC-SHA256(key, kind || 0x00 || value), so lease views can compute the same in SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from sandbox.treatments.keyed import Keyed

LENGTH_BYTES = 16


def treat(column: pl.Series, options: Mapping[str, Any], keyed: Keyed) -> pl.Series:
    """Each value's pseudonym under the column's identifier kind."""
    texts = column.cast(pl.String)
    distinct = texts.drop_nulls().unique()
    made = [mac[:LENGTH_BYTES].hex() for mac in keyed.macs(keyed.kind, distinct.to_list())]
    return texts.replace_strict(distinct, pl.Series(made, dtype=pl.String), default=None, return_dtype=pl.String)
