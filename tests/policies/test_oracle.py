"""The Rego answers like POLICY.md told again in Python, over questions nobody thought of."""

from __future__ import annotations

from typing import Any

import oracle
import questions as q
from hypothesis import HealthCheck, given, settings

from policies.bundle import Bundle
from policies.embedded import EmbeddedEngine

ENGINE = EmbeddedEngine(Bundle.load())
CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much]


@settings(max_examples=2000, deadline=None, suppress_health_check=CHECKS, database=None)
@given(q.questions())
def test_the_policies_answer_each_question_as_the_text_does(asked: Any) -> None:
    assert ENGINE.ask(asked, q.DATASETS) == oracle.decide(asked, q.DATASETS)


@settings(max_examples=200, deadline=None, suppress_health_check=CHECKS, database=None)
@given(q.questions(), q.datasets())
def test_they_do_under_any_contract(asked: Any, datasets: Any) -> None:
    assert ENGINE.ask(asked, datasets) == oracle.decide(asked, datasets)


def test_the_oracle_itself_allows_each_good_question() -> None:
    assert all(oracle.decide(good(), q.DATASETS)["allow"] for good in q.GOOD.values())
