"""Uploads over HTTP to a running stack: names that are no model's are refused with a sentence, and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from door_three import TEXT

from gateway.client import Gateway, Refusal

GOOD = "model.onnx"


def stored(home: Path) -> set[str]:
    """What stands in the model store and in staging."""
    return {str(path) for folder in ("models", "staging") for path in (home / folder).rglob("*")}


@pytest.mark.parametrize(
    "names",
    [
        (GOOD, GOOD), ("a/b", "a//b"), ("a", "a/b"), ("a/b/c", "a/b"), ("n" * 201,), ("é" * 101,), ("d/" * 600 + "x",),
        ("../x",), ("a/../x",), ("/x",), ("..",), (".",), ("a\\b",), ("a\u202eb",), ("n" * 1_000,),
    ],
)  # fmt: skip
def test_files_that_cannot_stand_together_in_a_folder_are_refused(
    stack_home: Path, as_user: Callable[[str], Gateway], names: tuple[str, ...]
) -> None:
    before = stored(stack_home)
    files = [("files", (name, b"bytes")) for name in names]
    with pytest.raises(Refusal) as refused:
        as_user("dana").post("/v1/promotions", data={"project": "readmission", "contract": TEXT}, files=files)
    assert (refused.value.status, refused.value.problem_code) == (409, "invalid_upload"), refused.value.problem
    assert str(refused.value).endswith(".") and (len(names[0]) < 3 or names[0] not in str(refused.value))
    assert stored(stack_home) == before


def test_neither_or_both_of_files_and_a_tracked_model_is_no_upload(as_user: Callable[[str], Gateway]) -> None:
    form = {"project": "readmission", "contract": TEXT}
    for data, files in ((form, None), (form | {"model": "runs:/r/model"}, [("files", (GOOD, b"x"))])):
        with pytest.raises(Refusal) as refused:
            as_user("dana").post("/v1/promotions", data=data, files=files)
        assert refused.value.problem_code == "invalid_upload"


def test_more_files_than_a_model_has_are_refused(as_user: Callable[[str], Gateway]) -> None:
    files = [("files", (f"f{number}", b"")) for number in range(1_001)]
    with pytest.raises(Refusal) as refused:
        as_user("dana").post("/v1/promotions", data={"project": "readmission", "contract": TEXT}, files=files)
    assert 400 <= refused.value.status < 500
