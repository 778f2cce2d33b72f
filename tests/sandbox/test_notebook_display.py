"""What a newcomer reads in a notebook: what there is, how far something is, and what to do next."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.client.access import AccessRequest
from sandbox.client.data import Snapshot, Snapshots
from sandbox.client.display import Progress, bar, table
from sandbox.client.errors import NotFound
from sandbox.client.work import Submitted

MEASURED = {"k": 15, "k_asked": 12, "l": 2, "l_asked": None}


def snapshot(state: str, certificate: dict[str, Any]) -> Snapshot:
    return Snapshot("one", "clinic", "readmission", state, "sha256:" + "0" * 64, "2026-11-25T08:49:22.5+00:00", certificate)


def test_snapshots_say_what_was_measured_beside_what_is_asked() -> None:
    shown = Snapshots([snapshot("built", MEASURED)])._repr_html_()
    for said in ("15 (asked: 12)", ">2<", "2026-11-25 08:49<", "readmission"):
        assert said in shown, said
    assert "None" not in Snapshots([snapshot("building", {})])._repr_html_()


def test_the_newest_is_the_first_that_can_be_loaded() -> None:
    building, built = snapshot("building", {}), snapshot("built", MEASURED)
    assert Snapshots([building, built]).newest is built
    for none in (Snapshots(), Snapshots([building])):
        with pytest.raises(NotFound, match="data steward"):
            none.newest  # noqa: B018 - it raises
    assert "data steward" in Snapshots()._repr_html_()


@pytest.mark.parametrize(
    ("state", "step"), [("refused", "promote again"), ("awaiting-approval", "refresh()"), ("returned", "export again")]
)
def test_what_was_submitted_says_what_its_owner_does_next(state: str, step: str) -> None:
    facts = {"id": "12345678", "state": state, "checks": [{"name": "<b>", "outcome": "failed", "summary": "Worse & worse."}]}
    shown = Submitted("promotions", facts)._repr_html_()
    assert step in shown and "&lt;b&gt;" in shown and "Worse &amp; worse." in shown


def test_a_bar_is_full_only_when_it_is_known_how_much_there_is() -> None:
    assert "max='4' value='1'" in bar("fetching", 1, 4) and "1 of 4" in bar("fetching", 1, 4)
    assert "value" not in bar("checking", 3, None) and "3 done" in bar("checking", 3, None)
    assert "&lt;i&gt;" in bar("<i>", 1, None) and table("<i>", [], (), "<u>").count("<i>") == 0


def test_nothing_is_said_where_nobody_looks(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    progress = Progress("checking")
    progress.at(1, 2)
    progress.end()
    assert capfd.readouterr() == ("", "")


def test_a_request_says_what_was_asked_and_what_comes_next() -> None:
    facts = {"id": "one", "state": "granted", "columns": ["patients.sex", "patients.zip"], "approvals": []}
    shown = AccessRequest("one", "granted", facts)._repr_html_()
    assert ">patients.sex, patients.zip<" in shown and "sp.live" in shown and "[]" not in shown
