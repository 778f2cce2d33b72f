"""Evidence is taken over for the same inputs only, signed, passed, of this project and not too old."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from door_three import CHECKER, NOW, LocalSigner

from compliance.attestations import Statement, Subject, sign_statement
from promotion import requests, reuse
from promotion.checks.context import CheckContext, CheckResult, Finding
from promotion.model_contracts import load_model_contract
from promotion.tracking import TrackedRun

NOTE = Finding("leakage-rare-x", "medium", "A note.")


def context(promotion, **changed):
    run = TrackedRun("r1", "dana", ("sha256:s",), {}, {}, {})
    given = CheckContext(
        folder=None, digest=promotion.digest, contract=load_model_contract(promotion.contract), project="readmission", run=run,
        snapshots={"sha256:s": (None, None)}, holdouts={}, live=None, quality={}, run_isolated=None, find_personal_data=None,
        limits={"seconds": 20.0}, shadows=None, work=None,
    )  # fmt: skip
    return replace(given, **changed)


def sign(gate, promotion, name="leakage", outcome="passed", signer=None, **said):
    """The check's evidence stands with the promotion."""
    result = CheckResult(name, outcome, promotion.digest, "checked", (replace(NOTE, id=f"{name}-rare-x"),), {"files": 1})
    predicate = result.as_json() | {"inputs": wanted(promotion, name), "made_at": int(NOW.timestamp()), "promotion": promotion.id}
    envelope = sign_statement(Statement((Subject("model", promotion.digest),), "check", predicate | said), signer or gate.signer)
    requests.store_check(gate.connection, promotion, result, envelope=envelope, seconds=0.1, actor=CHECKER, now=NOW)


def wanted(promotion, name="leakage", **changed):
    return reuse.inputs(context(promotion, **changed), name, also={"text_engine": "small"})


def found(gate, promotion, name="leakage", now=NOW, **changed):
    return reuse.find(gate.connection, promotion, name, wanted(promotion, name, **changed), public_keys=gate.keys(), now=now)


def test_the_same_bytes_under_other_words_take_over_what_was_signed_and_open_its_findings_again(gate):
    first = gate.submit()
    sign(gate, first)
    second = gate.submit(text=first.contract.replace("Ranks patients.", "Ranks visits.").replace("above: 0.5", "above: 0.6"))
    earlier = found(gate, second)
    assert earlier and earlier.promotion == first.id and earlier.made_at == int(NOW.timestamp())
    assert earlier.result.findings == (NOTE,) and earlier.result.evidence == {"files": 1}
    requests.store_check(
        gate.connection, second, earlier.result, envelope={"payload": ""}, seconds=0.0, actor=CHECKER, now=NOW,
        refs={"reused_from": first.id},
    )  # fmt: skip
    assert [one["open"] for one in requests.findings(gate.connection, second.id)] == [True]
    assert found(gate, first) is None, "a submission is no evidence for itself"


@pytest.mark.parametrize("old, new", [("SELECT label, x", "SELECT label, x + 1 AS x"), ("max: 100", "max: 99")])
def test_another_query_or_input_is_another_check(gate, old, new):
    first = gate.submit()
    sign(gate, first)
    sign(gate, first, name="artifact")
    second = gate.submit(text=first.contract.replace(old, new))
    assert found(gate, second) is None
    assert found(gate, second, "artifact"), "the scan reads the bytes alone"


def test_other_snapshots_limits_or_bytes_are_another_check(gate):
    first = gate.submit()
    sign(gate, first)
    second = gate.submit()
    assert found(gate, second)
    for changed in (
        {"snapshots": {}}, {"holdouts": {"sha256:s": None}}, {"limits": {"seconds": 21.0}}, {"run": None},
        {"digest": "sha256:other"},
    ):  # fmt: skip
        assert found(gate, second, **changed) is None, changed


def test_nothing_is_taken_over_that_failed_is_old_unsigned_or_of_another_project(gate):
    first = gate.submit()
    sign(gate, first, outcome="failed")
    second = gate.submit()
    assert found(gate, second) is None
    sign(gate, second, signer=LocalSigner(seed=2))
    third = gate.submit()
    assert found(gate, third) is None
    sign(gate, third)
    fourth = gate.submit()
    assert found(gate, fourth) and found(gate, fourth, now=NOW + timedelta(days=30))
    assert found(gate, fourth, now=NOW + timedelta(days=31)) is None
    assert found(gate, replace(fourth, project="other")) is None


def test_a_check_that_reads_live_rows_is_made_each_time(gate):
    first = gate.submit()
    for name in ("performance", "data-quality", "fairness", "explanation", "lineage"):
        assert wanted(first, name) is None
        sign(gate, first, name=name)
        assert found(gate, gate.submit(), name) is None
