"""Production is watched: predictions kept, rules evaluated over windows, alerts raised and ended once."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
from door_three import NOW

from promotion import requests
from promotion.model_contracts import Alert
from promotion.monitoring import Raised, Window, evaluate, watch, window
from promotion.predictions import Prediction, keep

MODEL = ("readmission", "readmission")


def prediction(digest, rows=10, positives=0, missing=0, latency=5.0):
    return Prediction(
        str(uuid4()), MODEL, digest, "pipeline", rows, "sha256:0", [0.1], latency, positives, {"x": missing} if missing else {}
    )


@pytest.mark.parametrize(
    ("metric", "above", "found", "raised"),
    [
        ("positive_rate", 0.1, Window(100, 11, 5, {}), 0.11),
        ("positive_rate", 0.1, Window(100, 10, 5, {}), None),
        ("missing:x", 0.05, Window(100, 0, 5, {"x": 6}), 0.06),
        ("missing:x", 0.05, Window(100, 0, 5, {"y": 60}), None),
        ("latency_p99_ms", 100, Window(100, 0, 101, {}), 101),
        ("positive_rate", 0.1, Window(19, 19, 5, {}), None),
        ("positive_rate", 0.0, Window(0, 0, 0, {}), None),
    ],
)
def test_a_rule_is_broken_above_its_limit_and_only_by_enough_rows(metric, above, found, raised):
    rule = Alert(metric=metric, window="1h", above=above)
    assert evaluate([rule], {"1h": found}) == ([] if raised is None else [Raised(metric, raised, above)])


def test_a_window_holds_what_was_predicted_in_it_by_that_model_and_nothing_else(gate):
    digest = gate.deployed().digest
    for minutes in (0, 30, 59, 60, 61):
        keep(
            gate.connection,
            [prediction(digest, positives=1, missing=2, latency=float(minutes))],
            NOW - timedelta(minutes=minutes),
        )
    keep(gate.connection, [prediction("sha256:other", rows=1_000)], NOW)
    found = window(gate.connection, MODEL, digest, since=NOW - timedelta(hours=1), until=NOW)
    assert found == Window(30, 3, 59.0, {"x": 6})


def test_an_alert_is_raised_once_ended_once_and_both_are_in_the_ledger(gate):
    promotion = gate.deployed()
    digest = promotion.digest
    assert watch(gate.connection, NOW) == []
    keep(gate.connection, [prediction(digest, rows=30, positives=20, missing=9) for _ in range(3)], NOW)
    raised = watch(gate.connection, NOW)
    assert {(one.metric, round(one.value, 2)) for one in raised} == {("positive_rate", 0.67), ("missing:x", 0.3)}
    opened = requests.findings(gate.connection, promotion.id)
    assert {(one["severity"], one["open"], one["check"]) for one in opened} == {("medium", True, "monitoring")} and len(
        opened
    ) == 2
    assert watch(gate.connection, NOW + timedelta(minutes=1)) == []
    assert watch(gate.connection, NOW + timedelta(minutes=11)) == []
    assert gate.events()[-1] == ("alert:over", "done")
    assert sorted(one["open"] for one in requests.findings(gate.connection, promotion.id)) == [False, True]
    assert watch(gate.connection, NOW + timedelta(hours=2)) == []
    assert [event for event, _ in gate.events() if event.startswith("alert")] == [
        "alert:raised", "alert:raised", "alert:over", "alert:over",
    ]  # fmt: skip


def test_alerts_of_a_model_that_was_replaced_are_over(gate):
    from hostile_artefacts import small_onnx

    digest = gate.deployed().digest
    keep(gate.connection, [prediction(digest, rows=30, positives=30)], NOW)
    assert len(watch(gate.connection, NOW)) == 1
    gate.deployed(small_onnx(op="Neg"))
    assert watch(gate.connection, NOW) == []
    assert gate.connection.execute("SELECT count(*) FROM promotion.alerts WHERE over_at IS NULL").fetchone() == (0,)


def test_signatures_that_have_grown_old_are_an_alert_until_they_are_given_anew(gate):
    promotion = gate.deployed()
    days = {"low": 30, "high": 3}
    assert watch(gate.connection, NOW + timedelta(days=30), attest_days=days) == []
    raised = watch(gate.connection, NOW + timedelta(days=31), attest_days=days)
    assert [(one.metric, one.value, one.above) for one in raised] == [("attestation_age_days", 31.0, 30.0)]
    assert [one["open"] for one in requests.findings(gate.connection, promotion.id)] == [True]
    gate.connection.commit()
    gate.approve(promotion, now=NOW + timedelta(days=31))
    assert watch(gate.connection, NOW + timedelta(days=32), attest_days=days) == []
    assert gate.events()[-1] == ("alert:over", "done")
    assert [one["open"] for one in requests.findings(gate.connection, promotion.id)] == [False]


def test_policy_says_for_every_tier_when_a_model_is_attested_again(policy):
    data = policy.engine.bundle.data
    assert set(data["promotion"]["attest_again_days"]) == set(data["tiers"])
