"""Tables that stand in a bundle beside those made from its entries: what somebody was asked for and could answer then."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
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


def policy_replays(changes: Sequence[Mapping[str, Any]]) -> Supplement:
    """What each change of policies turned among the decisions of before it: a row for each way, with decision ids as examples."""
    columns = (
        "loaded_at", "policies_before", "policies_after", "decided", "turned", "turn", "reasons_before", "reasons_after", "count",
        "examples",
    )  # fmt: skip
    about = (
        "Decisions made before each change, made again under the old policies and the new ones with the datasets' contracts of"
        " that day. No reason means allowed; examples are the identifiers of decisions, which the ledger has whole."
    )
    shown = {"loaded_at": 2, "decided": 1.2, "turned": 1.2, "turn": 2, "reasons_before": 3, "reasons_after": 3, "count": 1,
             "examples": 3}  # fmt: skip
    rows = [dict(zip(columns, row, strict=True)) for change in changes for row in _turns(change)]
    return Supplement("policy-replays", "Policy changes decided again", about, columns, shown, rows)


def _turns(change: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    replay = change["replay"]
    whole = "" if replay["whole"] else " (the newest)"
    known = (
        change["loaded_at"],
        change["before"],
        change["after"],
        f"{replay.get('decided', 0)}{whole}",
        replay.get("turned", 0),
    )
    if replay.get("code"):
        yield (*known, f"not decided again: {replay['code']}", "", "", 0, "")
    elif not replay["turns"]:
        yield (*known, "nothing turned", "", "", 0, "")
    for turn in replay["turns"]:
        examples = " ".join(str(one["decision_id"]) for one in turn["examples"])
        yield (*known, turn["kind"], " ".join(turn["before"]), " ".join(turn["after"]), turn["count"], examples)
