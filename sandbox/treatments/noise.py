"""Noise: a number plus a keyed draw from a Laplace distribution of `scale`; the same row's value draws the same in every build.

The draw is made from HMAC(key, person || value), so averaging several builds of one project gains nothing. `lowest` and `highest`
bound the result. This is perturbation, not differential privacy: no budget is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import polars as pl

from sandbox.treatments.keyed import Keyed

KIND = "noise"


def treat(column: pl.Series, options: Mapping[str, Any], keyed: Keyed) -> pl.Series:
    """Each number with its noise; integers stay integers."""
    scale = float(options.get("scale", 1))
    if scale <= 0:
        raise ValueError("noise needs a scale above zero")
    numbers = column.cast(pl.Float64)
    persons = keyed.persons.cast(pl.String).to_list() if keyed.persons is not None else [""] * len(numbers)
    made = [
        None if value is None else value + _laplace(keyed.mac(KIND, f"{keyed.kind}\x00{person}\x00{value!r}"), scale)
        for value, person in zip(numbers, persons, strict=True)
    ]
    noisy = pl.Series(column.name, made, dtype=pl.Float64).clip(options.get("lowest"), options.get("highest"))
    return noisy.round().cast(pl.Int64) if column.dtype.is_integer() else noisy


def _laplace(mac: bytes, scale: float) -> float:
    """The Laplace quantile of a uniform number in (-1/2, 1/2) made of 53 bits of `mac`."""
    uniform = ((int.from_bytes(mac[:8]) >> 11) + 0.5) / 2**53 - 0.5
    return -scale * math.copysign(math.log1p(-2 * abs(uniform)), uniform)
