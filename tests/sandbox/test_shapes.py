"""Distributions in memory of bounded size: exact while few values differ, near when many do, the same however they come."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from sandbox import shapes
from sandbox.shapes import Shape


def shape(*parts: pl.Series) -> Shape:
    made = Shape()
    for part in parts:
        made.add(part)
    return made


def exact(one: pl.Series, other: pl.Series) -> float:
    values = np.unique(np.concatenate([one.to_numpy(), other.to_numpy()]))
    below = [np.searchsorted(np.sort(s.to_numpy()), values, side="right") / len(s) for s in (one, other)]
    return float(np.abs(below[0] - below[1]).max())


def test_the_distance_is_that_of_kolmogorov_and_smirnov_and_of_as_many_as_there_are_on_each_side() -> None:
    one, other = pl.Series([1, 2, 3, 4, None]), pl.Series([3.0, 4.0])
    assert shape(one).distance(shape(other)) == 0.5
    assert shape(other).distance(shape(one, one)) == 0.5
    assert shape(one).distance(shape(one)) == 0.0
    days = pl.Series([date(2020, 1, 1) + timedelta(n) for n in range(10)])
    assert shape(days).distance(shape(days + timedelta(1))) == pytest.approx(0.1)


def test_a_value_with_its_count_is_that_value_so_often() -> None:
    counted = Shape()
    counted.add(pl.Series([1.0, 2.0]), pl.Series([3, 1]))
    assert counted.distance(shape(pl.Series([1.0, 1.0, 1.0, 2.0]))) == 0.0


def test_where_nothing_is_on_a_side_there_is_no_distance_or_the_whole() -> None:
    nothing = pl.Series([None, None], dtype=pl.Float64)
    assert shape(nothing).distance(shape(nothing)) == 0.0
    assert shape(nothing).distance(shape(pl.Series([1.0]))) == 1.0


def test_of_more_values_than_are_kept_the_distance_stays_near_and_the_memory_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "DISTINCT", 1_000)
    draw = np.random.default_rng(7)
    one = pl.Series(np.concatenate([-draw.gamma(2, 3000, 20_000), draw.normal(75, 15, 20_000), [0.0, -0.0, np.nan]]))
    other = (one / 100).round() * 100
    found, there = shape(one), shape(other)
    assert found.counts.height <= 1_000 < one.n_unique()
    assert found.distance(there) == pytest.approx(exact(one, other), abs=0.01)
    assert exact(one, other) > 0.1


def test_the_parts_in_which_values_come_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "DISTINCT", 500)
    values = pl.Series(np.random.default_rng(3).normal(0, 1e6, 5_000))
    whole, parts = shape(values), shape(*(values[n : n + 77] for n in range(0, 5_000, 77)))
    backwards = shape(values.reverse())
    assert whole.dropped == parts.dropped == backwards.dropped > 0
    assert whole.counts.sort("v").equals(parts.counts.sort("v")) and whole.counts.sort("v").equals(backwards.counts.sort("v"))
