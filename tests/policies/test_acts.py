"""Who may do what besides reading, as the policies say it when they are asked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from click.testing import CliRunner

from gateway.commands.boundary import command
from policies.acts import Act, act_changes, acts, permitted
from policies.boundary_pages import html, markdown
from policies.bundle import DEFAULT_FOLDER, Bundle
from policies.probes import ANY_OTHER

BUNDLE = Bundle.load()
FOUND = acts(BUNDLE)


def by(what: str, found: list[Act] = FOUND) -> dict[str, dict[str, tuple[str, ...]]]:
    return {act.who: {each.name: each.reasons for each in act.conditions} for act in found if act.what == what and act.allowed}


def test_who_waives_closes_and_deploys_and_on_which_conditions() -> None:
    needed = {"member of the project": ("not_in_project",), "somebody else's work": ("self_approval",)}
    assert by("waive the check fairness") == {"model-validator": needed, "compliance-officer": needed}
    assert by("close a finding") == {"model-validator": needed, "compliance-officer": needed}
    assert by("put a model into production or beside the champion") == {"model-validator": needed, "operator": needed}
    assert by("waive the check lineage") == {}
    assert by("erase a person") == {
        "data-steward": {"second factor": ("mfa_required",), "member of the project": ("not_in_project",)}
    }
    assert by("fetch the policies").keys() == {"compliance-officer", "service opa"}
    classed = {"every column has a class": ("unclassified_column",)}
    assert by("build a snapshot") == {"data-steward": classed, "service snapshot-builder": classed}


def test_nobody_without_a_role_may_do_anything_and_every_denial_has_a_reason() -> None:
    assert {act.who for act in FOUND} >= {ANY_OTHER, "operator", "on-call", "service opa"}
    assert not any(act.allowed for act in FOUND if act.who == ANY_OTHER)
    assert all(act.reasons for act in FOUND if not act.allowed)


def test_the_map_has_them_in_each_form(tmp_path: Path) -> None:
    row = ("waive the check fairness", "compliance-officer, model-validator",
           "member of the project (not_in_project); somebody else's work (self_approval)")  # fmt: skip
    assert row in permitted(FOUND) and ("waive the check lineage", "nobody", "") in permitted(FOUND)
    assert f"| {' | '.join(row)} |" in markdown([], "x", FOUND)
    assert '<th scope="row">waive the check lineage</th><td>nobody</td>' in html([], "x", FOUND)
    (tmp_path / "none.json").write_text("{}")
    said = json.loads(CliRunner().invoke(command, ["--format", "json", "--data", str(tmp_path / "none.json")]).stdout)
    assert len(said["acts"]) == len(FOUND)


def test_a_role_that_is_given_a_step_is_what_the_comparison_shows(tmp_path: Path) -> None:
    shutil.copytree(DEFAULT_FOLDER / "rego", tmp_path / "new" / "rego")
    shutil.copytree(DEFAULT_FOLDER / "data", tmp_path / "new" / "data")
    roles = tmp_path / "new" / "data" / "roles.json"
    roles.write_text(roles.read_text().replace('"deploy": ["model-validator", "operator"]', '"deploy": ["operator"]'))
    changed = act_changes(FOUND, acts(Bundle.load(tmp_path / "new")))
    assert [(new.who, new.allowed, new.reasons) for _, new in changed if new] == [
        ("model-validator", False, ("role_not_permitted",))
    ]
    (tmp_path / "none.json").write_text("{}")
    said = CliRunner().invoke(command, ["--data", str(tmp_path / "none.json"), "--diff", str(tmp_path / "new")]).stdout
    assert "1 deeds differ" in said and "| allowed, with member of the project, somebody else's work | denied" in said
