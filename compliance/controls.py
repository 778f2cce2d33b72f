"""The control matrix: for each clause of a profile, each of its controls is *met*, a *gap* or *not exercised*."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compliance.canonical import canonical_json
from compliance.regulations import Control, Gap, Profile, load_controls, part
from compliance.reports import cell

MOST_EXAMPLES = 25
MET, GAP, NOT_EXERCISED = "met", "gap", "not exercised"
COLUMNS = ("clause", "asks", "control", "title", "status", "evidence", "examples", "gaps", "gap_entries", "why", "outside")


@dataclass(slots=True)
class Found:
    """What the entries show of one control: how many serve it and which contradict it, by the first of each."""

    evidence: int = 0
    examples: list[int] = field(default_factory=list)
    gaps: int = 0
    gap_entries: list[int] = field(default_factory=list)
    why: set[str] = field(default_factory=set)

    @property
    def status(self) -> str:
        return GAP if self.gaps else MET if self.evidence else NOT_EXERCISED


@dataclass(slots=True)
class Concerned:
    """The controls that one event type may show, the gaps it may be, and the gaps it may be a partner against."""

    shown: list[Control] = field(default_factory=list)
    contradicted: list[tuple[str, Gap]] = field(default_factory=list)
    partners: list[Gap] = field(default_factory=list)


NOBODY = Concerned()


class ControlMatrix:
    """Judges the controls of a profile while the entries of a period pass by, in order."""

    def __init__(self, profile: Profile) -> None:
        every = load_controls()
        used = dict.fromkeys(name for clause in profile.clauses for name in clause.controls)
        self.profile = profile
        self._controls: dict[str, Control] = {name: every[name] for name in used}
        self._found = {name: Found() for name in used}
        self._by_event: dict[str, Concerned] = {}
        for control in self._controls.values():
            self._index(control)
        self._seen: set[int] = set()  # of partners only the hash of what they share is kept: a year has many
        self._open: list[tuple[str, Gap, int, int]] = []

    @property
    def partners(self) -> tuple[str, ...]:
        """Event types whose earlier entries (before the period) `look_back` wants; none when nothing is open."""
        return tuple(sorted({event for _, gap, _, _ in self._open if gap.partner for event in gap.partner.events}))

    def add(self, entry: Mapping[str, Any]) -> None:
        """`entry` counts for and against every control it concerns."""
        concerned = self._by_event.get(entry["type"])
        if concerned is None:
            return
        for control in concerned.shown:
            if control.evidence.takes(entry):
                found = self._found[control.id]
                found.evidence += 1
                if len(found.examples) < MOST_EXAMPLES:
                    found.examples.append(entry["seq"])
        for name, gap in concerned.contradicted:
            if gap.query.takes(entry):
                self._contradicted(name, gap, entry)
        self._seen.update(self._keys_as_partner(entry))

    def look_back(self, earlier: Iterable[Mapping[str, Any]]) -> None:
        """Entries before the period are the partners that those in it rest on."""
        known: set[int] = set()  # not with those of the period: one that came too late is no partner
        for entry in earlier:
            known.update(self._keys_as_partner(entry))
        self._open = [one for one in self._open if one[3] not in known]

    def rows(self) -> list[dict[str, Any]]:
        """The matrix, one row for each clause and control."""
        for name, gap, seq, _ in self._open:
            self._count_gap(name, gap, seq)
        self._open = []
        return [row for clause in self.profile.clauses for row in self._rows_of(clause)]

    def write(self, folder: Path) -> list[dict[str, Any]]:
        """`folder` holds the matrix as CSV and JSON; its rows."""
        folder.mkdir()
        rows, profile = self.rows(), self.profile
        with (folder / "matrix.csv").open("x", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            table.writerows([[cell(row[name]) for name in COLUMNS] for row in rows])
        about = {
            "id": profile.id, "title": profile.title, "version": profile.version, "effective": profile.effective,
            "source": profile.source,
        }  # fmt: skip
        (folder / "matrix.json").write_bytes(canonical_json({"profile": about, "rows": rows}))
        return rows

    def _contradicted(self, name: str, gap: Gap, entry: Mapping[str, Any]) -> None:
        if gap.partner is None:
            self._count_gap(name, gap, entry["seq"])
            return
        key = _key(gap, entry)
        if key not in self._seen:
            self._open.append((name, gap, entry["seq"], key))

    def _count_gap(self, name: str, gap: Gap, seq: int) -> None:
        found = self._found[name]
        found.gaps += 1
        found.why.add(gap.why)
        if len(found.gap_entries) < MOST_EXAMPLES:
            found.gap_entries.append(seq)

    def _keys_as_partner(self, entry: Mapping[str, Any]) -> list[int]:
        concerned = self._by_event.get(entry["type"], NOBODY)
        return [_key(gap, entry) for gap in concerned.partners if gap.partner and gap.partner.takes(entry)]

    def _index(self, control: Control) -> None:
        """Each event type knows whom it concerns, so that an entry is not held against every query."""
        for event in control.evidence.events:
            self._by_event.setdefault(event, Concerned()).shown.append(control)
        for gap in control.gaps:
            for event in gap.query.events:
                self._by_event.setdefault(event, Concerned()).contradicted.append((control.id, gap))
            for event in gap.partner.events if gap.partner else ():
                known = self._by_event.setdefault(event, Concerned()).partners
                if all((one.partner, one.same) != (gap.partner, gap.same) for one in known):
                    known.append(gap)

    def _rows_of(self, clause: Any) -> list[dict[str, Any]]:
        common = {"clause": clause.id, "asks": clause.asks, "outside": clause.outside}
        if not clause.controls:
            empty = {"control": "", "title": "", "status": NOT_EXERCISED, "evidence": 0, "gaps": 0}
            return [common | empty | {"examples": [], "gap_entries": [], "why": ""}]
        rows = []
        for name in clause.controls:
            found = self._found[name]
            rows.append(common | {
                "control": name, "title": self._controls[name].title, "status": found.status, "evidence": found.evidence,
                "examples": found.examples, "gaps": found.gaps, "gap_entries": sorted(found.gap_entries),
                "why": " ".join(sorted(found.why)),
            })  # fmt: skip
        return rows


def _key(gap: Gap, entry: Mapping[str, Any]) -> int:
    """What an entry and its partner agree in, the same for all gaps that ask for such a partner."""
    return hash((gap.partner, *(str(part(entry, name)) for name in gap.same)))
