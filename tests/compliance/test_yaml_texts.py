"""YAML that is handed in: one meaning, and no more values than the text is long."""

from __future__ import annotations

import pytest

from compliance.yaml_texts import DEEPEST, InvalidYaml, load_yaml

LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1),
        "{a: " * (DEEPEST + 1) + "1" + "}" * (DEEPEST + 1),
        LAUGHS,
        "a: &a [*a]",
        "a: &a {<<: *a}",
        "a: 1\na: 2",
        "- {a: {b: 1, b: 2}}",
        "{",
        "a: !!python/object/apply:os.getcwd []",
        "a: 2026-99-99",
        "? [a]\n: 1",
        "a: " + "1" * 5_000,
        "a: b\x00",
    ],
)
def test_a_yaml_that_grows_nests_repeats_a_key_or_builds_objects_is_refused(text: str) -> None:
    with pytest.raises(InvalidYaml):
        load_yaml(text)


def test_what_people_write_is_read_with_its_aliases_and_merges() -> None:
    text = "base: &base {a: 1, b: [x, 2.5, true, null]}\nother: {<<: *base, a: 3}\nagain: [*base, *base]"
    base = {"a": 1, "b": ["x", 2.5, True, None]}
    assert load_yaml(text) == {"base": base, "other": {"a": 3, "b": base["b"]}, "again": [base, base]}
    assert load_yaml("[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)) is not None
    assert load_yaml("") is None
