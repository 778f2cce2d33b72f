"""Dossiers: what the entries say of a grant, a promotion and what is in production."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from compliance.dossiers import Dossiers
from compliance.entries import Actor, ObjectRef, rfc3339
from tests.compliance.conftest import START, decision

MODEL = ObjectRef("model", "p/m", "sha256:1")


def gathered(*entries: tuple[str, dict[str, Any]]) -> Dossiers:
    made = Dossiers()
    for minute, (event, changes) in enumerate(entries):
        entry = decision(type=event, **({"outcome": "done", "detail": {}} | changes))
        made.add(entry.as_json() | {"recorded_at": rfc3339(START + timedelta(minutes=minute))})
    return made


def at(minute: int) -> str:
    return rfc3339(START + timedelta(minutes=minute))


def test_a_grant_is_told_from_its_request_to_its_end() -> None:
    refs = {"grant_id": "g1", "purpose": "care"}
    leased = refs | {"dataset": "clinic", "lease_id": "l1"}
    lease = ObjectRef("lease", "l1")
    (row,) = gathered(
        ("access-request:created", {"refs": refs}), ("access-request:approved", {"refs": refs, "actor": Actor("sam", "person")}),
        ("grant:created", {"refs": refs}), ("lease:opened", {"refs": leased, "object": lease, "detail": {"ttl_seconds": 900}}),
        ("statement:run", {"refs": leased, "object": lease}), ("statement:summary", {"refs": leased, "detail": {"runs": 40}}),
        ("statement:failed", {"refs": leased, "object": lease}), ("grant:revoked", {"refs": refs}),
    ).grants()  # fmt: skip
    assert row == {
        "grant_id": "g1", "asker": "dana", "dataset": "clinic", "purpose": "care", "requested": at(0), "approved_by": ["sam"],
        "granted": at(2), "ended": f"revoked {at(7)}", "leases": 1, "ttl_seconds": 900, "statements": 41, "failed_statements": 1,
    }  # fmt: skip


def test_a_model_is_in_the_inventory_until_it_is_superseded() -> None:
    def one(name: str, event: str, **changes: Any) -> tuple[str, dict[str, Any]]:
        return event, {"object": MODEL, "refs": {"promotion": name}} | changes

    story = [
        one("p1", "promotion:submitted", detail={"version": 1}),
        one("p1", "check:completed", refs={"promotion": "p1", "check": "artifact"}),
        one("p1", "approval:signed", detail={"role": "model-validator", "meaning": "reviewed"}),
        one("p1", "model:deployed", detail={"version": 1}),
        ("alert:raised", {"object": MODEL}),
    ]
    made = gathered(*story)
    (model,) = made.inventory()
    assert (model["model"], model["version"], model["alerts"], model["in_production_since"]) == ("p/m", 1, 1, at(3))
    (dossier,) = made.promotions()
    assert dossier["checks"] == ["artifact: passed"] and dossier["outcome"] == "deployed"
    after = gathered(*story, one("p1", "model:superseded"), one("p2", "model:deployed", detail={"version": 2}))
    assert [row["promotion"] for row in after.inventory()] == ["p2"]
    assert [row["outcome"] for row in after.promotions()] == ["superseded", "deployed"]
