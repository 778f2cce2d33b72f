"""Waivers: who may give one, of which checks, and that one counts until it expires and for these bytes alone."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from door_three import DANA, LOW, NOW, SAM, TEXT, VALERIE, Gate, subject
from psycopg_pool import ConnectionPool

from compliance.attestations import verify_envelope
from compliance.entries import Actor
from gateway import checking
from policies.bundle import Bundle
from policies.client import PolicyClient
from policies.embedded import EmbeddedEngine
from promotion import requests, waivers
from promotion.checks.context import Finding
from promotion.errors import ApprovalRefused, DeploymentRefused, FindingNotFound, WaiverRefused, WrongState
from promotion.requests import Promotion
from promotion.states import State

CARL = Actor("carl", "person", ("compliance-officer",))
MONTH = NOW + timedelta(days=30)
MEDIUM = TEXT.replace("tier: low", "tier: medium")
UNFAIR = Finding("fairness-1", "high", "The selection rate differs by sex.")


def unfair(gate: Gate) -> Promotion:
    """A medium model whose fairness check failed, waiting for people."""
    made = gate.submit(text=MEDIUM)
    requests.move(gate.connection, made.id, State.CHECKING, actor=DANA, now=NOW)
    for name in LOW:
        gate.check(made, name)
    gate.check(made, "fairness", "failed", (UNFAIR,))
    return requests.move(gate.connection, made.id, State.AWAITING_APPROVAL, actor=DANA, now=NOW)


def waive(gate: Gate, promotion: Promotion, check: str = "fairness", **given) -> Promotion:
    said = {"by": VALERIE, "why": "The groups differ in need.", "until": MONTH, "now": NOW, "decide": gate.policy.decide} | given
    with gate.connection.transaction():
        return waivers.waive(gate.connection, promotion.id, check, signer=gate.signer, subject=subject(said["by"]), **said)


def both(gate: Gate, promotion: Promotion, **given) -> Promotion:
    gate.approve(promotion, **given)
    return gate.approve(promotion, by=SAM, role="data-steward", **given)


def test_a_failed_check_stands_in_the_way_until_it_is_waived(gate: Gate) -> None:
    promotion = unfair(gate)
    with pytest.raises(ApprovalRefused) as refused:
        gate.approve(promotion)
    assert {"check_failed", "open_findings"} <= set(refused.value.reasons)
    waive(gate, promotion)
    checks, findings = waivers.judged(gate.connection, promotion, NOW)
    assert [one["outcome"] for one in checks if one["name"] == "fairness"] == ["waived"]
    assert [one["open"] for one in findings] == [False]
    assert both(gate, promotion).state is State.APPROVED
    assert gate.deploy(promotion).state is State.DEPLOYED
    assert gate.events().count(("waiver:signed", "done")) == 1


def test_an_expired_waiver_counts_for_nothing_and_can_be_given_anew(gate: Gate) -> None:
    promotion = unfair(gate)
    waive(gate, promotion, until=NOW + timedelta(days=1))
    both(gate, promotion)
    later = NOW + timedelta(days=1)
    with pytest.raises(DeploymentRefused) as refused:
        gate.deploy(promotion, now=later)
    assert {"check_failed", "open_findings"} <= set(refused.value.reasons)
    waive(gate, promotion, now=later)
    assert gate.deploy(promotion, now=later).state is State.DEPLOYED
    assert len(waivers.waivers(gate.connection, promotion.id)) == 2


def test_the_waiver_is_signed_and_the_approval_and_deployment_name_it(gate: Gate) -> None:
    promotion = unfair(gate)
    waive(gate, promotion, by=CARL)
    gate.deploy(both(gate, promotion))
    said = {}
    for table in ("waivers", "approvals", "deployments"):
        row = gate.connection.execute(f"SELECT envelope FROM promotion.{table} WHERE request = %s", (promotion.id,)).fetchone()
        said[table] = verify_envelope(row[0], gate.keys())
    predicate = said["waivers"].predicate
    assert (predicate["check"], predicate["by"], predicate["role"]) == ("fairness", "carl", "compliance-officer")
    assert predicate["until"] == int(MONTH.timestamp()) and predicate["why"] == "The groups differ in need."
    assert {"model", "contract", "check/fairness"} == {subject.name for subject in said["waivers"].subjects}
    for table in ("approvals", "deployments"):
        assert "waiver/fairness" in {subject.name for subject in said[table].subjects}


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"by": Actor("dana", "person", ("data-scientist", "model-validator"))}, ("self_approval",)),
        ({"by": SAM}, ("role_not_permitted",)),
        ({"by": Actor("valerie", "service", ("model-validator",))}, ("role_not_permitted",)),
        ({"check": "performance"}, ("check_not_waivable",)),
        ({"check": "explanation"}, ()),
        ({"until": NOW}, ()),
        ({"until": NOW + timedelta(days=400)}, ()),
    ],
)
def test_a_waiver_is_refused_and_changes_nothing(gate: Gate, change: dict, reasons: tuple[str, ...]) -> None:
    promotion = unfair(gate)
    gate.check(promotion, "performance2", "failed")
    with pytest.raises(WaiverRefused) as refused:
        waive(gate, promotion, **change)
    assert refused.value.reasons == reasons
    assert waivers.waivers(gate.connection, promotion.id) == []
    waivers.record_refusal(gate.connection, promotion.id, refused.value, by=VALERIE, now=NOW)
    assert gate.events()[-1] == ("waiver:refused", "refused")


def test_policy_does_not_take_a_waiver_of_a_check_it_does_not_let_be_waived(gate: Gate) -> None:
    made = gate.submit()
    requests.move(gate.connection, made.id, State.CHECKING, actor=DANA, now=NOW)
    for name in LOW[:-2]:
        gate.check(made, name)
    gate.check(made, "performance", "failed")
    promotion = requests.move(gate.connection, made.id, State.AWAITING_APPROVAL, actor=DANA, now=NOW)
    promoting = gate.policy.engine.bundle.data["promotion"] | {"waivable_checks": ["performance"]}
    lax = {**gate.policy.engine.bundle.data, "promotion": promoting}
    laxer = PolicyClient(EmbeddedEngine(Bundle(gate.policy.engine.bundle.modules, lax, "earlier")))
    with gate.connection.transaction():
        waivers.waive(
            gate.connection, promotion.id, "performance", by=VALERIE, subject=subject(VALERIE), why="Never mind.", until=MONTH,
            signer=gate.signer, decide=laxer.decide, now=NOW,
        )  # fmt: skip
    with pytest.raises(ApprovalRefused) as refused:
        gate.approve(promotion)
    assert "check_failed" in refused.value.reasons


def test_a_waiver_for_other_bytes_counts_for_nothing(gate: Gate) -> None:
    promotion = unfair(gate)
    waive(gate, promotion)
    gate.connection.execute("UPDATE promotion.waivers SET digest = %s", ("sha256:" + "0" * 64,))
    with pytest.raises(ApprovalRefused):
        gate.approve(promotion)


def test_a_finding_is_closed_with_a_reason_once_by_somebody_else_than_the_author(gate: Gate) -> None:
    promotion = gate.checked()
    gate.connection.execute("INSERT INTO promotion.findings VALUES (%s, 'late', 'critical', 'found', true)", (promotion.id,))
    gate.connection.commit()

    def close(by: Actor, finding: str = "late") -> None:
        with gate.connection.transaction():
            waivers.close_finding(
                gate.connection, promotion.id, finding, by=by, subject=subject(by), why="Looked into.",
                decide=gate.policy.decide, now=NOW,
            )  # fmt: skip

    with pytest.raises(ApprovalRefused):
        gate.approve(promotion)
    for by in (DANA, SAM):
        with pytest.raises(WaiverRefused):
            close(by)
    close(VALERIE)
    assert gate.events()[-1] == ("finding:closed", "done")
    for finding in ("late", "nothing"):
        with pytest.raises(FindingNotFound):
            close(VALERIE, finding)
    kept = requests.findings(gate.connection, promotion.id)[0]
    assert (kept["closed_by"], kept["why"], kept["open"]) == ("valerie", "Looked into.", False)
    assert gate.approve(promotion).state is State.APPROVED


def test_closing_the_finding_alone_does_not_make_the_check_pass(gate: Gate) -> None:
    promotion = unfair(gate)
    waivers.close_finding(
        gate.connection, promotion.id, "fairness-1", by=VALERIE, subject=subject(VALERIE), why="Known.",
        decide=gate.policy.decide, now=NOW,
    )  # fmt: skip
    with pytest.raises(ApprovalRefused) as refused:
        gate.approve(promotion)
    assert "check_failed" in refused.value.reasons


def test_what_is_over_takes_no_waiver(gate: Gate) -> None:
    promotion = unfair(gate)
    requests.move(gate.connection, promotion.id, State.REJECTED, actor=VALERIE, now=NOW)
    with pytest.raises(WrongState):
        waive(gate, promotion)


@pytest.mark.parametrize(
    ("failed", "state", "event"),
    [
        ((), State.AWAITING_APPROVAL, "promotion:checks-passed"),
        (("fairness",), State.AWAITING_APPROVAL, "promotion:waiver-needed"),
        (("fairness", "leakage"), State.REFUSED, "promotion:refused"),
        (("performance",), State.REFUSED, "promotion:refused"),
    ],
)
def test_a_promotion_waits_for_people_when_only_what_they_may_waive_failed(
    gate: Gate, database_url: str, failed: tuple[str, ...], state: State, event: str
) -> None:
    made = gate.submit(text=MEDIUM)
    requests.move(gate.connection, made.id, State.CHECKING, actor=DANA, now=NOW)
    for name in (*LOW, "fairness"):
        gate.check(made, name, "failed" if name in failed else "passed")
    gate.connection.commit()
    with ConnectionPool(database_url, min_size=1, open=True) as pool:
        given = SimpleNamespace(pool=pool, policy=gate.policy, clock=lambda: NOW)
        assert checking.finish(given, made.id) == state  # type: ignore[arg-type]
        assert checking.finish(given, made.id) == state  # type: ignore[arg-type]
    assert [one for one, _ in gate.events()].count(event) == 1
