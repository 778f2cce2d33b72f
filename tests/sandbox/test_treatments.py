"""Treatments: known answers, and properties that hold for any column."""

from __future__ import annotations

import hashlib
import hmac
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.treatments import TREATMENTS, Keyed
from sandbox.treatments.shift_date import offset_days
from sandbox.treatments.zip3 import SPARSE

KEY, OTHER = b"k" * 32, b"o" * 32
SETTINGS = settings(max_examples=30, deadline=None)


def treat(name: str, values: pl.Series, keyed: Keyed | None = None, **options: object) -> list[object]:
    function = TREATMENTS[name]
    assert function is not None
    return function(values, options, keyed or Keyed(KEY)).to_list()


def test_a_pseudonym_is_the_first_half_of_a_keyed_hash() -> None:
    expected = hmac.new(KEY, b"patient\x00P1", hashlib.sha256).hexdigest()[:32]
    assert treat("pseudonym", pl.Series(["P1", None]), Keyed(KEY, "patient")) == [expected, None]


@SETTINGS
@given(st.lists(st.one_of(st.none(), st.text(max_size=8)), max_size=20))
def test_pseudonyms_agree_within_a_project_and_kind_and_nowhere_else(values: list[str | None]) -> None:
    column = pl.Series("c", values, dtype=pl.String)
    one, again = treat("pseudonym", column, Keyed(KEY, "a")), treat("pseudonym", column.reverse(), Keyed(KEY, "a"))[::-1]
    assert one == again
    assert len({v for v in one if v}) == len({v for v in values if v is not None})
    for elsewhere in (Keyed(OTHER, "a"), Keyed(KEY, "b")):
        assert not {v for v in one if v} & {v for v in treat("pseudonym", column, elsewhere) if v}


@SETTINGS
@given(st.lists(st.dates(date(1, 1, 1), date(9999, 12, 31)), min_size=2, max_size=10), st.booleans())
def test_a_shift_keeps_the_intervals_of_one_person_and_weekdays_if_asked(days: list[date], weekdays: bool) -> None:
    column = pl.Series("d", days, dtype=pl.Date)
    moved = treat("shift-date", column, Keyed(KEY, "", pl.Series(["p"] * len(days))), weekdays=weekdays)
    pairs = [(a, b) for a, b in zip(days, moved, strict=True) if isinstance(b, date)]
    assert all((b is None) == (not 2 <= a.year <= 9998) for a, b in zip(days, moved, strict=True))
    assert len({a - b for a, b in pairs}) <= 1
    for before, after in pairs:
        assert timedelta(1) <= before - after <= timedelta(364)
        assert not weekdays or before.weekday() == after.weekday()


def test_two_persons_seldom_move_by_the_same_days_and_two_projects_differ() -> None:
    offsets = [offset_days(Keyed(KEY), f"p{i}", weekdays=False) for i in range(400)]
    assert len(set(offsets)) > 200
    assert [offset_days(Keyed(OTHER), f"p{i}", weekdays=False) for i in range(400)] != offsets
    with pytest.raises(ValueError, match="person"):
        treat("shift-date", pl.Series([date(2020, 1, 1)]))


def test_years_round_down_and_end_at_the_oldest() -> None:
    column = pl.Series([date(1899, 1, 1), date(1957, 5, 5), None], dtype=pl.Date)
    assert treat("year", column, width=10, oldest=1930) == [1930, 1950, None]


def test_zip_codes_keep_three_digits_except_where_few_live() -> None:
    given_codes = pl.Series(["90210", "90210-1234", "03601", "1234", "abc", None, " 10001 "])
    assert treat("zip3", given_codes) == ["902", "902", "000", "000", "000", None, "100"]
    assert len(SPARSE) == 17


def test_bins_hold_their_values_and_groups_the_listed() -> None:
    assert treat("bin", pl.Series([7, 94, None, -3]), width=5, lowest=0, highest=90) == [5, 90, None, 0]
    assert treat("bin", pl.Series(["S", "W", None, "?"]), groups={"alone": ["S", "W"]}) == ["alone", "alone", None, "other"]


def test_numbers_round_half_to_even_and_dates_to_the_start_of_a_period() -> None:
    assert treat("round", pl.Series([12, 25, 35, None]), to=10) == [10, 20, 40, None]
    assert treat("round", pl.Series([0.1, 0.37]), to=0.25) == [0.0, 0.25]
    assert treat("round", pl.Series([date(2024, 5, 17)]), to="quarter") == [date(2024, 4, 1)]
    with pytest.raises(ValueError, match="above zero"):
        treat("round", pl.Series([1]), to=0)


def test_noise_has_its_scale_and_is_the_same_in_every_build_of_a_project() -> None:
    persons = pl.Series([f"p{i}" for i in range(4_000)])
    column = pl.Series([100.0] * 4_000)
    noisy = treat("noise", column, Keyed(KEY, "c", persons), scale=5)
    away = [abs(float(value) - 100) for value in noisy]  # type: ignore[arg-type]
    assert sum(away) / len(away) == pytest.approx(5, rel=0.1)  # the mean distance of a Laplace draw is its scale
    assert (
        noisy
        == treat("noise", column, Keyed(KEY, "c", persons), scale=5)
        != treat("noise", column, Keyed(OTHER, "c", persons), scale=5)
    )
    assert treat("noise", pl.Series([1, None]), Keyed(KEY), scale=1, lowest=99) == [99, None]


@pytest.mark.parametrize("name", [name for name, function in TREATMENTS.items() if function])
def test_an_empty_column_and_one_all_null_come_through(name: str) -> None:
    for values in ([], [None, None]):
        column = pl.Series("c", values, dtype=pl.Date if name in ("year", "shift-date") else pl.String)
        keyed = Keyed(KEY, "k", pl.Series(["p"] * len(values), dtype=pl.String))
        assert treat(name, column, keyed) == values


def test_every_treatment_has_its_page() -> None:
    pages = Path(__file__).parents[2] / "docs" / "reference" / "treatments"
    assert {page.stem for page in pages.glob("*.md")} - {"README"} == set(TREATMENTS)


@given(key=st.binary(max_size=200), values=st.lists(st.text(max_size=80), max_size=5))
@SETTINGS
def test_many_keyed_hashes_at_once_are_those_made_one_by_one(key: bytes, values: list[str]) -> None:
    keyed = Keyed(key)
    assert keyed.macs("kind", values) == [keyed.mac("kind", value) for value in values]
