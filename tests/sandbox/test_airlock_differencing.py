"""Differencing attacks: tables that are safe alone and not beside each other."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.airlock.differencing import differences
from sandbox.airlock.groups import Counted, interval
from sandbox.airlock.solving import newly_told
from sandbox.airlock.tables import Declared, parse_csv, read


def cells(text: str, request: str | None = None, **where: str) -> list[Counted]:
    table = read("t.csv", parse_csv(text.replace(" | ", ",").strip()), Declared(where=where))
    assert table is not None
    return [Counted("t.csv", frozenset(cell.where.items()), cell.n, request) for cell in table.cells if cell.n is not None]


ATTACKS = {
    "the same table one person later": ("sex,n\nF,120\nM,100", "sex,n\nF,121\nM,100"),
    "a filter that leaves one person out": ("ward,n\nA,200\nB,90", "ward,n\nA,199\nB,90"),
    "a group inside a group": ("sex,n\nF,120\nM,100", "sex,smoker,n\nF,yes,115\nM,yes,60\nM,no,40"),
    "a total and all but one group": ("n\n220", "ward,n\nA,100\nB,117"),
    "a total called all": ("ward,n\nAll,220", "ward,n\nA,100\nB,117"),
    "a suppressed cell and its margin": ("ward,n\nAll,220", "ward,n\nA,100\nB,113\nC,<10"),
    "age below 65 and below 66": ("age,n\n<65,300", "age,n\n<66,303"),
    "age bands that end a year apart": ("age,n\n60-69,80\n70-79,90", "age,n\n60-68,75\n70-79,90"),
    "small bands against a large one": ("age,n\n60-69,100", "age,n\n60-64,48\n65-69,47"),
    "open bands": ("age,n\n65+,140", "age,n\n66+,138"),
    "a renamed column": ("diagnosis,n\ndiabetes,100\nasthma,80", "dx,n\ndiabetes,99\nasthma,80"),
    "another writing of the same column": ("Age Band,n\n60-69,100", "age_band,n\n60-69,98"),
    "other letters": ("sex,n\nF,120\nM,100", "sex,n\nf,119\nm,100"),
    "two conditions against one": ("ward,sex,n\nA,F,50\nA,M,60\nB,F,70", "ward,n\nA,114\nB,75"),
    "the order of the columns": ("ward,sex,n\nA,F,50", "sex,ward,n\nF,A,48"),
    "semicolons": ("sex,n\nF,120", "sex;n\nF;121"),
    "years": ("year,n\n2024,50\n2025,60", "year,n\n2024,51\n2025,60"),
    "a numerator beside its count": ("ward,n\nA,100", "ward,n,n_died\nA,100,95"),
}


@pytest.mark.parametrize("name", list(ATTACKS))
@pytest.mark.parametrize("turned", [False, True], ids=["first then second", "second then first"])
def test_the_attack_is_stopped(name: str, turned: bool) -> None:
    first, second = reversed(ATTACKS[name]) if turned else ATTACKS[name]
    assert differences(cells(second), cells(first, "r1"), min_count=10)


SAFE = {
    "the same table again": ("sex,n\nF,120\nM,100", "sex,n\nF,120\nM,100"),
    "much larger a year later": ("sex,n\nF,120\nM,100", "sex,n\nF,180\nM,150"),
    "other groups": ("sex,n\nF,120\nM,100", "ward,n\nA,90\nB,60\nC,70"),
    "all groups of a group": ("sex,n\nF,120\nM,100", "sex,smoker,n\nF,yes,60\nF,no,60\nM,yes,50\nM,no,50"),
    "bands that add up": ("age,n\n60-69,100", "age,n\n60-64,48\n65-69,52"),
    "bands that cross": ("age,n\n60-69,100", "age,n\n55-64,98"),
}


@pytest.mark.parametrize("name", list(SAFE))
def test_what_tells_nothing_passes(name: str) -> None:
    first, second = SAFE[name]
    assert not differences(cells(second), cells(first, "r1"), min_count=10)


def test_one_table_is_held_against_itself() -> None:
    assert differences(cells("ward,n\nA,100\nB,113\nAll,220"), [], min_count=10)


def test_any_of_many_earlier_releases_counts() -> None:
    earlier = list(itertools.chain.from_iterable(cells(f"ward,n\nw{i},{100 + 20 * i}", f"r{i}") for i in range(60)))
    found = differences(cells("ward,n\nw37,841"), earlier, min_count=10)
    assert [one.with_request for one in found] == ["r37"]


def test_conditions_of_a_whole_table_count() -> None:
    first = cells("sex,n\nF,120\nM,100", "r1")
    second = cells("sex,n\nF,118\nM,50", diagnosis="diabetes")
    assert differences(second, first, min_count=10)


def test_earlier_releases_alone_are_not_blamed_on_a_new_one() -> None:
    earlier = cells("sex,n\nF,120", "r1") + cells("sex,n\nF,121", "r2")
    assert not differences(cells("ward,n\nA,50"), earlier, min_count=10)


def test_thousands_of_cells_are_compared_in_seconds() -> None:
    import time

    text = "ward,sex,age,n\n" + "\n".join(
        f"w{w},{s},{a}-{a + 9},{1000 + 37 * w + a}" for w in range(60) for s in "FM" for a in range(20, 90, 10)
    )
    started = time.monotonic()
    differences(cells(text), [cell for i in range(5) for cell in cells(text, f"r{i}")], min_count=10)
    assert time.monotonic() - started < 20


@pytest.mark.parametrize(("text", "expected"), [
    ("60-64", (60, 65)), ("<65", (float("-inf"), 65)), ("<=65", (float("-inf"), 66)), ("65+", (65, float("inf"))),
    (">65", (66, float("inf"))), ("[60, 65)", (60, 65)), ("2024", (2024, 2025)), ("60 to 64", (60, 65)), ("diabetes", None),
])  # fmt: skip
def test_intervals_are_read_as_people_write_them(text: str, expected: tuple[float, float] | None) -> None:
    assert interval(text) == expected


def _at(request: str | None, n: int, **group: str) -> Counted:
    return Counted("t", frozenset(group.items()), n, request)


@pytest.mark.parametrize(
    ("earlier", "new", "told"),
    [
        # a total, and all wards but one in requests of their own
        ([_at("1", 40, ward="a"), _at("2", 30, ward="b")], [_at(None, 75)], True),
        ([_at("1", 40, ward="a"), _at("2", 30, ward="b")], [_at(None, 95)], False),
        # one corner of a two by two table from its margins and the opposite corner
        ([_at("1", 60, sex="f"), _at("1", 50, sex="m"), _at("2", 40, ill="yes"), _at("2", 70, ill="no")],
         [_at(None, 14, sex="m", ill="no")], True),
        ([_at("1", 60, sex="f"), _at("1", 50, sex="m"), _at("2", 40, ill="yes"), _at("2", 70, ill="no")],
         [_at(None, 30, sex="m", ill="no")], False),
        # two ranges that cover a third but for a year
        ([_at("1", 100, age="20-49"), _at("2", 60, age="20-39")], [_at(None, 36, age="40-48")], True),
        ([_at("1", 100, age="20-49"), _at("2", 60, age="20-39")], [_at(None, 26, age="40-48")], False),
        # what earlier releases told already is not told by a table that has nothing to do with it
        ([_at("1", 40, ward="a"), _at("2", 30, ward="b"), _at("3", 75)], [_at(None, 500, town="x")], False),
        # tables of different days contradict each other, and settle nothing
        ([_at("1", 40, ward="a"), _at("2", 64, ward="a"), _at("3", 30, ward="b")], [_at(None, 87)], False),
        # nor is it by one that says again what they said
        ([_at("1", 40, ward="a"), _at("2", 30, ward="b"), _at("3", 75)], [_at(None, 40, ward="a")], False),
    ],
)  # fmt: skip
def test_what_several_tables_settle_together_is_found(earlier: list[Counted], new: list[Counted], told: bool) -> None:
    assert bool(list(newly_told(new, earlier, min_count=10))) is told


@given(st.lists(st.sampled_from([("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c")]), min_size=2, max_size=4), st.data())
@settings(max_examples=40, deadline=None)
def test_nothing_is_found_in_tables_of_people_of_whom_every_cross_section_is_large(tables: list[Any], data: Any) -> None:
    counts = {v: data.draw(st.integers(10, 60)) for v in itertools.product("xy", "xyz", "xy")}
    every = []
    for number, columns in enumerate(tables):
        places = ["abc".index(one) for one in columns]
        sums: dict[tuple[str, ...], int] = {}
        for values, n in counts.items():
            key = tuple(values[place] for place in places)
            sums[key] = sums.get(key, 0) + n
        request = None if number == len(tables) - 1 else str(number)
        every += [Counted(f"t{number}", frozenset(zip(columns, key, strict=True)), n, request) for key, n in sums.items()]
    new, earlier = [one for one in every if one.request is None], [one for one in every if one.request]
    assert not list(newly_told(new, earlier, min_count=10))
