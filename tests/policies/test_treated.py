"""Treatments worked out beforehand are those the rules would work out, and without them the answers are the same."""

from __future__ import annotations

from typing import Any

import questions as q
from hypothesis import HealthCheck, given, settings
from regopy import Interpreter, LogLevel

from policies.bundle import ENTRYPOINT, Bundle, documents
from policies.embedded import EmbeddedEngine, as_input
from policies.wire import decoded, encoded

BUNDLE = Bundle.load()
ENGINE = EmbeddedEngine(BUNDLE)


def worked_out_each_time(asked: Any, datasets: Any) -> Any:
    """The answer of the rules when they are given no `treated`."""
    source = Interpreter()
    source.log_level = LogLevel.NONE
    for name, text in BUNDLE.modules.items():
        source.add_module(name, text)
    source.add_data({**BUNDLE.data, "datasets": encoded(datasets)})
    compiled, interpreter = source.build(None, [ENTRYPOINT]), Interpreter()
    interpreter.set_input(as_input(asked))
    return decoded(interpreter.query_bundle_entrypoint(compiled, ENTRYPOINT).results[0].expressions[0])


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(q.questions(), q.datasets())
def test_the_answer_does_not_depend_on_what_was_worked_out_beforehand(asked: Any, datasets: Any) -> None:
    assert ENGINE.ask(asked, datasets) == worked_out_each_time(asked, datasets)


def test_every_good_read_is_treated_alike_either_way() -> None:
    for good in q.GOOD.values():
        assert ENGINE.ask(good(), q.DATASETS) == worked_out_each_time(good(), q.DATASETS)


def test_a_contract_or_table_out_of_shape_is_left_to_the_rules() -> None:
    broken: dict[str, Any] = {"a": {"columns": []}, "b": None, "c": {"columns": {"x": ["direct"], "y": "nothing", "z": "direct"}}}
    assert documents(BUNDLE.data, broken)["treated"] == {"c": {"z": "pseudonym"}}
    assert documents({"treatments": ["clear"]}, broken)["treated"] == {}


def test_what_is_worked_out_changes_no_digest() -> None:
    assert "treated" not in BUNDLE.data and documents(BUNDLE.data, {})["datasets"] == {}
