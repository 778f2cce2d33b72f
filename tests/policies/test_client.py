"""Whatever an engine does, the client answers with a decision, and doubt denies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from policies.bundle import Bundle
from policies.client import PolicyClient
from policies.errors import EngineFailed

TERMS = {
    "columns": {"p.a": "clear"}, "row_filter": None, "ttl_seconds": 60, "log_statements": True, "review_within_seconds": None
}  # fmt: skip
GOOD = {"allow": True, "reasons": [], "obligations": TERMS}


class Engine:
    """Answers what it is given, or fails."""

    name = "given"
    bundle = Bundle({}, {}, "sha256:x")

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def ask(self, input: Any, datasets: Mapping[str, Any]) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def healthy(self) -> bool:
        return True


def decide(answer: Any) -> Any:
    return PolicyClient(Engine(answer)).decide({})


def test_a_well_formed_answer_is_the_decision() -> None:
    decision = decide(GOOD)
    assert decision.allow and decision.obligations == TERMS and decision.policy_digest == "sha256:x" and decision.decision_id


def test_reasons_are_sorted_and_said_once() -> None:
    assert decide({"allow": False, "reasons": ["b", "a", "b"], "obligations": {}}).reasons == ("a", "b")


def test_an_engine_that_fails_denies() -> None:
    assert decide(EngineFailed("x")).reasons == ("engine_unavailable",)


def terms(**changed: Any) -> dict[str, Any]:
    return GOOD | {"obligations": {name: value for name, value in (TERMS | changed).items() if value != "left out"}}


@pytest.mark.parametrize(
    "answer",
    [
        None, True, [], "allow", {}, {"allow": True},
        GOOD | {"allow": "true"}, GOOD | {"allow": 1}, GOOD | {"reasons": ["x"]}, GOOD | {"reasons": None},
        GOOD | {"reasons": "x"},
        GOOD | {"obligations": None}, GOOD | {"more": 1}, GOOD | {"allow": False},
        {"allow": False, "reasons": [1], "obligations": {}},
        terms(columns=["p.a"]), terms(columns={"p.a": "blur"}), terms(columns={"p.a": None}), terms(columns="left out"),
        terms(row_filter=5), terms(ttl_seconds=0), terms(ttl_seconds=-1), terms(ttl_seconds=None), terms(ttl_seconds=True),
        terms(ttl_seconds=1.5),
        terms(ttl_seconds=float("inf")), terms(log_statements=None), terms(review_within_seconds="soon"), terms(extra=1),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_one_to_trust_denies(answer: Any) -> None:
    decision = decide(answer)
    assert (decision.allow, decision.reasons, decision.obligations) == (False, ("invalid_answer",), {})


@pytest.mark.parametrize("obligations", [{}, {"min_k": 11, "min_l": 2, "max_prosecutor_risk": 0.09}])
def test_other_actions_have_other_terms(obligations: dict[str, Any]) -> None:
    assert decide(GOOD | {"obligations": obligations}).obligations == obligations
