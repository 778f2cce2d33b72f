"""What is asked in production is compared with the training rows: found when it moved, silent when it did not."""

from __future__ import annotations

import json

import numpy as np
import pytest
from door_three import CHECKER, NOW, TEXT
from fastapi.testclient import TestClient
from pydantic import ValidationError
from test_serving import authenticate

from compliance.attestations import Statement, Subject, sign_statement
from promotion import requests
from promotion.checks.context import CheckResult
from promotion.drift import Column, Profile, beyond_chance, is_profile, profile, psi
from promotion.errors import InvalidModelContract
from promotion.loading import Models
from promotion.model_contracts import load_model_contract
from promotion.monitoring import drifts, watch
from promotion.predictions import keep
from promotion.serving import create_app

DRIFT = TEXT + "  - {metric: drift, window: 1h, above: 0.2}\n"


def rows(seed, count=2_000, low=10.0, word="a"):
    random = np.random.default_rng(seed)
    words = np.where(random.uniform(size=count) < 0.7, word, "b").astype(object)
    return {"x": random.uniform(low, low + 50, count).astype(np.float32), "w": words}


def made(inputs, scores=None):
    scores = inputs["x"] / 100 if scores is None else scores
    return Profile.model_validate(profile(inputs, scores, fewest=11))


def counted(found, inputs):
    bins = {}
    for key, number in found.count(inputs, (inputs["x"] / 100).tolist()).items():
        name, _, place = key.partition(":")
        bins.setdefault(name, {})[int(place)] = number
    return bins


def test_equal_rows_lie_within_chance_and_moved_ones_do_not():
    found = made(rows(1))
    for count in (20, 60, 500, 5_000):
        same, moved = counted(found, rows(2, count)), counted(found, rows(3, count, low=40.0, word="c"))
        assert [beyond_chance(found, name, same) for name in ("x", "w", "")] == [0.0, 0.0, 0.0], count
        assert all(beyond_chance(found, name, moved) > 1.0 for name in ("x", "w", "")), count


def test_chance_alone_seldom_breaks_a_rule():
    found = made(rows(1))
    broken = [beyond_chance(found, "x", counted(found, rows(seed, 40))) > 0.2 for seed in range(100, 300)]
    assert sum(broken) <= 3


def test_values_that_are_missing_more_often_are_drift():
    inputs = rows(1)
    found, now = made(inputs), rows(2, 200)
    now["x"][:60] = np.nan
    now["w"][:60] = ""
    bins = counted(found, now)
    assert bins["x"][len(found.inputs["x"].counts) - 1] == bins["w"][len(found.inputs["w"].counts) - 1] == 60
    assert beyond_chance(found, "x", bins) > 0.2 and beyond_chance(found, "w", bins) > 0.2


def test_a_profile_tells_of_no_few_persons():
    inputs = rows(1, 300)
    inputs["w"][:10] = "rare"
    inputs["x"][:10] = np.nan
    found = made(inputs)
    assert "rare" not in found.inputs["w"].words and "rare" not in json.dumps(found.model_dump(mode="json"))
    counts = [number for column in (*found.inputs.values(), found.score) for number in column.counts]
    assert all(number == 0 or (number >= 10 and number % 5 == 0) for number in counts)
    assert found.inputs["x"].counts[-1] == found.inputs["w"].counts[-2] == 0
    assert profile(rows(1, 99), np.zeros(99), fewest=11) is None


@pytest.mark.parametrize("scale", [1e-7, 1.0, 1e9])
def test_a_profile_sees_a_shift_at_any_scale(scale):
    found = Profile.model_validate(profile({"x": rows(1)["x"] * scale}, np.zeros(2_000), fewest=11))
    column = found.inputs["x"]
    assert len(column.edges) == 9
    moved = np.bincount(column.codes((rows(2, low=40.0)["x"] * scale).astype(np.float32)))
    assert psi(column, dict(enumerate(moved.tolist()))) > 1


@pytest.mark.parametrize(
    "column",
    [
        {"edges": [2.0, 1.0], "counts": [5, 5, 5, 0]}, {"edges": [1.0], "counts": [5, 5]}, {"counts": [0, 0]},
        {"words": {"a": 1}, "counts": [5, 5, 5]}, {"edges": [1.0], "words": {"a": 0}, "counts": [5, 5, 5]},
        {"counts": [-5, 10]}, {"edges": [float("nan")], "counts": [5, 5, 5]}, {"counts": [5, 5], "more": 1},
    ],
)  # fmt: skip
def test_what_is_no_profile_is_refused(column):
    with pytest.raises(ValidationError):
        Column.model_validate(column)
    assert not is_profile({"inputs": {"x": column}, "score": {"counts": [5, 5]}}, load_model_contract(DRIFT))


def test_drift_stands_for_every_input_and_the_output_without_a_rule_of_their_own():
    contract = load_model_contract(DRIFT + "  - {metric: output_drift, window: 1d, above: 0.5}\n")
    found = {rule.metric: (rule.window, rule.above) for rule in contract.rules if rule.drifts}
    assert found == {"drift:x": ("1h", 0.2), "output_drift": ("1d", 0.5)}
    assert contract.watches_drift and not load_model_contract(TEXT).watches_drift
    with pytest.raises(InvalidModelContract, match="not there"):
        load_model_contract(TEXT + '  - {metric: "drift:z", window: 1h, above: 0.2}\n')


def deployed(gate, text=DRIFT, training=None):
    """A model in production whose performance check holds the profile of its training rows."""
    promotion = gate.checked(names=("artifact", "lineage", "data-quality", "leakage"), text=text)
    inputs = {"x": rows(1)["x"]}
    evidence = {"training": training or profile(inputs, inputs["x"], fewest=11)}
    result = CheckResult("performance", "passed", promotion.digest, "checked", (), evidence)
    envelope = sign_statement(Statement((Subject("model", promotion.digest),), "check", result.as_json()), gate.signer)
    requests.store_check(gate.connection, promotion, result, envelope=envelope, seconds=0.1, actor=CHECKER, now=NOW)
    gate.connection.commit()
    return gate.deploy(gate.approve(promotion))


def asked(gate, values):
    """What the model server logged of a request with these values."""
    logged = []

    async def log(predictions):
        logged.extend(predictions)

    app = create_app(Models(gate.store, gate.keys), authenticate=authenticate, log=log)
    body = {"inputs": [{"name": "x", "shape": [len(values)], "datatype": "FP32", "data": values}]}
    with TestClient(app, headers={"Authorization": "Bearer good"}) as client:
        assert client.post("/v2/models/readmission/infer", json=body).status_code == 200
    return logged


def test_an_alert_is_raised_for_shifted_inputs_and_none_for_equal_ones(gate):
    promotion = deployed(gate)
    alerts = []
    for seed, low in ((5, 10.0), (6, 45.0)):
        logged = asked(gate, rows(seed, 400, low)["x"].tolist())
        assert sum(number for key, number in logged[0].bins.items() if key.startswith("x:")) == 400
        keep(gate.connection, logged, NOW)
        alerts.append({one.metric for one in watch(gate.connection, NOW)} - {"positive_rate", "latency_p99_ms"})
    assert alerts == [set(), {"drift:x", "output_drift"}]
    findings = [one for one in requests.findings(gate.connection, promotion.id) if "drift" in one["detail"]]
    assert len(findings) == 2 and all(one["open"] and one["check"] == "monitoring" for one in findings)
    assert gate.events().count(("alert:raised", "done")) >= 2
    seen = {one.name: one for one in drifts(gate.connection, promotion.project, promotion.name, until=NOW)}
    assert set(seen) == {"x", ""} and seen["x"].rows == 800 and seen["x"].psi > 0.2
    assert sum(before for _, before, _ in seen["x"].shares) == pytest.approx(1)
    assert sum(now for _, _, now in seen["x"].shares) == pytest.approx(1)


def test_what_is_no_profile_is_not_deployed_and_the_model_is_served_and_watched_without_it(gate):
    deployed(gate, training={"inputs": {}, "score": {"counts": [5, 5]}})
    logged = asked(gate, [1.0] * 50)
    assert logged[0].bins is None
    keep(gate.connection, logged, NOW)
    assert not {one.metric for one in watch(gate.connection, NOW)} & {"drift:x", "output_drift"}


def test_of_a_model_whose_contract_does_not_ask_for_drift_no_bins_are_kept(gate):
    deployed(gate, TEXT)
    assert asked(gate, [1.0, 2.0])[0].bins is None
