"""An access review on the running stack: a lease that is to end has ended when the steward's answer comes back."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compliance.verify import verify_bundle
from gateway.client import Gateway, Refusal
from gateway.commands.audit import export_to

pytestmark = pytest.mark.flow


def granted(as_user: Callable[[str], Gateway]) -> Any:
    body = {"dataset": "clinic", "columns": ["patients.sex"], "purpose": "model-debugging", "hours": 1, "why": "a test"}
    asked = as_user("dana").post("/v1/access-requests", body)
    return as_user("sam").post(f"/v1/access-requests/{asked['id']}/approve")


def test_a_steward_answers_revoke_and_the_open_lease_has_ended(
    clinic: Path, as_user: Callable[[str], Gateway], tmp_path: Path
) -> None:
    dana, sam, carl = as_user("dana"), as_user("sam"), as_user("carl")
    grant = granted(as_user)
    lease = dana.post("/v1/leases", {"request": grant["id"]})
    campaign = carl.post("/v1/access-reviews", {"projects": ["readmission"], "days": 0.00001})
    question = next(item for item in campaign["items"] if item["grant_id"] == grant["id"])
    assert question["facts"]["leases"] == 1 and question["facts"]["approved_by"] == ["sam"]
    for nobody in (dana, carl):
        with pytest.raises(Refusal) as refused:
            nobody.post(f"/v1/access-reviews/items/{question['id']}/answer", {"answer": "keep", "why": "w"})
        assert refused.value.reasons == ("role_not_permitted",) or refused.value.reasons == ["role_not_permitted"]
    answered = sam.post(f"/v1/access-reviews/items/{question['id']}/answer", {"answer": "revoke", "why": "the study is over"})
    assert answered["carried_out"]
    assert lease["id"] not in [one["id"] for one in dana.get("/v1/leases")["items"]]
    with pytest.raises(Refusal):
        dana.post("/v1/leases", {"request": grant["id"]})
    time.sleep(1)
    closed = carl.post(f"/v1/access-reviews/{campaign['id']}/close")
    assert closed["counts"]["revoke"] == 1
    from datetime import UTC, datetime, timedelta

    export_to(carl, since=datetime.now(UTC) - timedelta(days=1), until=None, profile="soc2", out=tmp_path / "b")
    assert verify_bundle(tmp_path / "b").ok
    entries = carl.get("/v1/audit/entries", type="access-review:closed", object_id=campaign["id"])["items"]
    name = entries[0]["detail"]["envelope"].removeprefix("sha256:")
    assert (tmp_path / "b" / "attestations" / f"{name}.dsse.json").is_file()


def test_a_hold_is_placed_listed_and_lifted_by_a_compliance_officer_alone(as_user: Callable[[str], Gateway]) -> None:
    carl = as_user("carl")
    made = carl.post("/v1/audit/holds", {"reason": "a test", "project": "readmission"})
    assert made["id"] in [one["id"] for one in carl.get("/v1/audit/holds")["items"]]
    assert carl.post("/v1/audit/retention/delete")["items"] == []
    assert {one["kind"] for one in carl.get("/v1/audit/retention")["classes"]} == {"exports", "predictions", "snapshots"}
    for who in ("dana", "sam", "olga"):
        with pytest.raises(Refusal):
            as_user(who).post(f"/v1/audit/holds/{made['id']}/lift")
    assert carl.post(f"/v1/audit/holds/{made['id']}/lift")["lifted_by"] == "carl"
