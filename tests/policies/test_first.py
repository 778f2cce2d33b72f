"""The first branch of the decision, asked alone, says what the policies say without it, or nothing."""

from __future__ import annotations

from typing import Any

import pytest
import questions as q
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.bundle import ENTRYPOINT, Bundle
from policies.embedded import EmbeddedEngine
from policies.first import first_branch
from policies.native import Compiled, NoAnswer, Question
from policies.prepared import documents
from policies.wire import encoded

BUNDLE = Bundle.load()
DATA = documents(BUNDLE.data, encoded(q.DATASETS))
# All the rules but the short way, so that what it says is compared with what is said without it.
LONG = {**BUNDLE.modules, "rego/sallyport/usual.rego": "package sallyport.usual\n\ndecision := 1 if false\n"}
WHOLE = Compiled(LONG, DATA, ENTRYPOINT)
RULES = "package a\n\ndefault decision := 0\n\ndecision := said if {\n\tsaid := data.a.b.decision\n} else := 2\n"
OTHER = {
    "b": "package a.b\n\nimport data.a.c\n\ndecision := c.x\n",
    "c": "package a.c\n\nx := 1\n",
    "d": "package a.d\n\ny := 1\n",
}


def small() -> Compiled:
    found = first_branch(BUNDLE.modules, ENTRYPOINT)
    assert found is not None
    return Compiled(found[1], DATA, found[0])


SMALL = small()


def said(asked: Any) -> Any:
    try:
        return SMALL.answer(Question(asked))
    except NoAnswer:
        return None


def test_the_usual_question_is_decided_by_less_than_half_of_the_policies() -> None:
    found = first_branch(BUNDLE.modules, ENTRYPOINT)
    assert found and found[0] == "sallyport/usual/decision"
    assert len("".join(found[1].values())) < len("".join(BUNDLE.modules.values())) * 0.6
    assert said(q.live()) == WHOLE.answer(Question(q.live())) and said(q.live())["allow"]
    assert said(q.re_identification())["allow"]


@pytest.mark.parametrize("name", sorted(set(q.GOOD) - {"live", "re_identification"}))
def test_any_other_question_is_left_to_the_whole(name: str) -> None:
    assert said(q.GOOD[name]()) is None
    assert EmbeddedEngine(BUNDLE).ask(q.GOOD[name](), q.DATASETS)["allow"]


WRONG: tuple[Any, ...] = (None, True, 0, -1, 0.5, 2**53, "", "x", [], ["x"], [1], {}, {"x": 1}, [{}])
MORE = [
    *(("resource", name) for name in ("digest", "tier", "author", "unclassified", "checks", "findings", "approvals", "note")),
    *(("context", name) for name in ("break_glass", "promotion", "note")),
    *(("context", "grant", "approvals", 0, name) for name in ("open", "note")),
]


@pytest.mark.parametrize("place", [*q.places(q.live())[1:], *MORE], ids=lambda place: ".".join(map(str, place)))
def test_wherever_one_value_is_another_it_says_what_the_other_rules_say(place: tuple[Any, ...]) -> None:
    for wrong in WRONG:
        asked = holder = q.live()
        for key in place[:-1]:
            holder = holder[key]
        holder[place[-1]] = wrong
        told = said(asked)
        assert told is None or told == WHOLE.answer(Question(asked)), wrong


@st.composite
def nearly_usual(draw: st.DrawFn) -> Any:
    asked = draw(st.sampled_from([q.live, q.re_identification]))()
    for _ in range(draw(st.integers(0, 2))):
        asked = q.changed(draw, asked)
    return asked


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(nearly_usual())
def test_what_it_says_is_what_the_other_rules_say(asked: Any) -> None:
    told = said(asked)
    assert told is None or told == WHOLE.answer(Question(asked))


def test_nobody_is_not_somebody_whose_grant_names_nobody() -> None:
    asked = q.live()
    asked["subject"]["id"] = asked["context"]["grant"]["subject"] = ""
    assert said(asked) is None
    assert EmbeddedEngine(BUNDLE).ask(asked, q.DATASETS)["reasons"] == ["invalid_input"]


def test_only_what_the_first_branch_reaches_is_needed() -> None:
    assert first_branch({"a": RULES, **OTHER}, "a/decision") == ("a/b/decision", {"b": OTHER["b"], "c": OTHER["c"]})


@pytest.mark.parametrize("reached", ["data.a[input.x]", "data[input.x]", 'data["a"]', "data.a"])
def test_what_may_reach_anything_needs_everything(reached: str) -> None:
    modules = {"a": RULES, **OTHER, "b": f"package a.b\n\ndecision := {reached}\n"}
    found = first_branch(modules, "a/decision")
    assert found and found[1] == modules


@pytest.mark.parametrize(
    "rules",
    [
        RULES.replace("decision := said if {", "decision := 3 if input.x\n\ndecision := said if {"),
        RULES + "\ndecision := 4 if input.x\n",
        RULES + "\n  decision := 4 if input.x\n",
        RULES.replace("\tsaid :=", "\tinput.x\n\tsaid :="),
        RULES.replace("} else := 2", "}"),
        "package a\n\ndecision := 1\n",
        "package a\n\n# decision := said if { said := data.a.b.decision } else := 2\ndecision := 1\n",
    ],
)
def test_a_decision_that_does_not_begin_so_is_asked_whole(rules: str) -> None:
    assert first_branch({"a": rules, **OTHER}, "a/decision") is None


def test_so_is_one_that_a_second_file_adds_to() -> None:
    assert first_branch({"a": RULES, **OTHER, "e": "package a\n\ndecision := 4 if input.x\n"}, "a/decision") is None
