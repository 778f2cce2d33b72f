"""What a snapshot does to a column: one small pure module for each treatment, each a function of a polars Series.

A function takes the column, the contract's options and the Keyed context, and returns the treated column; null stays null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from sandbox.treatments import bin_, noise, pseudonym, round_, shift_date, year, zip3
from sandbox.treatments.keyed import Keyed

Treatment = Callable[[pl.Series, Mapping[str, Any], Keyed], pl.Series]


def keep(column: pl.Series, options: Mapping[str, Any], keyed: Keyed) -> pl.Series:
    """The column as it is."""
    return column


# `suppress` drops the column and `scrub` is free text: the snapshot builder does both.
TREATMENTS: dict[str, Treatment | None] = {
    "keep": keep,
    "pseudonym": pseudonym.treat,
    "shift-date": shift_date.treat,
    "year": year.treat,
    "zip3": zip3.treat,
    "bin": bin_.treat,
    "noise": noise.treat,
    "round": round_.treat,
    "suppress": None,
    "scrub": None,
}

__all__ = ["TREATMENTS", "Keyed", "Treatment"]
