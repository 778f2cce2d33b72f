"""The reference pages say what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
assert SPEC and SPEC.loader
generate = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(generate)


@pytest.mark.parametrize("page", list(generate.PAGES))
def test_a_reference_page_is_what_the_code_says(page: str) -> None:
    assert (ROOT / "docs" / "reference" / f"{page}.md").read_text("utf-8") == generate.written(page), "run `make reference`"


def test_every_setting_and_every_reason_is_described() -> None:
    assert "None |" not in generate.written("settings")
    assert "Denied by policy" not in generate.written("reasons")
