"""A promotion on real PostgreSQL under the real policies: what may follow what, who may sign, and what the ledger says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from door_three import DANA, LOW, NOW, SAM, TEXT, VALERIE
from hostile_artefacts import small_onnx

from compliance.attestations import verify_envelope
from compliance.entries import Actor
from promotion import approvals, deployments, requests
from promotion.checks.context import Finding
from promotion.errors import ApprovalRefused, DeploymentRefused, NotDeployed, PromotionNotFound, Tampered, WrongState
from promotion.states import EVENTS, TRANSITIONS, State

OTHER = small_onnx(op="Neg")


def test_every_state_has_its_event_and_its_successors():
    assert set(TRANSITIONS) == set(EVENTS) == set(State)
    reached = {State.SUBMITTED} | {to for after in TRANSITIONS.values() for to in after}
    assert reached == set(State)


def test_versions_count_up_by_name_and_each_step_is_in_the_ledger(gate):
    first = gate.deployed()
    second = gate.submit(OTHER)
    assert (first.version, second.version) == (1, 2)
    assert gate.events() == [
        ("promotion:submitted", "done"), ("promotion:checks-started", "done"), *[("check:completed", "done")] * len(LOW),
        ("promotion:checks-passed", "done"), ("approval:signed", "done"),
        ("promotion:approved", "done"), ("model:deployed", "done"),
        ("promotion:submitted", "done"),
    ]  # fmt: skip


@pytest.mark.parametrize("state", list(State))
def test_no_step_is_possible_from_a_state_that_does_not_lead_there(gate, state):
    made = gate.submit()
    for to in State:
        gate.connection.execute("UPDATE promotion.requests SET state = %s WHERE id = %s", (state, made.id))
        if to in TRANSITIONS[state]:
            assert requests.move(gate.connection, made.id, to, actor=DANA, now=NOW).state is to
        else:
            with pytest.raises(WrongState):
                requests.move(gate.connection, made.id, to, actor=DANA, now=NOW)


def test_a_promotion_that_is_not_there_is_not_found(gate):
    with pytest.raises(PromotionNotFound):
        requests.get(gate.connection, "nothing")


def test_a_check_stored_twice_stands_once_with_its_findings_once(gate):
    made = gate.submit()
    for _ in range(2):
        gate.check(made, "leakage", "failed", (Finding("leakage-1", "high", "A name."),))
    assert len(requests.checks(gate.connection, made.id)) == len(requests.findings(gate.connection, made.id)) == 1
    assert gate.events().count(("check:completed", "failed")) == 1


def test_a_finding_is_its_authors_to_see_to_within_the_days_of_its_severity(gate):
    made = gate.submit()
    found = [Finding(f"leakage-{severity}", severity, "A name.") for severity in ("critical", "high", "medium", "low", "info")]
    gate.check(made, "leakage", "failed", tuple(found))
    due = {one["severity"]: (one["owner"], one["due"]) for one in requests.findings(gate.connection, made.id)}
    assert due == {
        "critical": ("dana", "2026-11-08"), "high": ("dana", "2026-11-15"), "medium": ("dana", "2026-12-01"),
        "low": ("dana", "2027-01-30"), "info": ("dana", None),
    }  # fmt: skip


def refusal(gate, promotion, **given) -> tuple[str, ...]:
    with pytest.raises(ApprovalRefused) as refused:
        gate.approve(promotion, **given)
    return refused.value.reasons


def test_nobody_approves_their_own_model_or_in_a_role_they_do_not_hold(gate):
    both = Actor("dana", "person", ("data-scientist", "model-validator"))
    promotion = gate.checked()
    assert "self_approval" in refusal(gate, promotion, by=both)
    assert refusal(gate, promotion, by=DANA) == ("role_not_permitted",)
    assert requests.approvals(gate.connection, promotion.id) == []


def test_an_approval_is_refused_while_a_check_is_missing_failed_or_a_finding_open(gate):
    assert refusal(gate, gate.checked(names=("artifact", "lineage"))) == ("check_missing",)
    failed = gate.checked(names=LOW[:3])
    gate.check(failed, "performance", "failed", (Finding("performance-1", "high", "Too low."),))
    assert refusal(gate, failed) == ("check_failed", "open_findings")
    noted = gate.checked(names=LOW[:3])
    gate.check(noted, "performance", "passed", (Finding("performance-psi-x", "medium", "Shifted."),))
    assert gate.approve(noted).state is State.APPROVED


def test_a_refused_approval_is_in_the_ledger_with_its_reasons(gate):
    promotion = gate.checked(names=("artifact",))
    try:
        gate.approve(promotion)
    except ApprovalRefused as refused:
        approvals.record_refusal(gate.connection, promotion.id, refused, by=VALERIE, now=NOW)
    assert gate.events()[-1] == ("approval:refused", "refused")


def test_a_medium_model_needs_two_people_in_two_roles(gate):
    names = (*LOW, "fairness")
    promotion = gate.checked(names=names, text=TEXT.replace("tier: low", "tier: medium"))
    assert gate.approve(promotion).state is State.AWAITING_APPROVAL
    both = Actor("valerie", "person", ("model-validator", "data-steward"))
    assert gate.approve(promotion, by=both, role="data-steward").state is State.AWAITING_APPROVAL
    assert gate.approve(promotion, by=Actor("victor", "person", ("model-validator",))).state is State.APPROVED


def test_the_signed_approval_names_the_model_contract_checks_and_policies(gate):
    promotion = gate.approve(gate.checked())
    row = gate.connection.execute("SELECT envelope FROM promotion.approvals WHERE request = %s", (promotion.id,)).fetchone()
    statement = verify_envelope(row[0], gate.keys())
    named = {subject.name: subject.digest for subject in statement.subjects}
    assert named["model"] == promotion.digest and named["contract"] == promotion.contract_digest
    assert named["policies"] == gate.policy.digest and {f"check/{name}" for name in LOW} <= set(named)
    assert statement.predicate["meaning"] == "reviewed" and statement.predicate["by"] == "valerie"


def test_an_approval_is_void_when_it_is_old_and_can_be_given_anew(gate):
    promotion = gate.approve(gate.checked())
    later = NOW + timedelta(days=31)
    with pytest.raises(DeploymentRefused) as refused:
        gate.deploy(promotion, now=later)
    assert refused.value.reasons == ("approvals_missing",)
    gate.approve(promotion, now=later)
    assert gate.deploy(promotion, now=later).state is State.DEPLOYED
    kept = gate.connection.execute(
        "SELECT envelope FROM promotion.approvals UNION ALL SELECT envelope FROM promotion.former_approvals"
    ).fetchall()
    assert len(kept) == 2  # the ledger rests on both, so an export needs both


def test_nothing_is_deployed_that_is_not_approved_or_whose_bytes_changed(gate):
    with pytest.raises(WrongState):
        gate.deploy(gate.checked())
    promotion = gate.approve(gate.checked())
    file = gate.store.folder(promotion.digest) / "model.onnx"
    file.chmod(0o644)
    file.write_bytes(OTHER)
    with pytest.raises(Tampered):
        gate.deploy(promotion)
    assert gate.store.deployed() == []


@pytest.mark.parametrize(
    ("by", "reasons"),
    [
        (Actor("steve", "person", ("data-scientist", "data-steward", "compliance-officer")), ("role_not_permitted",)),
        (Actor("dana", "person", ("data-scientist", "operator")), ("self_approval",)),
        (Actor("pipeline", "service", ("operator",)), ("role_not_permitted",)),
    ],
)
def test_policy_says_who_deploys_whatever_was_approved(gate, by: Actor, reasons: tuple[str, ...]):
    promotion = gate.approve(gate.checked())
    with pytest.raises(DeploymentRefused) as refused:
        gate.deploy(promotion, by=by)
    assert refused.value.reasons == reasons and refused.value.decision_id
    assert gate.store.deployed() == []
    assert gate.deploy(promotion, by=Actor("olga", "person", ("operator",))).state is State.DEPLOYED


def test_a_finding_opened_after_approval_stops_deployment(gate):
    promotion = gate.approve(gate.checked())
    gate.connection.execute("INSERT INTO promotion.findings VALUES (%s, 'late', 'critical', 'found', true)", (promotion.id,))
    with pytest.raises(DeploymentRefused) as refused:
        gate.deploy(promotion)
    assert refused.value.reasons == ("open_findings",)


def test_another_model_supersedes_the_first_and_rollback_brings_it_back(gate):
    first, second = gate.deployed(), gate.deployed(OTHER)
    assert requests.get(gate.connection, first.id).state is State.SUPERSEDED
    assert [one["digest"] for one in deployments.history(gate.connection, "readmission", "readmission")] == [
        second.digest,
        first.digest,
    ]
    back = deployments.earlier(gate.connection, "readmission", "readmission", digest=first.digest)
    assert gate.deploy(replace(first, id=back)).state is State.DEPLOYED
    folder, statement = gate.store.open_verified("readmission", "readmission", gate.keys())
    assert folder == gate.store.folder(first.digest) and statement.predicate["promotion"] == first.id
    assert len(deployments.current(gate.connection)) == 1
    with pytest.raises(NotDeployed):
        deployments.earlier(gate.connection, "readmission", "readmission", digest="sha256:" + "0" * 64)
    assert deployments.earlier(gate.connection, "readmission", "readmission", version=2) == second.id
    with pytest.raises(NotDeployed):
        deployments.earlier(gate.connection, "readmission", "readmission", version=3)


def test_rollback_to_a_model_whose_approvals_are_old_needs_them_anew(gate):
    first = gate.deployed()
    later = NOW + timedelta(days=40)
    gate.now = later
    gate.deployed(OTHER)
    with pytest.raises(DeploymentRefused):
        gate.deploy(first)
    assert gate.approve(first, by=SAM, role="data-steward").state is State.SUPERSEDED
    with pytest.raises(DeploymentRefused):
        gate.deploy(first)
    gate.approve(first)
    assert gate.deploy(first).state is State.DEPLOYED
