"""Door 4 on the running stack: planted personal data, two blind reviews, changed files, differencing over all releases."""

from __future__ import annotations

import io
import itertools
import json
import string
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.client import Gateway, Refusal
from gateway.commands import egress
from sandbox.airlock.states import EVENTS, TRANSITIONS, State

PROJECT = "readmission"
NUMBERS = itertools.count()
As = Callable[[str], Gateway]


def ask(
    who: Gateway, files: dict[str, str | bytes], tables: dict[str, Any] | None = None, project: str = PROJECT
) -> dict[str, Any]:
    sent = [("files", (name, io.BytesIO(c.encode() if isinstance(c, str) else c))) for name, c in files.items()]
    form = {"project": project, "why": "figures for a paper", "tables": json.dumps(tables or {})}
    return egress.watch(who, who.post("/v1/egress-requests", data=form, files=sent)["id"])


def vote(who: Gateway, request: dict[str, Any], *, approve: bool = True, files: tuple[str, ...] = (), accept: bool = True) -> Any:
    chosen = [one["id"] for one in request["findings"] if one["weight"] == "judge"] if accept else []
    body = {"approve": approve, "why": "looked at", "files": list(files), "accept": chosen}
    return who.post(f"/v1/egress-requests/{request['id']}/votes", body)


def refused(call: Callable[[], Any]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call()
    return caught.value


def another() -> str:
    """A column that no other table has, under a name that looks like a column's."""
    return f"kind {string.ascii_lowercase[next(NUMBERS)]}"


def table(*rows: tuple[str, int], column: str | None = None) -> str:
    """A table about groups of its own, so that tests do not stand in each other's way."""
    return f"{column or another()},n\n" + "\n".join(f"{name},{n}" for name, n in rows)


def events(who: Gateway, request: str) -> list[str]:
    found = who.get("/v1/audit/entries", object_type="egress", object_id=request, limit=1000)["items"]
    return [one["type"] for one in found if one["type"].startswith("egress:")]


@pytest.fixture(scope="module", autouse=True)
def _loaded(stack_home: Path) -> None:
    """The stack runs."""


def test_files_leave_after_checks_and_two_reviews_and_are_the_same_bytes(as_user: As, tmp_path: Path) -> None:
    dana, odile, otto, carl = (as_user(name) for name in ("dana", "odile", "otto", "carl"))
    content = table(("ward a", 120), ("ward b", 80))
    asked = ask(dana, {"out.csv": content, "notes.md": "The model reaches an AUC of 0.81."})
    assert asked["state"] == "in-review", asked["findings"]
    early = refused(lambda: dana.post(f"/v1/egress-requests/{asked['id']}/release"))
    assert early.problem_code == "wrong_state"
    assert vote(odile, asked)["state"] == "in-review"
    assert vote(otto, asked)["state"] == "approved"
    assert refused(lambda: list(dana.download(f"/v1/egress-requests/{asked['id']}/files/out.csv"))).status == 403
    released = dana.post(f"/v1/egress-requests/{asked['id']}/release")
    assert released["state"] == "released"
    egress.fetch(dana, released, tmp_path / "out")
    assert (tmp_path / "out" / "out.csv").read_text() == content
    seen = events(carl, asked["id"])
    wanted = [
        "egress:submitted",
        "egress:checks-started",
        "egress:checks-passed",
        "egress:voted",
        "egress:voted",
        "egress:approved",
    ]
    assert seen[:6] == wanted
    assert seen.index("egress:released") < seen.index("egress:file-taken")


PLANTED = {
    "a number in a text": {"notes.txt": "Patient called from 555-867-5309 about SSN 219-09-9999."},
    "a mail address in a notebook's output": {"a.ipynb": json.dumps({"cells": [
        {"cell_type": "code", "source": "x", "outputs": [{"output_type": "stream", "text": ["ada.miller@example.org\n"]}]}]})},
    "a number in a notebook's metadata": {"a.ipynb": json.dumps({"cells": [], "metadata": {"author": "SSN 219-09-9999"}})},
    "a number in a table": {"t.csv": "who,n\nSSN 219-09-9999,40\nothers,90"},
    "a number in a column's name": {"t.csv": "SSN 219-09-9999,n\na,40\nb,90"},
    "a mail address in JSON": {"t.json": json.dumps({"model": {"contact": "ada.miller@example.org"}})},
}  # fmt: skip


@pytest.mark.parametrize("name", list(PLANTED))
def test_planted_identifiers_are_found_and_not_repeated(as_user: As, name: str) -> None:
    asked = ask(as_user("dana"), PLANTED[name])
    assert asked["state"] == "returned"
    assert "personal_data" in {one["code"] for one in asked["findings"] if one["weight"] == "stop"}
    said = json.dumps(asked["findings"])
    assert not any(secret in said for secret in ("219-09-9999", "ada.miller", "867-5309"))


def test_a_name_is_for_people_to_judge_and_cannot_be_passed_over(as_user: As) -> None:
    dana, odile, otto = (as_user(name) for name in ("dana", "odile", "otto"))
    asked = ask(dana, {"notes.md": "We thank our colleague Margaret Thompson for her help."})
    assert asked["state"] == "in-review"
    assert [one["code"] for one in asked["findings"] if one["weight"] == "judge"] == ["personal_data"]
    assert refused(lambda: vote(odile, asked, accept=False)).problem_code == "vote_refused"
    vote(odile, asked)
    assert vote(otto, asked)["state"] == "approved"


def test_reviews_are_blind(as_user: As) -> None:
    dana, odile, otto = (as_user(name) for name in ("dana", "odile", "otto"))
    asked = ask(dana, {"out.csv": table(("x", 50), ("y", 70))})
    vote(odile, asked, approve=False)
    for person, count in ((otto, 0), (dana, 0), (odile, 1)):
        shown = person.get(f"/v1/egress-requests/{asked['id']}")
        assert len(shown["votes"]) == count
        assert shown["state"] == "in-review"
        assert "egress:voted" not in {one["type"] for one in shown["history"]}
    decided = vote(otto, asked)
    assert decided["state"] == "returned"
    assert {one["by"] for one in decided["votes"]} == {"odile", "otto"}


def test_nobody_votes_twice_or_on_their_own_or_without_the_role(as_user: As) -> None:
    dana, odile, sam = (as_user(name) for name in ("dana", "odile", "sam"))
    asked = ask(dana, {"out.csv": table(("x", 50), ("y", 70))})
    for person in (dana, sam):
        assert refused(lambda who=person: vote(who, asked)).reasons in (("role_not_permitted",), ("self_approval",))
    vote(odile, asked)
    assert refused(lambda: vote(odile, asked)).problem_code == "vote_refused"
    assert odile.get(f"/v1/egress-requests/{asked['id']}")["state"] == "in-review"


def test_a_changed_file_voids_its_votes_and_no_others(as_user: As) -> None:
    dana, odile, otto = (as_user(name) for name in ("dana", "odile", "otto"))
    asked = ask(dana, {"a.csv": table(("x", 50), ("y", 70)), "b.csv": table(("x", 60), ("y", 90))})
    vote(odile, asked)
    assert vote(otto, asked)["state"] == "approved"
    changed = {"file": ("b.csv", io.BytesIO(table(("x", 61), ("y", 95)).encode()))}
    dana.call("PUT", f"/v1/egress-requests/{asked['id']}/files/b.csv", files=changed)
    again = egress.watch(dana, asked["id"])
    assert again["state"] == "in-review"
    assert again["digest"] != asked["digest"]
    kept = odile.get(f"/v1/egress-requests/{asked['id']}")["votes"]
    assert [one["file"] for one in kept] == ["a.csv"]
    assert refused(lambda: dana.post(f"/v1/egress-requests/{asked['id']}/release")).problem_code == "wrong_state"
    vote(odile, again, files=("b.csv",))
    assert vote(otto, again)["state"] == "approved"
    assert refused(lambda: odile.call("PUT", f"/v1/egress-requests/{asked['id']}/files/b.csv", files=changed)).status == 403


def release(as_user: As, content: str) -> dict[str, Any]:
    dana = as_user("dana")
    asked = ask(dana, {"out.csv": content})
    if asked["state"] == "in-review":
        for name in ("odile", "otto"):
            vote(as_user(name), asked)
        return dict(dana.post(f"/v1/egress-requests/{asked['id']}/release"))
    return asked


def test_a_table_beside_any_earlier_release_is_stopped(as_user: As) -> None:
    column = another()
    assert release(as_user, table(("x", 120), ("y", 80), column=column))["state"] == "released"
    assert release(as_user, table(("x", 220), ("y", 180), column=column))["state"] == "released"
    stopped = release(as_user, table(("x", 119), ("y", 300), column=column))
    assert stopped["state"] == "returned"
    assert "differencing" in {one["code"] for one in stopped["findings"]}


def test_two_requests_at_once_are_held_against_each_other(as_user: As) -> None:
    column = another()
    dana = as_user("dana")
    assert ask(dana, {"a.csv": table(("x", 120), column=column)})["state"] == "in-review"
    assert ask(dana, {"b.csv": table(("x", 121), column=column)})["state"] == "returned"


def test_two_tables_of_one_request_are_held_against_each_other(as_user: As) -> None:
    column = another()
    files = {"a.csv": table(("x", 120), column=column), "b.csv": table(("x", 121), column=column)}
    assert ask(as_user("dana"), files)["state"] == "returned"


def test_a_request_is_withdrawn_by_its_author_and_ends(as_user: As) -> None:
    dana, odile = as_user("dana"), as_user("odile")
    asked = ask(dana, {"out.csv": table(("x", 50))})
    assert refused(lambda: odile.post(f"/v1/egress-requests/{asked['id']}/withdraw")).status == 403
    assert dana.post(f"/v1/egress-requests/{asked['id']}/withdraw")["state"] == "withdrawn"
    assert refused(lambda: vote(odile, asked)).problem_code == "wrong_state"


def test_files_of_no_allowed_kind_are_returned(as_user: As) -> None:
    asked = ask(as_user("dana"), {"model.pkl": b"\x80\x04."})
    assert asked["state"] == "returned"


def test_others_than_the_projects_people_see_nothing(as_user: As) -> None:
    dana = as_user("dana")
    assert refused(lambda: ask(dana, {"a.md": "x"}, project="another")).reasons == ("not_in_project",)
    assert refused(lambda: dana.get(f"/v1/egress-requests/{uuid.uuid4().hex}")).status == 404
    assert refused(lambda: ask(as_user("carl"), {"a.md": "x"})).reasons == ("role_not_permitted",)


@pytest.mark.parametrize("name", ["../a.csv", "/etc/a.csv"])
def test_a_file_cannot_be_named_out_of_the_request(as_user: As, name: str) -> None:
    assert refused(lambda: ask(as_user("dana"), {name: "x"})).status in (409, 422)


def test_changed_bytes_are_not_given_out(as_user: As, stack_home: Path) -> None:
    dana = as_user("dana")
    released = release(as_user, table(("x", 120), ("y", 80)))
    held = stack_home / "airlock" / released["files"][0]["digest"].removeprefix("sha256:")
    held.write_text("rows of people")
    assert refused(lambda: list(dana.download(f"/v1/egress-requests/{released['id']}/files/out.csv"))).status == 404


def test_every_state_has_its_event_and_its_way_out() -> None:
    assert set(TRANSITIONS) == set(EVENTS) == set(State)
    assert len(set(EVENTS.values())) == len(State)
    assert all(State.WITHDRAWN in after for state, after in TRANSITIONS.items() if state not in (State.RELEASED, State.WITHDRAWN))
