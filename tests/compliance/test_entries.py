"""Entries say who did what, and cannot be made in a form the ledger does not take."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from compliance.entries import Actor, ObjectRef, rfc3339
from compliance.errors import InvalidEntry
from tests.compliance.conftest import START, decision


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "decision"}, {"type": "Decision:made"}, {"type": "decision:made:twice"}, {"type": ""},
        {"outcome": "maybe"},
        {"occurred_at": datetime(2026, 1, 1)},
        {"detail": {"x": object()}}, {"detail": {"x": b"bytes"}}, {"detail": {"x": {1: 2}}},
        {"detail": {"x": [[[[[[1]]]]]]}}, {"detail": {"x": "y" * 20_001}},
    ],
)  # fmt: skip
def test_an_entry_of_another_form_is_not_made(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidEntry):
        decision(**changes)


def test_an_entry_lists_roles_and_reasons_once_and_in_order() -> None:
    entry = decision(actor=Actor("dana", "person", ("b", "a")), reasons=("z", "a", "z"), refs={"x": "1", "gone": None})
    assert entry.as_json()["actor"]["roles"] == ["a", "b"]
    assert entry.as_json()["reasons"] == ["a", "z"]
    assert entry.as_json()["refs"] == {"x": "1"}


def test_an_objects_digest_stands_only_where_it_is_known() -> None:
    assert ObjectRef("model", "m").as_json() == {"type": "model", "id": "m"}
    assert ObjectRef("model", "m", "sha256:1").as_json()["digest"] == "sha256:1"


def test_times_are_written_in_utc_with_microseconds() -> None:
    assert rfc3339(START) == "2026-11-01T08:00:00.000000Z"
