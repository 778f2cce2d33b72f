"""What is worked out of contracts beforehand is what the rules would work out, and without it the answers are the same."""

from __future__ import annotations

from typing import Any

import pytest
import questions as q
from hypothesis import HealthCheck, given, settings

from policies.bundle import ENTRYPOINT, Bundle
from policies.embedded import EmbeddedEngine
from policies.native import Compiled, Question
from policies.prepared import documents
from policies.server import ServerEngine
from policies.wire import encoded

BUNDLE = Bundle.load()
ENGINE = EmbeddedEngine(BUNDLE)


def worked_out_each_time(asked: Any, datasets: Any) -> Any:
    """The answer of the rules when nothing is worked out beforehand."""
    compiled = Compiled(BUNDLE.modules, {**BUNDLE.data, "datasets": encoded(datasets)}, ENTRYPOINT)
    return compiled.answer(Question(asked))


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(q.questions(), q.datasets())
def test_the_answer_does_not_depend_on_what_was_worked_out_beforehand(asked: Any, datasets: Any) -> None:
    assert ENGINE.ask(asked, datasets) == worked_out_each_time(asked, datasets)


def test_every_good_read_is_treated_alike_either_way() -> None:
    for good in q.GOOD.values():
        assert ENGINE.ask(good(), q.DATASETS) == worked_out_each_time(good(), q.DATASETS)


SOUND = {"purposes": ["p"], "max_ttl": 60, "columns": {"x": "direct", "y": "quasi"}}


def test_a_sound_contract_has_its_treatments_and_how_many_must_approve_all_of_it() -> None:
    assert documents(BUNDLE.data, {"c": SOUND})["contracts"] == {
        "c": {
            "sound": True, "treated": {"x": "pseudonym", "y": "generalise"}, "clear": {"x": "clear", "y": "clear"},
            "approvers": 2, "longest": 60,
        }
    }  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"columns": []}, {"columns": {"a\nb": "direct"}}, {"purposes": "p"}, {"purposes": [1]}, {"max_ttl": 0}, {"max_ttl": True},
        {"max_ttl": 0.5}, {"max_ttl": 2**53}, {"row_filters": None}, {"row_filters": {"p": 1}},
    ],
)  # fmt: skip
def test_a_contract_out_of_shape_is_left_to_the_rules(change: dict[str, Any]) -> None:
    assert documents(BUNDLE.data, {"c": SOUND | change})["contracts"] == {}


def test_so_is_a_table_out_of_shape() -> None:
    assert documents({"treatments": ["clear"]}, {"c": SOUND})["contracts"] == {}
    assert "longest" not in documents({**BUNDLE.data, "limits": {"live_ttl_seconds": True}}, {"c": SOUND})["contracts"]["c"]
    assert "approvers" not in documents({**BUNDLE.data, "approvers_needed": {"direct": 2}}, {"c": SOUND})["contracts"]["c"]


def test_nobody_approves_alone_whatever_the_table_says() -> None:
    needed = dict.fromkeys(BUNDLE.data["approvers_needed"], 0)
    assert documents({**BUNDLE.data, "approvers_needed": needed}, {"c": SOUND})["contracts"]["c"]["approvers"] == 1


def test_a_class_that_is_none_has_no_treatment() -> None:
    contract = SOUND | {"columns": {"x": ["direct"], "y": "nothing", "z": "direct"}}
    assert documents(BUNDLE.data, {"c": contract})["contracts"]["c"]["treated"] == {"z": "pseudonym"}


def test_what_is_worked_out_changes_no_digest() -> None:
    assert "contracts" not in BUNDLE.data and documents(BUNDLE.data, {})["datasets"] == {}


LINED = {"clinic": q.DATASETS["clinic"] | {"columns": {"a": "quasi", "b": "quasi", "a\nb": "quasi", "b\na": "quasi"}}}
PLAIN = {"clinic": q.DATASETS["clinic"] | {"columns": {"a": "quasi", "b": "quasi", "c": "quasi"}}}


LINES = [
    (PLAIN, ["a", "b"], ["a", "b"], True), (PLAIN, ["b", "a"], ["a", "b"], True), (PLAIN, ["a", "b"], ["a\nb"], False),
    (PLAIN, ["a", "b", "c"], ["a\nb", "c"], False), (PLAIN, ["a", "a"], ["a"], True), (PLAIN, ["a"], ["a", ""], True),
    (LINED, ["a\nb", "a"], ["a", "b\na"], False), (LINED, ["a\nb"], ["a", "b"], False), (LINED, ["a\nb"], ["a\nb"], True),
]  # fmt: skip


def granted(asked: list[str], columns: list[str]) -> Any:
    question = q.live(*asked)
    question["context"]["grant"]["columns"] = columns
    return question


@pytest.mark.parametrize(("datasets", "asked", "columns", "covered"), LINES)
def test_columns_whose_names_run_over_lines_are_not_taken_for_others(
    datasets: Any, asked: list[str], columns: list[str], covered: bool
) -> None:
    assert ENGINE.ask(granted(asked, columns), datasets)["allow"] is covered


def test_nor_are_they_by_an_opa_server(opa_server: Any) -> None:
    server = ServerEngine(opa_server.url, BUNDLE)
    for datasets, asked, columns, covered in LINES:
        assert server.ask(granted(asked, columns), datasets)["allow"] is covered
