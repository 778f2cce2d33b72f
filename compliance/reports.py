"""Reports over the entries of a period: tables in CSV for people, the same rows in JSON Lines for programs.

Rows are made while the entries pass by, so memory stays flat.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compliance.columnar import Columnar
from compliance.dossiers import DOSSIER_COLUMNS, GRANT_COLUMNS, INVENTORY_COLUMNS, Dossiers

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for a formula (OWASP, CSV injection)
MOST_SHOWN = 200
WHO = ("seq", "recorded_at", "actor", "roles", "event", "outcome", "reasons")


@dataclass(frozen=True, slots=True)
class Report:
    """Which entries (event types, or their beginnings that end in ':') give a row, with which columns."""

    name: str
    title: str
    events: tuple[str, ...]
    columns: tuple[str, ...]
    outcomes: tuple[str, ...] = ()

    def takes(self, entry: Mapping[str, Any]) -> bool:
        """Whether `entry` gives a row."""
        if self.outcomes and entry["outcome"] not in self.outcomes:
            return False
        event = entry["type"]
        return not self.events or any(event == one or (one.endswith(":") and event.startswith(one)) for one in self.events)


REPORTS = (
    Report(
        "access-ledger", "Who asked for, got and lost access to live data",
        ("access-request:", "grant:", "lease:", "statement:", "break-glass:", "dataset:"),
        (*WHO, "object_type", "object_id", "project", "dataset", "purpose", "grant_id", "lease_id", "decision_id", "detail"),
    ),
    Report(
        "live-grants-and-leases", "Grants and leases on live data", ("grant:", "lease:"),
        (*WHO, "dataset", "object_id", "project", "purpose", "grant_id", "lease_id", "decision_id", "detail"),
    ),
    Report(
        "promotions", "Models on their way to production", ("promotion:", "check:", "approval:", "model:", "deployment:"),
        (*WHO, "object_id", "digest", "project", "promotion", "decision_id", "detail"),
    ),
    Report(
        "snapshots", "De-identified snapshots", ("snapshot:",),
        (*WHO, "object_id", "digest", "project", "dataset", "decision_id", "detail"),
    ),
    Report(
        "approvals", "Approvals and signatures, given and refused",
        ("approval:", "access-request:approved", "access-request:approval-refused", "access-request:rejected",
         "promotion:approved", "promotion:rejected"),
        (*WHO, "object_type", "object_id", "digest", "project", "promotion", "grant_id", "decision_id", "detail"),
    ),
    Report(
        "egress", "What left, or asked to leave", ("egress:",),
        (*WHO, "object_id", "digest", "project", "decision_id", "detail"),
    ),
    Report(
        "denied", "What was denied or refused", (), (*WHO, "object_type", "object_id", "project", "decision_id", "detail"),
        ("deny", "refused"),
    ),
    Report("evidence", "Who exported and downloaded evidence", ("audit:",), (*WHO, "object_id", "digest", "detail")),
    Report("policy-changes", "Which policies decided, from when", ("policy:",), (*WHO, "object_id", "digest", "detail")),
    Report(
        "exceptions", "Live data in an emergency and its review, and checks that were waived",
        ("break-glass:", "lease:opened-in-emergency", "waiver:"),
        (*WHO, "object_id", "project", "dataset", "purpose", "lease_id", "decision_id", "detail"),
    ),
    Report(
        "access-reviews", "Access reviews: what was asked of whom, and the answers", ("access-review:",),
        (*WHO, "object_id", "project", "dataset", "holder", "grant_id", "decision_id", "detail"),
    ),
    Report(
        "holds-and-deletions", "Legal holds, and what was deleted when its time was over", ("hold:", "retention:"),
        (*WHO, "object_type", "object_id", "project", "dataset", "decision_id", "detail"),
    ),
    Report(
        "monitoring", "Alerts, findings of the continuous checks, and doors that failed",
        ("alert:", "finding:", "lease:failed", "lease:ending", "lease:orphan-removed", "snapshot:failed", "audit:export-failed"),
        (*WHO, "object_type", "object_id", "digest", "project", "detail"),
    ),
)  # fmt: skip


class ReportFiles:
    """The reports below one folder, complete once the block ends."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._files = folder, ExitStack()
        self.rows = {report.name: 0 for report in REPORTS}
        self.first: dict[str, list[dict[str, Any]]] = {report.name: [] for report in REPORTS}
        self.dossiers = Dossiers()
        self._people: dict[tuple[str, str, str, str], list[Any]] = {}

    def __enter__(self) -> ReportFiles:
        self._folder.mkdir()
        self._columnar = {report.name: Columnar(self._folder / f"{report.name}.parquet", report.columns) for report in REPORTS}
        self._taking: dict[tuple[str, str], list[Any]] = {}
        self._open = [(report, *self._files_of(report)) for report in REPORTS]
        return self

    def __exit__(self, *error: object) -> None:
        for columnar in self._columnar.values():
            columnar.close()
        self._write_people()
        gathered = {
            "live-grants": (GRANT_COLUMNS, self.dossiers.grants()),
            "promotion-dossiers": (DOSSIER_COLUMNS, self.dossiers.promotions()),
            "model-inventory": (INVENTORY_COLUMNS, self.dossiers.inventory()),
        }
        for name, (columns, rows) in gathered.items():
            self._write_table(name, columns, rows)
        self._files.close()

    def add(self, entry: Mapping[str, Any]) -> None:
        """`entry` has its row in every report that takes it."""
        key = (entry["actor"]["id"], entry["object"]["type"], entry["object"]["id"], entry["outcome"])
        seen = self._people.setdefault(key, [0, entry["recorded_at"], ""])
        seen[0], seen[2] = seen[0] + 1, entry["recorded_at"]
        self.dossiers.add(entry)
        values: dict[str, Any] | None = None
        kind = (entry["type"], entry["outcome"])
        if kind not in self._taking:
            self._taking[kind] = [one for one in self._open if one[0].takes(entry)]
        for report, table, lines in self._taking[kind]:
            values = values or flat(entry)
            row = {name: values[name] for name in report.columns}
            table.writerow([cell(value) for value in row.values()])
            lines.write(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n")
            self._columnar[report.name].add(row)
            self.rows[report.name] += 1
            if len(self.first[report.name]) < MOST_SHOWN:
                self.first[report.name].append(row)

    def _files_of(self, report: Report) -> tuple[Any, Any]:
        table = csv.writer(self._text(f"{report.name}.csv"))
        table.writerow(report.columns)
        return table, self._text(f"{report.name}.jsonl")

    def _text(self, name: str) -> Any:
        return self._files.enter_context((self._folder / name).open("x", encoding="utf-8", newline=""))

    def _write_table(self, name: str, columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
        """What was gathered over the whole period, as CSV and JSON Lines."""
        table, lines = csv.writer(self._text(f"{name}.csv")), self._text(f"{name}.jsonl")
        table.writerow(columns)
        for row in rows:
            table.writerow([cell(row[column]) for column in columns])
            lines.write(json.dumps(row, sort_keys=True, ensure_ascii=False) + "\n")
        self.rows[name], self.first[name] = len(rows), rows[:MOST_SHOWN]

    def _write_people(self) -> None:
        """Who did what to which object, counted: the list an access review goes through."""
        table = csv.writer(self._text("people-and-objects.csv"))
        table.writerow(("actor", "object_type", "object_id", "outcome", "times", "first", "last"))
        for key in sorted(self._people):
            table.writerow([cell(value) for value in (*key, *self._people[key])])


def flat(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry's parts as columns."""
    refs, thing = entry["refs"], entry["object"]
    return {
        "seq": entry["seq"], "recorded_at": entry["recorded_at"], "event": entry["type"], "outcome": entry["outcome"],
        "actor": entry["actor"]["id"], "roles": entry["actor"]["roles"], "reasons": entry["reasons"],
        "object_type": thing["type"], "object_id": thing["id"], "digest": thing.get("digest", ""),
        "project": entry["project"] or "", "detail": entry["detail"],
        "dataset": refs.get("dataset", thing["id"] if thing["type"] == "dataset" else ""),
        **{name: refs.get(name, "") for name in ("purpose", "grant_id", "lease_id", "decision_id", "promotion", "holder")},
    }  # fmt: skip


def cell(value: Any) -> str:
    """`value` as a spreadsheet may hold it: never a formula, and nothing that turns or hides what is read."""
    text = cell_text(value)
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text


def cell_text(value: Any) -> str:
    """`value` as a person reads it in a table."""
    if isinstance(value, list):
        value = " ".join(map(str, value))
    elif isinstance(value, dict):
        value = json.dumps(value, sort_keys=True, ensure_ascii=False) if value else ""
    return visible(str(value))


def visible(text: str) -> str:
    """`text` with controls and direction marks written out."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
