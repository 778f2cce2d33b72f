"""Challengers and shadows: put beside the champion by policy over approved bytes, and heard or answered as their stage says."""

from __future__ import annotations

import time

import pytest
from door_three import TEXT, VALERIE, Gate, subject
from fastapi.testclient import TestClient
from hostile_artefacts import small_onnx
from test_serving import ask, authenticate, infer

from promotion import stages
from promotion.errors import DeploymentRefused, NotComparable, NotDeployed, Tampered, WrongState
from promotion.loading import Models
from promotion.serving import create_app
from promotion.stages import Stage

NAME = ("readmission", "readmission")


def place(gate: Gate, promotion, stage: Stage, share: int = 0, by=VALERIE):
    with gate.connection.transaction():
        envelope = stages.place(
            gate.connection, promotion.id, stage, share=share, store=gate.store, by=by, subject=subject(by), signer=gate.signer,
            decide=gate.policy.decide, now=gate.now,
        )  # fmt: skip
    gate.store.deploy(*NAME, envelope, stage=stage)
    return envelope


@pytest.fixture
def beside(gate):
    """The gate with a champion that gives x, and an approved promotion that gives -x."""
    gate.deployed()
    return gate, gate.approve(gate.checked(small_onnx(op="Neg")))


@pytest.fixture
def client_of(gate):
    logged: list = []

    async def log(predictions):
        logged.extend(predictions)

    app = create_app(Models(gate.store, gate.keys), authenticate=authenticate, log=log)
    with TestClient(app, raise_server_exceptions=False, headers={"Authorization": "Bearer good"}) as client:
        yield client, logged


def answers(client, count: int) -> list[float]:
    return [infer(client, ask([2.0])).json()["outputs"][0]["data"][0] for _ in range(count)]


def test_a_shadow_hears_each_request_and_answers_none(beside, client_of):
    gate, other = beside
    place(gate, other, Stage.SHADOW, share=50)
    client, logged = client_of
    assert answers(client, 5) == [2.0] * 5
    until = time.monotonic() + 5
    while len(logged) < 10 and time.monotonic() < until:
        time.sleep(0.01)
    assert sorted((one.stage, one.output[0]) for one in logged) == [("champion", 2.0)] * 5 + [("shadow", -2.0)] * 5
    assert {one.digest for one in logged if one.stage == "shadow"} == {other.digest}


@pytest.mark.parametrize(("share", "fewest", "most"), [(0, 0, 0), (30, 30, 95), (100, 200, 200)])
def test_a_challenger_answers_its_share(beside, client_of, share, fewest, most):
    gate, other = beside
    place(gate, other, Stage.CHALLENGER, share=share)
    found = answers(client_of[0], 200)
    assert fewest <= found.count(-2.0) <= most
    assert all(one.stage == ("challenger" if one.output == [-2.0] else "champion") for one in client_of[1])


def test_each_step_is_in_the_ledger_and_ends_when_it_becomes_champion(beside):
    gate, other = beside
    place(gate, other, Stage.CHALLENGER, share=5)
    assert gate.events()[-1] == ("model:staged", "done")
    assert [(one["stage"], one["share"]) for one in stages.compared(gate.connection, *NAME)] == [("challenger", 5)]
    moved = gate.deploy(other)
    assert stages.leave(gate.connection, moved, by=VALERIE, now=gate.now) == [Stage.CHALLENGER]
    assert gate.events()[-1] == ("model:unstaged", "done") and stages.standing(gate.connection, *NAME) == []


def test_what_was_withdrawn_hears_no_more(beside, client_of):
    gate, other = beside
    place(gate, other, Stage.CHALLENGER, share=100)
    assert answers(client_of[0], 1) == [-2.0]
    stages.withdraw(gate.connection, *NAME, Stage.CHALLENGER, by=VALERIE, now=gate.now)
    gate.store.withdraw(*NAME, stage=Stage.CHALLENGER)
    time.sleep(1.1)
    assert answers(client_of[0], 1) == [2.0]
    with pytest.raises(NotDeployed):
        stages.withdraw(gate.connection, *NAME, Stage.CHALLENGER, by=VALERIE, now=gate.now)


def test_bytes_swapped_after_approval_stand_nowhere_and_in_the_store_are_not_used(beside, client_of):
    gate, other = beside
    file = gate.store.folder(other.digest) / "model.onnx"
    good = file.read_bytes()
    file.chmod(0o644)
    file.write_bytes(small_onnx(op="Abs"))
    with pytest.raises(Tampered):
        place(gate, other, Stage.CHALLENGER, share=100)
    file.write_bytes(good)
    place(gate, other, Stage.CHALLENGER, share=100)
    file.write_bytes(small_onnx(op="Abs"))
    assert answers(client_of[0], 3) == [2.0] * 3


def test_a_statement_for_one_stage_counts_in_no_other(beside, client_of):
    gate, other = beside
    envelope = place(gate, other, Stage.SHADOW)
    gate.store.deploy(*NAME, envelope)  # as somebody who can write to the store would
    answer = infer(client_of[0], ask([2.0]))
    assert (answer.status_code, answer.json()["code"]) == (503, "tampered")


def test_only_an_approved_model_with_the_champions_inputs_may_stand_there(beside):
    gate, _ = beside
    with pytest.raises(WrongState):
        place(gate, gate.checked(small_onnx(op="Abs")), Stage.SHADOW)
    lying = gate.approve(gate.checked(small_onnx(op="Abs"), text=TEXT.replace("type: float", "type: integer")))
    with pytest.raises(NotComparable):
        place(gate, lying, Stage.SHADOW)


def test_without_a_champion_nobody_stands_beside_one(gate):
    with pytest.raises(NotDeployed):
        place(gate, gate.approve(gate.checked()), Stage.SHADOW)


def test_policy_is_asked_again(beside):
    gate, other = beside
    gate.now = gate.now.replace(year=gate.now.year + 1)  # its approvals are too old by now
    with pytest.raises(DeploymentRefused):
        place(gate, other, Stage.CHALLENGER, share=1)
    assert stages.standing(gate.connection, *NAME) == []
