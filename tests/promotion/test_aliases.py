"""MLflow's alias follows production, through every crash, and who moves it otherwise is reported and undone."""

from __future__ import annotations

import pytest
from door_three import DANA, NOW
from hostile_artefacts import small_onnx

from promotion import aliases, requests


class Registry:
    """A registry in memory that can fail at any step."""

    def __init__(self):
        self.versions, self.aliases, self.fails = {}, {}, ""

    def register(self, name, run_id, digest):
        self.step("register")
        return self.versions.setdefault((name, digest), str(len(self.versions) + 1))

    def alias(self, name, alias):
        self.step("alias")
        return self.aliases.get((name, alias))

    def set_alias(self, name, alias, version):
        self.step("set_alias")
        self.aliases[name, alias] = version

    def step(self, name):
        if self.fails == name:
            raise ConnectionError


@pytest.fixture
def registry():
    return Registry()


def follow(gate, registry):
    [one] = aliases.standing(gate.connection)
    return aliases.follow(gate.connection, one, registry, NOW)


def open_findings(gate, promotion):
    return [one for one in requests.findings(gate.connection, promotion.id) if one["check"] == "monitoring"]


def test_the_alias_names_what_is_in_production(gate, registry):
    gate.deployed()
    assert [follow(gate, registry) for _ in range(2)] == [False, False]
    assert registry.aliases == {("readmission", "champion"): "1"}
    gate.deployed(small_onnx(op="Neg"))
    assert not follow(gate, registry) and registry.aliases == {("readmission", "champion"): "2"}
    assert [event for event, _ in gate.events()].count("model:alias-moved") == 2


@pytest.mark.parametrize("elsewhere", ["7", None])
def test_a_change_by_somebody_else_is_a_finding_in_the_ledger_and_undone(gate, registry, elsewhere):
    promotion = gate.deployed()
    follow(gate, registry)
    registry.aliases["readmission", "champion"] = elsewhere
    assert follow(gate, registry) is True
    assert registry.aliases["readmission", "champion"] == "1"
    [found] = open_findings(gate, promotion)
    assert found["open"] and found["owner"] == DANA.id and "champion" in found["detail"]
    assert gate.events()[-1] == ("model:alias-changed", "failed")
    assert follow(gate, registry) is False and len(open_findings(gate, promotion)) == 1


@pytest.mark.parametrize("step", ["register", "set_alias", "alias"])
def test_what_was_begun_when_the_registry_failed_is_ended_and_never_taken_for_somebodys_change(gate, registry, step):
    promotion = gate.deployed()
    gate.connection.commit()
    registry.fails = step
    for _ in range(2):
        try:
            follow(gate, registry)
        except ConnectionError:
            gate.connection.rollback()
    registry.fails = ""
    assert follow(gate, registry) is False
    assert registry.aliases == {("readmission", "champion"): "1"} and open_findings(gate, promotion) == []
    assert [event for event, _ in gate.events()].count("model:alias-moved") == 1


def test_a_model_without_a_tracked_run_has_no_alias(gate, registry):
    gate.deployed()
    gate.connection.execute("UPDATE promotion.requests SET run_id = NULL")
    assert aliases.standing(gate.connection) == []
