"""The report for people who decide: the standard pack's sections in one HTML page that prints well and needs nothing else.

Tables show their first rows; the files in `reports/` hold every row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from compliance.dossiers import DOSSIER_COLUMNS, GRANT_COLUMNS, INVENTORY_COLUMNS
from compliance.pages import markup, table
from compliance.reports import MOST_SHOWN, Report, cell_text
from compliance.supplements import Supplement

# (heading, what it is, names of the reports or of the gathered tables it shows)
SECTIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Access ledger", "Who asked for, got and lost access to live data.", ("access-ledger",)),
    ("Live-data grants", "Each grant: asked for, approved by whom, how long, used how, ended how.", ("live-grants",)),
    ("Policy changes", "Which policies decided, from when.", ("policy-changes",)),
    ("Promotion dossiers", "Each model on its way: checks, approvals, outcome.", ("promotion-dossiers",)),
    ("Model inventory", "What was put into production in the period and is still there at its end.", ("model-inventory",)),
    ("Approvals and signatures", "Given and refused; the signed statements stand in attestations/.", ("approvals",)),
    (
        "Exceptions and break-glass", "Live data in an emergency and the review afterwards, and checks that were waived.",
        ("exceptions",),
    ),
    ("Egress log", "What left the sandbox, or asked to.", ("egress",)),
    ("Sandbox certificates", "De-identified snapshots with the risk measured on each.", ("snapshots",)),
    (
        "Monitoring and incidents", "Alerts on models in production, findings of the continuous checks, and doors that failed.",
        ("monitoring",),
    ),
    (
        "Access review", "What was put to the data's stewards and what they answered; the signed outcome stands in attestations/."
        " Who did what to which object, counted, is in reports/people-and-objects.csv.", ("access-reviews",),
    ),
    ("Holds and deletions", "Legal holds, and what was deleted when its time was over.", ("holds-and-deletions",)),
)  # fmt: skip
NOTHING = "Nothing of the kind happened in the period."
NOT_SHOWN = "Nothing of the kind happened in the period that this reader may see."
GATHERED = {"live-grants": GRANT_COLUMNS, "promotion-dossiers": DOSSIER_COLUMNS, "model-inventory": INVENTORY_COLUMNS}


def sections(
    reports: Mapping[str, Report], first: Mapping[str, Sequence[Mapping[str, Any]]], rows: Mapping[str, int],
    supplements: Sequence[Supplement] = (), empty: str = NOTHING,
) -> list[str]:  # fmt: skip
    """The sections between the cover and the control matrix, each as markup."""
    made = []
    for number, (heading, about, names) in enumerate(SECTIONS, 2):
        parts = [f"<h2>{number}. {markup(heading)}</h2><p>{markup(about)}</p>"]
        for name in names:
            columns = GATHERED.get(name) or reports[name].columns
            parts.append(_shown(name, columns, first[name], rows[name], empty))
        made.append("\n".join(parts))
    for number, one in enumerate(supplements, len(SECTIONS) + 2):
        shown = _shown(one.name, one.columns, one.rows[:MOST_SHOWN], len(one.rows), empty)
        made.append(f"<h2>{number}. {markup(one.heading)}</h2><p>{markup(one.about)}</p>\n{shown}")
    return made


def empty_sentence(stated: Mapping[str, Any]) -> str:
    """What an empty table means, in a bundle of which this is stated."""
    return NOT_SHOWN if any(stated["withheld"].values()) else NOTHING


def verifier_section(number: int, sentences: Iterable[str]) -> str:
    """What the verifier said of everything else in the bundle, just before this page was written."""
    lines = "\n".join(f"<li>{markup(sentence)}</li>" for sentence in sentences)
    return (
        f"<h2>{number}. Verifier output</h2><p>What verify.py said of the bundle before this page was added to it."
        f" Run it yourself: a page can say anything.</p><ul>{lines}</ul>"
    )


def _shown(name: str, columns: Sequence[str], first: Sequence[Mapping[str, Any]], total: int, empty: str) -> str:
    if not total:
        return f"<p>{markup(empty)}</p>"
    more = f"; the first {len(first)} of {total}, all in reports/{name}.csv" if total > len(first) else ""
    body = [[markup(cell_text(row[column])) for column in columns] for row in first]
    return table(f"{name}{more}", tuple(column.replace("_", " ") for column in columns), body)
