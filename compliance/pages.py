"""The bundle's report as one HTML page that prints well and needs nothing from elsewhere: its cover, its matrix, its tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from compliance.findings import Finding
from compliance.regulations import Profile
from compliance.reports import REPORTS, visible

STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1b1f24}"
    "table{border-collapse:collapse;width:100%;margin:1rem 0}th,td{border:1px solid #c8ced6;padding:.4rem .6rem;text-align:left;"
    "vertical-align:top}th{background:#f2f4f7}caption{text-align:left;font-weight:600;padding:.4rem 0}"
    ".met{color:#0a5c2f}.gap{color:#a3120a;font-weight:700}td{overflow-wrap:anywhere}"
    "@media print{body{font-size:9pt;margin:0;max-width:none}h2{break-before:page}thead{display:table-header-group}"
    "tr{break-inside:avoid}a{color:inherit;text-decoration:none}}@page{size:A4 landscape;margin:15mm}"
)
CONTROL_COLUMNS = ("Clause", "Asks", "Control", "Status", "Evidence", "What contradicts it", "Outside this ledger")


def report_page(
    profile: Profile, completeness: Mapping[str, Any], matrix: Iterable[Mapping[str, Any]], findings: Iterable[Finding],
    sections: Sequence[str] = (), closing: str = "",
) -> str:  # fmt: skip
    """The whole page: cover, `sections` of the pack, control matrix, and `closing`."""
    period, rows = completeness["period"], list(matrix)
    inside = completeness["range"]
    counts = {status: sum(row["status"] == status for row in rows) for status in ("met", "gap", "not exercised")}
    facts = {
        "Period": f"{period['since']} to {period['until']}",
        "Profile": f"{profile.title} (version {profile.version}, {profile.in_force(period['until'])}; {profile.source})",
        "Entries": f"{inside['entries']} ({inside['first']} to {inside['last']})" if inside else "none",
        "Ledger": f"{completeness['ledger_size']} entries under the signed checkpoint",
        "Made for": completeness["reader"]["title"],
        **{
            f"Withheld under the rule {rule}": f"{completeness['withheld'][rule]} entries. {why}"
            for rule, why in completeness["reader"]["rules"].items()
        },
        "Clock": f"{completeness['clock']}; steps back: {len(completeness['clock_steps_back'])}",
        "Controls": ", ".join(f"{number} {status}" for status, number in counts.items()),
    }
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{markup("Evidence: " + profile.title)}</title>'
        f"<style>{STYLE}</style></head>\n<body><main><h1>Evidence</h1>\n"
        "<h2>1. Scope and completeness</h2>"
        f"{table('What this is', ('What', 'Is'), [[markup(name), markup(value)] for name, value in facts.items()])}"
        f"{table('Findings to look at', ('Entry', 'How much it matters', 'What'), map(_finding, findings))}"
        f"{table('Reports', ('Report', 'Shows', 'Rows'), _reports(completeness['report_rows']))}"
        f"{''.join(sections)}"
        f"<h2>{len(sections) + 2}. Control matrix</h2>{table('Controls', CONTROL_COLUMNS, map(_control, rows))}"
        "<p>A status is <em>met</em> when entries of the period show the control and none contradicts it, <em>gap</em> when some"
        " do, <em>not exercised</em> when nothing of the kind happened. Numbers name entries in entries.jsonl."
        f" Check this folder with verify.py before you rely on it.</p>\n{closing}</main></body></html>\n"
    )


def _control(row: Mapping[str, Any]) -> list[str]:
    against = f"{row['gaps']}: {row['why']} Entries {_numbers(row['gap_entries'])}." if row["gaps"] else ""
    evidence = f"{row['evidence']}: {_numbers(row['examples'])}" if row["evidence"] else ""
    status = f'<span class="{escape(row["status"].split()[0])}">{markup(row["status"])}</span>'
    return [
        markup(row["clause"]), markup(row["asks"]), markup(row["title"]), status, markup(evidence), markup(against),
        markup(row["outside"]),
    ]  # fmt: skip


def _finding(finding: Finding) -> list[str]:
    return [markup(finding.entry), markup(finding.severity), markup(finding.sentence)]


def _reports(rows: Mapping[str, int]) -> list[list[str]]:
    return [
        [f'<a href="reports/{report.name}.csv">{markup(report.name)}</a>', markup(report.title), markup(rows[report.name])]
        for report in REPORTS
    ]


def table(caption: str, columns: tuple[str, ...], rows: Iterable[list[str]]) -> str:
    head = "".join(f'<th scope="col">{markup(column)}</th>' for column in columns)
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption>{markup(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>\n"


def _numbers(entries: Iterable[int]) -> str:
    return ", ".join(map(str, entries))


def markup(value: Any) -> str:
    """`value` as text that can neither be markup nor turn what is read around."""
    return escape(visible(str(value)))
