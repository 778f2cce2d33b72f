"""Retention: what is old enough goes, what a hold covers stays, and doubt holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from compliance.retention import Hold, RetentionClass, Thing, judge, load_classes

NOW = datetime(2026, 11, 1, tzinfo=UTC)
CLASSES = {"snapshots": RetentionClass("snapshots", 10, "", ""), "exports": RetentionClass("exports", 20, "", "")}
OLD = Thing("snapshots", "s1", NOW - timedelta(days=11), "readmission", "clinic")


def hold(**scope: object) -> Hold:
    return Hold("h1", "a lawsuit", "carl", NOW, **scope)  # type: ignore[arg-type]


@pytest.mark.parametrize(("days", "goes"), [(9, False), (10, True), (11, True)])
def test_a_thing_is_kept_until_its_class_says_so(days: int, goes: bool) -> None:
    thing = Thing("snapshots", "s1", NOW - timedelta(days=days))
    assert [one.may_go(NOW) for one in judge([thing], [], CLASSES)] == [goes]


@pytest.mark.parametrize(
    ("scope", "held"),
    [
        ({}, True), ({"kind": "snapshots"}, True), ({"kind": "exports"}, False), ({"project": "readmission"}, True),
        ({"project": "fraud"}, False), ({"dataset": "clinic"}, True), ({"dataset": "bank"}, False), ({"thing": "s1"}, True),
        ({"thing": "s2"}, False), ({"kind": "snapshots", "project": "fraud"}, False),
        ({"kind": "snapshots", "dataset": "clinic", "thing": "s1"}, True),
    ],
)  # fmt: skip
def test_a_hold_keeps_what_agrees_with_every_part_of_it(scope: dict[str, str], held: bool) -> None:
    (one,) = judge([OLD], [hold(**scope)], CLASSES)
    assert (one.holds, one.may_go(NOW)) == ((("h1",), False) if held else ((), True))


def test_a_thing_of_which_nobody_knows_the_project_is_held_by_a_hold_on_any() -> None:
    (one,) = judge([Thing("exports", "e", NOW - timedelta(days=99))], [hold(project="fraud")], CLASSES)
    assert not one.may_go(NOW)


def test_a_lifted_hold_keeps_nothing() -> None:
    (one,) = judge([OLD], [hold(lifted_by="carl", lifted_at=NOW)], CLASSES)
    assert one.may_go(NOW)


def test_a_kind_without_a_class_is_never_judged_and_so_never_deleted() -> None:
    with pytest.raises(KeyError):
        judge([Thing("ledger", "1", NOW - timedelta(days=9999))], [], CLASSES)


def test_the_classes_name_their_source_and_keep_things_for_half_a_year_at_least() -> None:
    classes = load_classes()
    assert "ledger" not in classes and set(classes) == {"exports", "predictions", "snapshots"}
    assert all(one.days >= one.least_days >= 183 and one.source and one.title for one in classes.values())


def test_an_organisation_sets_other_days_of_some_kinds() -> None:
    classes, own = load_classes(), load_classes("exports=3650, snapshots=400")
    assert (own["exports"].days, own["snapshots"].days, own["predictions"]) == (3650, 400, classes["predictions"])


@pytest.mark.parametrize(
    "days", ["exports=30", "predictions=182", "ledger=9999", "exports", "exports=", "exports=-1", "exports=3650,", "=1"]
)
def test_days_below_the_law_or_of_nothing_that_is_kept_are_refused(days: str) -> None:
    with pytest.raises(ValueError, match=r"must be KIND=DAYS|days at least"):
        load_classes(days)
