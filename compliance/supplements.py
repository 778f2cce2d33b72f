"""Tables that stand in a bundle beside those made from its entries: what somebody was asked for and could answer then."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compliance.disclosures import LINE_COLUMNS
from compliance.reports import cell


@dataclass(frozen=True, slots=True)
class Supplement:
    """One such table. `shown` are its columns in the PDF, each with its share of the width; the files hold all."""

    name: str
    heading: str
    about: str
    columns: tuple[str, ...]
    shown: Mapping[str, float]
    rows: Sequence[Mapping[str, Any]]

    def write(self, folder: Path) -> None:
        """The table stands in `folder`, as CSV and JSON Lines."""
        with (folder / f"{self.name}.csv").open("x", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(self.columns)
            table.writerows([cell(row[column]) for column in self.columns] for row in self.rows)
        lines = "".join(json.dumps(dict(row), sort_keys=True, ensure_ascii=False) + "\n" for row in self.rows)
        (folder / f"{self.name}.jsonl").write_text(lines, "utf-8")


def disclosures_of_person(made: Mapping[str, Any]) -> Supplement:
    """The accounting of one person's disclosures (45 CFR 164.528) as it was given."""
    about = (
        f"Of the person {made['person']} (a digest keyed by the project's key) in the dataset {made['dataset']}, from"
        f" {made['since'] or 'the beginning'} until {made['until'] or made['made_at']}, as known on {made['made_at']}."
        f" {made['snapshots_without']} snapshots of the period did not hold the person. {made['note']}"
    )
    rows = [{name: "" if line[name] is None else line[name] for name in LINE_COLUMNS} for line in made["items"]]
    shown = {"date": 2, "kind": 1.6, "recipient": 1.6, "what": 4, "why": 2, "held": 1.2, "basis": 3.4}
    return Supplement("disclosures-of-one-person", "Disclosures of one person", about, LINE_COLUMNS, shown, rows)
