"""Controls and profiles: data that holds together, and statuses that follow from entries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import compliance
from compliance.controls import ControlMatrix
from compliance.entries import Actor, ObjectRef
from compliance.errors import UnknownProfile
from compliance.regulations import Query, exemptions, load_controls, load_profile, profile_names
from tests.compliance.conftest import decision

ROOT = Path(compliance.__file__).parents[1]
NOT_EVENTS = {"sallyport:format", "sallyport:names"}


def queries() -> list[Query]:
    found = []
    for control in load_controls().values():
        found.append(control.evidence)
        for gap in control.gaps:
            found += [gap.query, *([gap.partner] if gap.partner else [])]
    return found


def events_in_source() -> set[str]:
    """Every text in the source that has the form of an event type."""
    found = set()
    for package in ("gateway", "promotion", "sandbox", "compliance"):
        for path in (ROOT / package).rglob("*.py"):
            found |= set(re.findall(r'"([a-z][a-z-]*:[a-z][a-z-]*)"', path.read_text("utf-8")))
    return found - NOT_EVENTS


def test_every_event_belongs_to_a_control_or_is_exempt_for_a_stated_reason() -> None:
    known = {event for query in queries() for event in query.events} | set(exemptions())
    assert "decision:made" in events_in_source()
    unplaced = sorted(events_in_source() - known)
    lines = "\n".join(f'  "{event}": <why it belongs to no control>' for event in unplaced)
    assert not unplaced, (
        "compliance/profiles/controls.yaml does not know these events. Put each into `events` of the control it shows or"
        f" of a gap it is, or add these lines below `exemptions:` with a reason of more than 20 characters:\n{lines}"
    )
    assert all(len(reason) > 20 for reason in exemptions().values())


def test_no_control_asks_for_an_event_that_nobody_writes() -> None:
    unwritten = sorted({event for query in queries() for event in query.events} - events_in_source())
    assert not unwritten, (
        f"Nobody writes {', '.join(unwritten)}: take them out of the queries in compliance/profiles/controls.yaml."
    )


def test_every_profile_is_whole() -> None:
    expected = {"hipaa", "21cfr11", "sr26-2", "pra-ss1-23", "eu-ai-act", "nist-800-53", "soc2", "gdpr-30"}
    assert set(profile_names()) == expected
    controls, used = load_controls(), set()
    for name in profile_names():
        profile = load_profile(name)
        assert profile.title and profile.source
        assert re.fullmatch(r"\d{4}-\d\d", profile.version) and re.fullmatch(r"\d{4}-\d\d-\d\d", profile.effective)
        assert len({clause.id for clause in profile.clauses}) == len(profile.clauses)
        for clause in profile.clauses:
            assert clause.asks and (clause.controls or clause.outside), clause.id
            assert set(clause.controls) <= set(controls), clause.id
            used |= set(clause.controls)
    assert used == set(controls)


@pytest.mark.parametrize("name", ["nope", "", "../controls", "controls", "HIPAA", "hipaa-2031", "hipaa@2020-01"])
def test_an_unknown_profile_is_refused_with_the_names_of_those_that_are(name: str) -> None:
    with pytest.raises(UnknownProfile, match="hipaa"):
        load_profile(name)


def judged(control: str, *entries: Any, earlier: tuple[Any, ...] = ()) -> dict[str, Any]:
    """The row of `control` after these entries."""
    matrix = ControlMatrix(load_profile("nist-800-53"))
    for seq, entry in enumerate(entries, 100):
        matrix.add(entry.as_json() | {"seq": seq})
    wanted = matrix.partners
    matrix.look_back([entry.as_json() | {"seq": 1} for entry in earlier if entry.type in wanted])
    return next(row for row in matrix.rows() if row["control"] == control)


def lease(**changes: Any) -> Any:
    return decision(
        **({"type": "lease:opened", "outcome": "done", "object": ObjectRef("lease", "l1"), "detail": {"columns": {"a": "clear"}},
            "refs": {"decision_id": "d1", "grant_id": "g1", "dataset": "clinic"}} | changes)
    )  # fmt: skip


GRANT = decision(type="grant:created", outcome="done", refs={"grant_id": "g1", "purpose": "care", "decision_id": "d1"})
DEPLOYED = decision(
    type="model:deployed", outcome="done", object=ObjectRef("model", "p/m", "sha256:1"),
    refs={"promotion": "p1", "decision_id": "d1"}, actor=Actor("vera", "person"),
)  # fmt: skip
SIGNED = decision(
    type="approval:signed", outcome="done", object=ObjectRef("model", "p/m", "sha256:1"), refs={"promotion": "p1"},
    detail={"meaning": "reviewed", "role": "model-validator", "envelope": "sha256:2"},
)  # fmt: skip
CHECKED = decision(type="check:completed", outcome="done", object=ObjectRef("model", "p/m", "sha256:1"), refs={"promotion": "p1"})
OTHER_BYTES = ObjectRef("model", "p/m", "sha256:9")


@pytest.mark.parametrize(
    ("control", "entries", "status", "gaps"),
    [
        ("lease-rests-on-decision", (), "not exercised", []),
        ("lease-rests-on-decision", (decision(1), GRANT, lease()), "met", []),
        ("lease-rests-on-decision", (decision(1), lease()), "gap", [101]),
        ("lease-rests-on-decision", (GRANT, lease(), decision(1)), "gap", [101]),  # decided after the fact
        ("lease-rests-on-decision", (decision(1, outcome="deny"), GRANT, lease()), "gap", [102]),
        ("lease-rests-on-decision", (decision(2), GRANT, lease()), "gap", [102]),
        ("minimum-necessary", (lease(),), "met", []),
        ("minimum-necessary", (lease(detail={}),), "gap", [100]),
        ("change-control", (decision(1), CHECKED, SIGNED, DEPLOYED), "met", []),
        ("change-control", (decision(1), CHECKED, DEPLOYED, SIGNED), "gap", [102]),
        ("change-control", (decision(1), SIGNED, DEPLOYED), "gap", [102]),
        ("denials-recorded", (decision(1, outcome="deny", reasons=("no_grant",)),), "met", []),
        ("denials-recorded", (decision(1, outcome="deny"),), "gap", [100]),
        ("independent-approval", (SIGNED,), "met", []),
    ],
)
def test_a_status_follows_from_the_entries(control: str, entries: tuple[Any, ...], status: str, gaps: list[int]) -> None:
    row = judged(control, *entries)
    assert (row["status"], sorted(set(row["gap_entries"]))) == (status, gaps)
    assert bool(row["why"]) == bool(gaps)


def test_what_an_entry_rests_on_may_stand_before_the_period() -> None:
    assert judged("lease-rests-on-decision", lease(), earlier=(decision(1), GRANT))["status"] == "met"
    assert judged("lease-rests-on-decision", lease(), earlier=(GRANT,))["status"] == "gap"


def test_an_approval_of_other_bytes_does_not_count() -> None:
    other = decision(
        type="approval:signed", outcome="done", object=OTHER_BYTES, refs=dict(SIGNED.refs), detail=dict(SIGNED.detail)
    )
    row = judged("change-control", decision(1), CHECKED, other, DEPLOYED)
    assert row["status"] == "gap" and "approval signed on the same bytes" in row["why"]
