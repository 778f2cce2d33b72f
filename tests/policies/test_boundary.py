"""The boundary map says what the policies say, because it asked them."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import questions as q
from click.testing import CliRunner, Result

from gateway.commands.boundary import command
from policies.boundary import SERVICE, Entry, boundary, changes
from policies.boundary_pages import html, markdown, rows
from policies.bundle import DEFAULT_FOLDER, Bundle
from policies.probes import ANY_OTHER

BUNDLE = Bundle.load()
ENTRIES = boundary(BUNDLE, q.DATASETS, processes=1)


def entry(zone: str, who: str, purpose: str, column: str, dataset: str = "clinic", entries: list[Entry] = ENTRIES) -> Entry:
    return next(each for each in entries if each.key == (zone, who, purpose, dataset, column))


def needed(found: Entry) -> dict[str, tuple[str, ...]]:
    return {each.name: each.reasons for each in found.conditions}


def test_every_role_purpose_zone_dataset_and_column_has_an_entry() -> None:
    assert len(ENTRIES) == len({each.key for each in ENTRIES})
    people = {each.who for each in ENTRIES}
    assert {"data-scientist", "on-call", "compliance-officer", ANY_OTHER, SERVICE} <= people
    for zone, who in {("live", each) for each in people} | {("sandbox", each) for each in people - {SERVICE}}:
        mine = [each for each in ENTRIES if (each.zone, each.who, each.dataset) == (zone, who, "clinic")]
        assert len(mine) == len(q.COLUMNS) * 4  # two purposes of its own, incident-response, any other
        assert {each.column for each in mine} == set(q.COLUMNS)


@pytest.mark.parametrize(
    ("column", "seen", "approvals"),
    [("p.ssn", "pseudonym", 2), ("p.birth", "generalise", 1), ("p.hiv", "clear", 2), ("p.site", "clear", 1)],
)
def test_a_person_sees_live_columns_by_class_on_conditions_that_each_have_their_reason(
    column: str, seen: str, approvals: int
) -> None:
    found = entry("live", "data-scientist", "model-debugging", column)
    assert (found.seen, found.way) == (seen, "grant")
    assert needed(found) == {
        "valid training": ("training_expired",),
        "second factor": ("mfa_required",),
        "member of the project": ("not_in_project",),
        "purpose": ("purpose_missing",),
        "grant": ("no_grant",),
        "grant for this subject": ("grant_mismatch",),
        "grant for this dataset": ("grant_mismatch",),
        "grant for this purpose": ("grant_mismatch",),
        "grant for this column": ("column_not_granted",),
        "grant has begun": ("grant_not_yet_valid",),
        "grant not expired": ("grant_expired",),
        "grant not revoked": ("grant_revoked",),
        "nobody approves their own request": ("self_approval",),
        f"approvals by {approvals} other people": ("approvals_missing",),
    }
    assert dict(found.terms) == {"log_statements": True, "row_filter": "consent", "ttl_seconds": 7200}


def test_re_identification_needs_a_privacy_officer_and_then_shows_direct_identifiers() -> None:
    found = entry("live", "data-scientist", "re-identification", "p.ssn")
    assert found.seen == "clear" and needed(found)["a privacy officer's approval"] == ("privacy_officer_missing",)


def test_on_call_breaks_the_glass_without_grant_or_membership() -> None:
    found = entry("live", "on-call", "incident-response", "p.ssn")
    assert (found.seen, found.way) == ("pseudonym", "break-glass")
    assert needed(found).keys() == {"valid training", "second factor", "purpose", "justification", "incident"}
    assert dict(found.terms)["review_within_seconds"] == 86_400


def test_a_deployed_model_sees_its_columns_and_nobody_without_a_role_sees_any() -> None:
    assert needed(entry("live", SERVICE, "model-debugging", "p.ssn"))["promotion deployed"] == ("not_deployed",)
    assert entry("live", ANY_OTHER, "model-debugging", "p.ssn").reasons == ("role_not_permitted",)
    assert {each.seen for each in ENTRIES if each.who in (ANY_OTHER, "compliance-officer")} == {"denied"}


def with_rule(text: str) -> Bundle:
    name = "rego/sallyport/live.rego"
    return Bundle({**BUNDLE.modules, name: BUNDLE.modules[name] + text}, BUNDLE.data, "changed")


def test_a_rule_about_one_column_is_seen_though_columns_are_asked_in_groups() -> None:
    changed = with_rule('\nrole contains "too_telling" if "p.birth" in input.resource.columns\n')
    differing = changes(ENTRIES, boundary(changed, q.DATASETS, processes=1))
    before, after = zip(*differing, strict=True)
    assert {each.column for each in after if each.seen == "denied" and before} == {"p.birth"}
    now = [new for _, new in differing if new and new.who == "data-scientist" and new.purpose == "model-debugging"]
    assert {(each.dataset, each.reasons) for each in now if each.seen == "denied"} == {
        ("clinic", ("too_telling",)), ("bank", ("too_telling",)),
    }  # fmt: skip


def test_a_condition_that_is_dropped_shows_in_the_comparison() -> None:
    roles = BUNDLE.data["approvers_needed"] | {"direct": 1}
    changed = Bundle(BUNDLE.modules, {**BUNDLE.data, "approvers_needed": roles}, "changed")
    differing = changes(ENTRIES, boundary(changed, q.DATASETS, processes=1))
    assert differing and {new.class_ for _, new in differing if new} == {"direct"}
    assert all("approvals by 1 other people" in needed(new) for _, new in differing if new)


def test_the_map_is_the_same_each_time_and_whatever_the_order_of_datasets() -> None:
    again = boundary(BUNDLE, dict(reversed(q.DATASETS.items())), processes=1)
    assert again == ENTRIES
    assert markdown(again, "x") == markdown(ENTRIES, "x")


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.scopes: list[Any] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "th":
            self.scopes.append(dict(attrs).get("scope"))


def test_the_page_has_captions_and_scoped_headings_and_takes_no_name_for_markup() -> None:
    datasets = {"<script>": q.DATASETS["bank"] | {"columns": {"<b>|x": "quasi"}}}
    entries = boundary(BUNDLE, datasets, processes=1)
    page = Page()
    page.feed(html(entries, "sha256:x"))
    assert "script" not in page.tags and "b" not in page.tags
    assert page.tags.count("caption") == page.tags.count("table") == 2 and None not in page.scopes
    assert "\\|x" in markdown(entries, "x")


def test_rows_lose_nothing_of_the_entries() -> None:
    cells = [row.cells() for row in rows(ENTRIES)]
    assert len(cells) < len(ENTRIES) / 5
    text = markdown(ENTRIES, "x")
    assert all(word in text for word in (*q.DATASETS, "p.ssn", "every purpose", "break-glass", "approvals by 2 other people"))


def run(*words: Any) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def test_the_command_maps_given_data_in_each_form_and_compares_policies(tmp_path: Path) -> None:
    (tmp_path / "data.json").write_text(json.dumps({"bank": q.DATASETS["bank"]}))
    said = json.loads(run("--data", tmp_path / "data.json", "--format", "json").stdout)
    assert said["policy_digest"] == BUNDLE.digest and {each["dataset"] for each in said["entries"]} == {"bank"}
    assert run("--data", tmp_path / "data.json", "--format", "html").stdout.startswith("<!doctype html>")
    shutil.copytree(DEFAULT_FOLDER / "rego", tmp_path / "new" / "rego")
    shutil.copytree(DEFAULT_FOLDER / "data", tmp_path / "new" / "data")
    same = run("--data", tmp_path / "data.json", "--diff", tmp_path / "new")
    assert "0 entries differ" in same.stdout
    treatments = tmp_path / "new" / "data" / "treatments.json"
    treatments.write_text(treatments.read_text().replace('"quasi": "generalise"', '"quasi": "clear"'))
    changed = json.loads(run("--data", tmp_path / "data.json", "--diff", tmp_path / "new", "--format", "json").stdout)["changed"]
    assert changed and {(each["before"]["seen"], each["after"]["seen"]) for each in changed} == {("generalise", "clear")}
    assert run("--diff", tmp_path / "new", "--format", "html").exit_code == 2


def test_a_contract_can_be_named_and_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    from sandbox.domains import contract_path

    assert "Dataset adult, live zone" in run(contract_path("adult")).stdout
    (tmp_path / "x.yaml").write_text("a: b\n")
    assert run(tmp_path / "x.yaml").exit_code == 1
