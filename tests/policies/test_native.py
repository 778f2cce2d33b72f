"""What goes into the embedded engine is what policy was asked, and what cannot go in is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.native import Compiled, NoAnswer, Question
from policies.wire import decoded, encoded, plain, plain_all

ECHO = Compiled({"echo.rego": "package echo\n\nx := input\n"}, {}, "echo/x")
TEXTS = st.text(max_size=6) | st.sampled_from(["~", "~61", "a\x00", "\n", "p.birth", "", '"', "\\", "\ud800"])
LEAVES = TEXTS | st.booleans() | st.none() | st.integers() | st.floats(allow_nan=False)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=20
)


@settings(max_examples=300, deadline=None, database=None)
@given(VALUES)
def test_a_value_comes_back_as_it_went_in(value: Any) -> None:
    assert ECHO.answer(Question(value)) == decoded(encoded(value))


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(TEXTS, max_size=4))
def test_texts_made_plain_together_are_those_made_plain_one_by_one(texts: list[str]) -> None:
    assert plain_all(texts) in (None, tuple(plain(text) for text in texts))


def test_most_lists_are_made_plain_together() -> None:
    assert plain_all(["p.birth", "p.ssn", ""]) == (b"p.birth", b"p.ssn", b"")
    assert plain_all(["p.birth", 1]) is None  # type: ignore[list-item]


@pytest.mark.parametrize("value", [{1: "a"}, {"a": {1}}, b"a", object(), ["a", b"b"], {"a": {None: 1}}])
def test_what_is_no_json_value_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        Question(value)


def test_an_answer_longer_than_the_room_for_it_is_read_whole() -> None:
    long = ["x" * 1_000] * 200
    assert ECHO.answer(Question(long)) == long
    assert ECHO.answer(Question("short")) == "short"


def test_modules_that_do_not_compile_and_entrypoints_without_a_value_give_no_answer() -> None:
    with pytest.raises(NoAnswer):
        Compiled({"a.rego": "package a\n\nx := \n"}, {}, "a/x")
    with pytest.raises(NoAnswer):
        Compiled({"a.rego": "package a\n\nx := 1 if input.y\n"}, {}, "a/x").answer(Question({}))
