"""Disclosures: when, to whom, what, why, under what; and nothing of another dataset or period."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from compliance.disclosures import accounting
from compliance.entries import Actor, ObjectRef
from compliance.ledger import append
from tests.compliance.conftest import START, decision


def leased(connection: Any, name: str, minute: int, event: str = "lease:opened", **changes: Any) -> None:
    refs = {
        "lease_id": name,
        "grant_id": f"g-{name}",
        "dataset": "clinic",
        "purpose": "care",
        "holder": "dana",
        "decision_id": "d",
    }
    detail = {"ttl_seconds": 60, "columns": {"patients.sex": "clear"}}
    entry = decision(
        type=event, outcome="done", object=ObjectRef("lease", name), refs=refs | changes.pop("refs", {}),
        detail=changes.pop("detail", detail), **changes,
    )  # fmt: skip
    append(connection, entry, now=START + timedelta(minutes=minute))


def test_each_opening_is_accounted_for_with_what_was_run_through_it(app: Any) -> None:
    leased(app, "l1", 1)
    leased(app, "l1", 2, "statement:run", detail={})
    leased(app, "l1", 3, "statement:summary", detail={"runs": 40})
    leased(app, "l1", 3, "lease:revoked", detail={})
    leased(app, "l2", 4, refs={"dataset": "other"})
    leased(app, "l3", 5, "lease:opened-in-emergency", refs={"break_glass_id": "b1", "purpose": "incident-response"})
    leased(app, "l4", 6, "lease:opened-for-service", refs={"holder": "scoring"}, actor=Actor("scoring", "service"))
    found = list(accounting(app, "clinic"))
    assert [(one["lease"], one["recipient"], one["why"], one["statements"]) for one in found] == [
        ("l1", "dana", "care", 41), ("l3", "dana", "incident-response", 0), ("l4", "scoring", "care", 0),
    ]  # fmt: skip
    assert found[0]["what"] == {"patients.sex": "clear"} and found[0]["under"] == {"grant_id": "g-l1", "decision_id": "d"}
    assert found[1]["under"]["break_glass_id"] == "b1"
    within = accounting(app, "clinic", since=START + timedelta(minutes=5), until=START + timedelta(minutes=6))
    assert [one["lease"] for one in within] == ["l3"]
    assert list(accounting(app, "nobody")) == []
