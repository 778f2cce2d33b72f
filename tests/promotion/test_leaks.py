"""What training data shows of itself, on arrays made for it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from promotion import leaks

RANDOM = np.random.default_rng(3)
LABELS = RANDOM.integers(0, 2, 2_000).astype(bool)
WORDS = np.where(LABELS, "yes", "no").astype(object)


@pytest.mark.parametrize(
    ("values", "telling"),
    [
        (LABELS.astype(np.float32), True),
        (-LABELS.astype(np.float32), True),
        (np.where(LABELS, np.nan, RANDOM.normal(size=2_000)).astype(np.float32), True),
        (WORDS, True),
        (RANDOM.normal(size=2_000).astype(np.float32), False),
        (np.full(2_000, np.nan, np.float32), False),
        (RANDOM.choice(["a", "b"], 2_000).astype(object), False),
        (np.array([f"person {number}" for number in range(2_000)], dtype=object), False),
    ],
)
def test_an_input_tells_the_label_alone_or_does_not(values: np.ndarray, telling: bool) -> None:
    assert (leaks.alone(values, LABELS) > 0.99) is telling


def test_a_word_of_few_rows_counts_when_the_model_knows_it() -> None:
    words = np.array(["common"] * 11 + ["rare"] * 10 + ["unknown", ""], dtype=object)
    inputs = {"word": words, "number": np.zeros(23, np.float32)}
    assert leaks.rare(inputs, {"common", "rare", ""}) == {"word": 1}
    assert leaks.rare(inputs, {"common"}) == {}


def test_an_example_is_remembered_when_it_is_a_row_that_few_are_like() -> None:
    inputs = {
        "a": np.array([1.5] * 11 + [0.1, np.nan], np.float32),
        "b": np.arange(13, dtype=np.float32) // 11,
        "c": np.array(["x"] * 12 + [""], dtype=object),
    }
    single, common, other = {"a": 0.1, "b": 1, "c": "x"}, {"a": 1.5, "b": 0, "c": "x"}, {"a": 0.2, "b": 1, "c": "x"}
    missing = {"a": None, "b": [1.0], "c": None}
    assert leaks.remembered(inputs, [single, common, other, missing, {"a": 0.1}]) == 2
    assert leaks.remembered({name: inputs[name] for name in ("a", "b")}, [single]) == 0


@pytest.mark.parametrize(
    "value",
    [
        {"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]},
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1, "x"], [2, "y"]]}},
        {"dataframe_records": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]},
        [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}],
        {"inputs": {"a": [1, 2], "b": ["x", "y"]}},
        {"a": [1, 2], "b": ["x", "y"]},
    ],
)
def test_examples_are_read_in_each_form_they_are_written_in(tmp_path: Path, value: object) -> None:
    (tmp_path / "input_example.json").write_text(json.dumps(value))
    assert leaks.examples_in(tmp_path) == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


@pytest.mark.parametrize(
    "text", ["", "[", "7", '"x"', "[[1]]", "{}", '{"columns": 1, "data": [1]}', "[" * 100_000, "\x00", "\\ud800"]
)
def test_what_is_no_example_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "input_example.json").write_text(text)
    assert all(set(one) <= {"columns", "data"} for one in leaks.examples_in(tmp_path))
