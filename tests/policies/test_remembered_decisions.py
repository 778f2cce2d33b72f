"""A question asked before is answered from memory, and only that very question under those very datasets."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import questions as q

from policies import remembered
from policies.bundle import Bundle
from policies.embedded import EmbeddedEngine
from policies.errors import EngineFailed
from policies.remembered import Asked, RememberingEngine


class Counting(EmbeddedEngine):
    """The embedded engine, which counts how often it is asked."""

    asked = 0

    def ask(self, input: Any, datasets: Mapping[str, Any]) -> Any:
        self.asked += 1
        return super().ask(input, datasets)


@pytest.fixture
def counting() -> Counting:
    return Counting(Bundle.load())


def test_the_same_question_is_answered_once(counting: Counting) -> None:
    engine = RememberingEngine(counting)
    first = engine.ask(q.live(), q.DATASETS)
    assert first == counting.ask(q.live(), q.DATASETS) and first["allow"]
    assert engine.ask(copy.deepcopy(q.live()), q.DATASETS) == first
    assert counting.asked == 2  # once by the engine, once by this test


@pytest.mark.parametrize("now", [q.NOW + 10_001, float(q.NOW), q.NOW + 0.5, True, str(q.NOW)])
def test_a_question_at_another_time_or_of_another_type_is_another(counting: Counting, now: Any) -> None:
    engine, other = RememberingEngine(counting), q.live()
    other["context"]["now"] = now
    engine.ask(q.live(), q.DATASETS)
    assert engine.ask(other, q.DATASETS) == counting.ask(other, q.DATASETS)
    assert counting.asked == 3


def test_other_datasets_forget_every_answer(counting: Counting) -> None:
    engine = RememberingEngine(counting)
    assert engine.ask(q.live(), q.DATASETS)["allow"]
    assert engine.ask(q.live(), {})["reasons"] == ["unknown_dataset"]
    assert engine.ask(q.live(), q.DATASETS)["allow"]


def test_memory_is_bounded_and_the_oldest_goes_first(counting: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST", 2)
    engine = RememberingEngine(counting)
    for name in ("a", "b", "c", "b", "c", "a"):
        engine.ask({"action": name}, q.DATASETS)
    assert counting.asked == 4


def test_what_is_no_json_value_fails_each_time_as_it_does_without_memory(counting: Counting) -> None:
    engine = RememberingEngine(counting)
    for _ in range(2):
        with pytest.raises(EngineFailed):
            engine.ask({"action": {1}}, {})
    assert counting.asked == 2


def test_a_key_that_is_no_text_is_not_taken_for_the_text_it_is_written_as(counting: Counting) -> None:
    engine = RememberingEngine(counting)
    engine.ask({"1": "a"}, q.DATASETS)
    with pytest.raises(EngineFailed):
        engine.ask({1: "a"}, q.DATASETS)


def test_one_asked_serves_two_engines(counting: Counting) -> None:
    asked = Asked(q.live())
    answers = [RememberingEngine(counting).ask(asked, q.DATASETS) for _ in range(2)]
    assert answers[0] == answers[1] and asked.held is asked.held
