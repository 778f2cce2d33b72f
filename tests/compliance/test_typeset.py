"""The PDF for a board: tagged, the same bytes from the same report, and nothing in it that data could turn or fake."""

from __future__ import annotations

import re
import zlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typst

from compliance.board import board_report
from compliance.entries import Actor
from compliance.findings import Finding
from compliance.ledger import append
from compliance.regulations import Clause, Profile, profile_names
from compliance.typeset import SHOWN, report_pdf, shown
from tests.compliance.conftest import START, decision, fill
from tests.compliance.test_bundle import export

PROFILE = Profile("p", "A *rule* #panic(1)", "1", "2026-01-01", "somewhere", (Clause("1", "asks", (), ""),))
STATED: dict[str, Any] = {
    "period": {"since": "2026-11-01T00:00:00.000000Z", "until": "2026-12-01T00:00:00.000000Z", "by": "recorded_at"},
    "range": {"first": 1, "last": 3, "entries": 3}, "ledger_size": 3, "reaches_the_end_of_the_ledger": True,
    "sources": {"gateway": {"first": 1, "last": 3, "entries": 3}}, "recorded": None, "clock": "a clock",
    "denied": 0, "withheld": {}, "reader": {"id": "regulator", "title": "A regulator", "rules": {}}, "clock_steps_back": [],
    "last_hash": "sha256:1",
    "outside_the_period": 0, "events": {}, "people": 1, "activity": {"2026-11-01": [2, 1], "2026-11-30": [1, 0]},
}  # fmt: skip
NAMES = (
    "access-ledger", "live-grants", "policy-changes", "promotion-dossiers", "model-inventory", "approvals", "exceptions",
    "egress", "snapshots", "monitoring", "denied", "access-reviews", "holds-and-deletions",
)  # fmt: skip


def report(**changes: Any) -> dict[str, Any]:
    """A report of next to nothing."""
    stated = STATED | {"report_rows": dict.fromkeys(NAMES, 0)} | changes
    finding = Finding("alert_unread", "medium", "#panic(2) <b> *not bold* $x$", 3)
    empty: dict[str, Any] = {name: [] for name in NAMES}
    return board_report(PROFILE, stated, [], [finding], first=empty, said=["OK: whole and true"], fingerprint="sha256:1")


def unpacked(pdf: bytes) -> bytes:
    """The file with its compressed parts readable."""
    found = [pdf]
    for part in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL):
        try:
            found.append(zlib.decompress(part[1]))
        except zlib.error:
            continue
    return b"\n".join(found)


def test_the_report_is_a_tagged_pdf_with_headings_header_cells_language_and_pictures_described() -> None:
    pdf = unpacked(report_pdf(report()))
    for part in ("/StructTreeRoot", "/MarkInfo", "pdfuaid:part>1<", r"/S\s*/TH\b", r"/S\s*/H1\b", r"/S\s*/Figure\b", "/Lang"):
        assert re.search(part.encode(), pdf), part
    assert len(re.findall(rb"/Alt\s*[(<]", pdf)) >= 2


def test_the_same_report_gives_the_same_bytes_and_another_gives_others() -> None:
    assert report_pdf(report()) == report_pdf(report()) != report_pdf(report(people=2))


def test_every_letter_said_to_be_shown_can_be_in_every_style_of_the_page() -> None:
    text = shown("".join(chr(code) for low, high in SHOWN for code in range(low, high + 1)))
    body = '#set document(title: "t")\n#set text(font: "Libertinus Serif")\n#let it = sys.inputs.it\n#it #strong(it) #emph(it)'
    body += '#text(weight: "semibold", it)'
    made = typst.compile(body.encode(), sys_inputs={"it": text}, pdf_standards=["ua-1"], ignore_system_fonts=True)
    assert made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"), ("\u202egnp.exe", "\\u202egnp\u200b.exe"), ("דן", "\\u05d3\\u0\u200b5df"), ("中", "\\u4e2d"),
        ("Zoë Łódź", "Zoë Łódź"), ("a\x00", "a\\x00"), ("=1+1", "=1+1"), ("\u0301", "\\u0301"),
    ],
)  # fmt: skip
def test_what_could_mislead_or_cannot_be_shown_is_written_out(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_a_year_is_shown_in_few_bars_that_together_hold_every_entry() -> None:
    days = {(START + timedelta(days=n)).date().isoformat(): [n, 1] for n in range(0, 366, 3)}
    made = report(activity=days | {"2026-99-99": [1, 1]})
    assert len(made["activity"]) <= 60
    assert sum(one["good"] for one in made["activity"]) == sum(range(0, 366, 3))
    assert sum(one["bad"] for one in made["activity"]) == len(days)


@pytest.mark.parametrize("profile", profile_names())
def test_a_bundle_of_every_profile_holds_the_pdf_whatever_names_people_have(app: Any, tmp_path: Path, profile: str) -> None:
    for number, name in enumerate(["\u202eevil", "=cmd|' /C calc'!A0", "דנה", "王芳", "x" * 300, "#panic(1)", "a\\u0000"], 1):
        append(app, decision(number, actor=Actor(name, "person", ("data-scientist",))), now=START + timedelta(minutes=number))
    fill(app, 2, first=8, type="access-request:created", outcome="done", refs={"grant_id": "g", "purpose": "מטרה"})
    made = export(app, tmp_path / "b", profile=profile)
    assert not made.problems and (tmp_path / "b" / "report.pdf").read_bytes().startswith(b"%PDF-1.7")
