"""One identifier leads to everything that hangs together with it, and to nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from compliance import tracing
from compliance.entries import ObjectRef
from compliance.ledger import append
from compliance.tracing import trace
from tests.compliance.conftest import START, decision


@pytest.fixture
def story(app: Any) -> Any:
    """Two people's ways from decision to statement, and an export of the first minutes."""
    number = 0
    for who in ("1", "2"):
        steps = (
            ("decision:made", ObjectRef("dataset", "clinic"), {"decision_id": f"d{who}", "policy_digest": "p"}),
            (
                "grant:created",
                ObjectRef("dataset", "clinic"),
                {"grant_id": f"g{who}", "decision_id": f"d{who}", "purpose": "care"},
            ),
            ("lease:opened", ObjectRef("lease", f"l{who}"), {"lease_id": f"l{who}", "grant_id": f"g{who}", "dataset": "clinic"}),
            ("statement:run", ObjectRef("lease", f"l{who}"), {"lease_id": f"l{who}"}),
        )
        for event, thing, refs in steps:
            number += 1
            append(app, decision(number, type=event, object=thing, refs=refs), now=START + timedelta(minutes=number))
    detail = {"since": START.isoformat(), "until": (START + timedelta(minutes=4, seconds=30)).isoformat(), "profile": "hipaa"}
    append(app, decision(9, type="audit:exported", object=ObjectRef("evidence", "e1", "sha256:1"), refs={"decision_id": "d9"},
                         detail=detail), now=START + timedelta(minutes=9))  # fmt: skip
    return app


@pytest.mark.parametrize("start", ["d1", "g1", "l1"])
def test_a_decision_a_grant_and_a_lease_lead_to_the_same_story_and_its_report(story: Any, start: str) -> None:
    found = trace(story, start)
    assert [entry["type"] for entry in found.items] == ["decision:made", "grant:created", "lease:opened", "statement:run"]
    assert {"d1", "g1", "l1"} == set(found.followed) and found.whole
    assert [one["export"] for one in found.exports] == ["e1"]


def test_another_story_is_not_in_it_and_its_report_is_not_either(story: Any) -> None:
    found = trace(story, "l2")
    assert [entry["seq"] for entry in found.items] == [5, 6, 7, 8] and found.exports == ()


@pytest.mark.parametrize("start", ["d", "l", "nothing", '"', "%", "\\", "l1\u202e"])
def test_what_is_only_a_part_of_an_identifier_leads_nowhere(story: Any, start: str) -> None:
    assert trace(story, start).items == ()


def test_a_trace_that_is_too_long_says_that_it_is_not_whole(story: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "MOST_ENTRIES", 3)
    found = trace(story, "clinic")
    assert len(found.items) == 3 and not found.whole
