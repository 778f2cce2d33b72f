"""Reports: the right rows, and nothing a spreadsheet or a reader could be misled by."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars
import pytest

from compliance.entries import Actor, ObjectRef
from compliance.ledger import append
from compliance.reports import REPORTS, cell
from tests.compliance.conftest import START, decision
from tests.compliance.test_bundle import export


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("=1+1", "'=1+1"), ("+1", "'+1"), ("-1", "'-1"), ("@x", "'@x"), ("\t=1", "\\t=1"), ("\r=1", "\\r=1"),
        ("a\u202eb", "a\\u202eb"), ("a\x00b", "a\\x00b"), ("two\nlines", "two\\nlines"), ("plain", "plain"), (3, "3"),
        (["b", "a"], "b a"), ({}, ""), ({"b": 1, "a": "é"}, '{"a": "é", "b": 1}'), (["=1"], "'=1"),
    ],
)  # fmt: skip
def test_a_cell_is_never_a_formula_and_hides_nothing(value: Any, expected: str) -> None:
    assert cell(value) == expected


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def reports(app: Any, tmp_path: Path) -> Path:
    hostile = Actor("=cmd|' /C calc'!A0", "person", ("<script>alert(1)</script>",))
    append(app, decision(1, outcome="deny", reasons=("no_grant",), actor=hostile), now=START)
    append(app, decision(2, type="lease:opened", outcome="done", object=ObjectRef("lease", "l1"),
                         refs={"dataset": "clinic", "lease_id": "l1", "purpose": "care"}), now=START)  # fmt: skip
    append(app, decision(3, type="snapshot:built", outcome="done", object=ObjectRef("snapshot", "s", "sha256:1")), now=START)
    append(app, decision(4, type="grant:created\u200b".strip("\u200b"), project="<b>\u202e"), now=START)
    append(app, decision(5, type="waiver:signed", outcome="done", object=ObjectRef("model", "m", "sha256:2")), now=START)
    export(app, tmp_path / "b")
    return tmp_path / "b"


def test_each_report_holds_the_entries_it_names(reports: Path) -> None:
    found = {report.name: [row["seq"] for row in rows(reports / "reports" / f"{report.name}.csv")] for report in REPORTS}
    assert found == {
        "access-ledger": ["2", "4"], "live-grants-and-leases": ["2", "4"], "promotions": [], "snapshots": ["3"], "approvals": [],
        "egress": [], "denied": ["1"], "evidence": [], "policy-changes": [], "exceptions": ["5"], "monitoring": [],
        "access-reviews": [], "holds-and-deletions": [],
    }  # fmt: skip
    for report in REPORTS:
        lines = (reports / "reports" / f"{report.name}.jsonl").read_text("utf-8").splitlines()
        assert [str(json.loads(line)["seq"]) for line in lines] == found[report.name]
        columnar = polars.read_parquet(reports / "reports" / f"{report.name}.parquet")
        assert [str(seq) for seq in columnar["seq"]] == found[report.name] and columnar.columns == list(report.columns)
    lease = rows(reports / "reports" / "live-grants-and-leases.csv")[0]
    assert (lease["dataset"], lease["object_id"], lease["purpose"], lease["actor"]) == ("clinic", "l1", "care", "dana")


def test_a_name_that_looks_like_a_formula_is_text(reports: Path) -> None:
    assert rows(reports / "reports" / "denied.csv")[0]["actor"].startswith("'=cmd")
    assert any(row["actor"].startswith("'=cmd") for row in rows(reports / "reports" / "people-and-objects.csv"))


def test_people_and_objects_are_counted_for_the_access_review(reports: Path) -> None:
    found = rows(reports / "reports" / "people-and-objects.csv")
    assert [row["times"] for row in found if row["actor"] == "dana" and row["object_id"] == "l1"] == ["1"]


def test_the_page_is_well_formed_and_runs_nothing(reports: Path) -> None:
    page = (reports / "report.html").read_text("utf-8")
    tags: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: Any) -> None:
            tags.append(tag)
            assert not any(name.startswith("on") or name == "src" for name, _ in attrs)

    Reader().feed(page)
    assert "script" not in tags and {"html", "title", "caption", "th"} <= set(tags)
    assert "HIPAA" in page and "164.528" in page and "\u202e" not in page


def test_the_page_has_every_section_of_the_standard_pack(reports: Path) -> None:
    page = (reports / "report.html").read_text("utf-8")
    headings = re.findall(r"<h2>(\d+)\. ([^<]+)</h2>", page)
    assert [int(number) for number, _ in headings] == list(range(1, 16))
    assert headings[0][1] == "Scope and completeness" and headings[-1][1] == "Verifier output"
    assert "OK: whole and true" in page and "@media print" in page


def test_the_crate_describes_every_signed_file_as_it_is(reports: Path) -> None:
    graph = {one["@id"]: one for one in json.loads((reports / "ro-crate-metadata.json").read_text())["@graph"]}
    assert graph["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    listed = [part["@id"] for part in graph["./"]["hasPart"]]
    signed = {one["name"] for one in json.loads((reports / "manifest.json").read_text())["subject"]}
    assert set(listed) == signed - {"ro-crate-metadata.json"}
    for name in listed:
        assert graph[name]["sha256"] == hashlib.sha256((reports / name).read_bytes()).hexdigest()
    named = {item["@id"] for one in graph.values() for value in one.values() if isinstance(value, list)
             for item in value if isinstance(item, dict)}  # fmt: skip
    assert named <= set(graph)


def test_the_assessment_results_are_of_the_published_structure(reports: Path) -> None:
    document = json.loads((reports / "controls" / "oscal-assessment-results.json").read_text())["assessment-results"]
    assert {"uuid", "metadata", "import-ap", "results"} <= set(document)
    assert {"title", "last-modified", "version", "oscal-version"} <= set(document["metadata"])
    (result,) = document["results"]
    assert {"uuid", "title", "description", "start", "reviewed-controls"} <= set(result)
    observed = {one["uuid"] for one in result["observations"]}
    for one in result["observations"]:
        assert {"uuid", "description", "methods", "collected"} <= set(one) and one["methods"] == ["EXAMINE"]
    for one in result["findings"]:
        assert {"uuid", "title", "description", "target"} <= set(one) and one["target"]["type"] == "objective-id"
        assert one["target"]["status"]["state"] in ("satisfied", "not-satisfied")
        assert {link["observation-uuid"] for link in one["related-observations"]} <= observed
    identifiers = re.findall(r'"(?:uuid|observation-uuid)":"([^"]+)"', json.dumps(document, separators=(",", ":")))
    assert all(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one) for one in identifiers)
    tokens = [one["control-id"] for one in result["reviewed-controls"]["control-selections"][0]["include-controls"]]
    tokens += [one["target"]["target-id"] for one in result["findings"]]
    assert all(re.fullmatch(r"[^\W\d][\w.-]*", one) for one in tokens) and len(tokens) == len(set(tokens))


@pytest.mark.parametrize(("profile", "binds"), [("hipaa", True), ("eu-ai-act", False)])
def test_a_regulation_that_came_into_force_after_the_period_is_said_not_to_have_bound_then(
    app: Any, tmp_path: Path, profile: str, binds: bool
) -> None:
    export(app, tmp_path / "b", profile=profile)
    assert ("it did not bind then" not in (tmp_path / "b" / "report.html").read_text("utf-8")) == binds
