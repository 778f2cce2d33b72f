"""Findings: what is open too long, until the entry that ends it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from compliance.entries import Actor, ObjectRef, rfc3339
from compliance.findings import Watch
from tests.compliance.conftest import START, decision


def entry(event: str, seq: int, *, days: float = 0, **changes: Any) -> dict[str, Any]:
    made = decision(type=event, outcome="done", **({"object": ObjectRef("lease", "l1"), "detail": {}} | changes))
    return made.as_json() | {"seq": seq, "recorded_at": rfc3339(START + timedelta(days=days))}


LEASE = entry("lease:opened", 1, refs={"lease_id": "l1"}, detail={"ttl_seconds": 3600})
REQUEST = entry("access-request:created", 2, object=ObjectRef("dataset", "clinic"), refs={"grant_id": "g1"})
ALERT = entry("alert:raised", 3, object=ObjectRef("model", "p/m"), refs={"alert": "7"})


def codes(*entries: dict[str, Any], days: float, present: Any = None) -> list[tuple[str, int]]:
    watch = Watch()
    for one in entries:
        watch.add(one)
    return [(finding.code, finding.entry) for finding in watch.found(START + timedelta(days=days), present=present)]


@pytest.mark.parametrize(
    ("entries", "days", "expected"),
    [
        ((LEASE,), 1 / 24, []),
        ((LEASE,), 1, [("lease_not_ended", 1)]),
        ((LEASE, entry("lease:revoked", 9, refs={"lease_id": "l1"})), 1, []),
        ((LEASE, entry("lease:revoked", 9, refs={"lease_id": "l2"})), 1, [("lease_not_ended", 1)]),
        ((REQUEST,), 13, []),
        ((REQUEST,), 15, [("request_ageing", 2)]),
        ((REQUEST, entry("access-request:rejected", 9, refs={"grant_id": "g1"})), 15, []),
        ((REQUEST, entry("grant:created", 9, refs={"grant_id": "g1"})), 15, []),
        ((ALERT,), 8, [("alert_unread", 3)]),
        ((ALERT, entry("alert:over", 9, refs={"alert": "7"})), 8, []),
        ((LEASE, REQUEST, ALERT), 30, [("lease_not_ended", 1), ("request_ageing", 2), ("alert_unread", 3)]),
    ],
)
def test_what_is_open_too_long_is_found(entries: tuple[Any, ...], days: float, expected: list[tuple[str, int]]) -> None:
    assert codes(*entries, days=days) == expected


def test_approvals_by_somebody_who_left_are_found_when_it_is_known_who_is_here() -> None:
    signed = entry("approval:signed", 5, actor=Actor("vera", "person"))
    assert codes(signed, days=1, present={"sam"}) == [("approver_left", 5)]
    assert codes(signed, days=1, present={"vera"}) == codes(signed, days=1) == []


EMERGENCY = entry("break-glass:review-due", 4, refs={"break_glass_id": "b1"}, detail={"due": rfc3339(START + timedelta(days=1))})


@pytest.mark.parametrize(
    ("entries", "days", "expected"),
    [
        ((LEASE, entry("lease:expired", 9, refs={"lease_id": "l1"})), 1, []),
        ((LEASE, entry("lease:renewed", 9, days=1, refs={"lease_id": "l1"}, detail={"ttl_seconds": 3600})), 1.01, []),
        (
            (LEASE, entry("lease:renewed", 9, days=1, refs={"lease_id": "l1"}, detail={"ttl_seconds": 60})),
            2,
            [("lease_not_ended", 1)],
        ),
        ((EMERGENCY,), 0.9, []),
        ((EMERGENCY,), 1.1, [("break_glass_unreviewed", 4)]),
        ((EMERGENCY, entry("break-glass:reviewed", 9, refs={"break_glass_id": "b1"})), 2, []),
        ((EMERGENCY, entry("break-glass:reviewed", 9, refs={"break_glass_id": "b2"})), 2, [("break_glass_unreviewed", 4)]),
    ],
)
def test_leases_end_in_any_way_and_emergencies_are_reviewed(entries: Any, days: float, expected: Any) -> None:
    assert codes(*entries, days=days) == expected


ALLOWED = entry("decision:made", 1, refs={"decision_id": "d1"}) | {"outcome": "allow"}
DENIED = ALLOWED | {"outcome": "deny"}
OPENED = entry("lease:opened", 2, refs={"lease_id": "l1", "decision_id": "d1"}, detail={"ttl_seconds": 3600})
MODEL = ObjectRef("model", "p/m", "sha256:1")
SIGNED = entry("approval:signed", 3, object=MODEL, refs={"promotion": "p1"})
DEPLOYED = entry("model:deployed", 4, object=MODEL, refs={"promotion": "p1"})
OTHER_BYTES = entry("approval:signed", 3, object=ObjectRef("model", "p/m", "sha256:2"), refs={"promotion": "p1"})


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ((ALLOWED, OPENED), []), ((OPENED,), ["lease_without_decision"]), ((DENIED, OPENED), ["lease_without_decision"]),
        ((OPENED, ALLOWED), ["lease_without_decision"]),
        ((entry("lease:opened", 2, refs={"lease_id": "l1"}, detail={"ttl_seconds": 3600}),), ["lease_without_decision"]),
        ((SIGNED, DEPLOYED), []), ((DEPLOYED,), ["deployed_without_approval"]),
        ((OTHER_BYTES, DEPLOYED), ["deployed_without_approval"]), ((DEPLOYED, SIGNED), ["deployed_without_approval"]),
    ],
)  # fmt: skip
def test_what_rests_on_nothing_is_found_when_the_ledger_is_seen_whole(entries: Any, expected: list[str]) -> None:
    whole, part = Watch(whole=True), Watch()
    for one in entries:
        whole.add(one)
        part.add(one)
    assert [finding.code for finding in whole.found(START)] == expected
    assert part.found(START) == []  # what it rests on may stand before what is seen


WAITING = entry("promotion:waiver-needed", 5, object=MODEL, refs={"promotion": "p1"})


@pytest.mark.parametrize(
    ("entries", "days", "expected"),
    [
        ((WAITING,), 29, []), ((WAITING,), 31, [("finding_ageing", 5)]),
        ((WAITING, entry("waiver:signed", 6, object=MODEL, refs={"promotion": "p1"})), 31, []),
        ((WAITING, entry("promotion:rejected", 6, object=MODEL, refs={"promotion": "p2"})), 31, [("finding_ageing", 5)]),
    ],
)  # fmt: skip
def test_what_a_check_found_and_nobody_answers_ages(entries: Any, days: float, expected: Any) -> None:
    assert codes(*entries, days=days) == expected
