"""Who can see what, where and under which conditions: asked of the policies, question by question, never written by hand.

For each role, purpose, zone and dataset the best question is asked, with every condition met that a person or service can meet.
Is it allowed, one condition at a time is taken away: what turns the answer is needed, and its reasons are what one would be told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.bulk import decide_all
from policies.bundle import Bundle
from policies.decisions import Decision
from policies.probes import ANY_OTHER, CONDITIONS, Case, Condition, approval_counts, question, roles_of

SERVICE = "service (deployed model)"
ANY_OTHER_PURPOSE = "any other purpose"


@dataclass(frozen=True, slots=True)
class Entry:
    """What `who` sees of a column: a treatment, `absent` (the view has no such column) or `denied`."""

    zone: str
    who: str
    purpose: str
    dataset: str
    column: str
    class_: str
    seen: str
    way: str = ""  # grant, break-glass, promotion or sandbox
    conditions: tuple[Condition, ...] = ()
    terms: tuple[tuple[str, Any], ...] = ()
    reasons: tuple[str, ...] = ()  # of the denial

    @property
    def key(self) -> tuple[str, ...]:
        return (self.zone, self.who, self.purpose, self.dataset, self.column)

    def as_json(self) -> dict[str, Any]:
        known = {
            "zone": self.zone, "who": self.who, "purpose": self.purpose, "dataset": self.dataset, "column": self.column,
            "class": self.class_, "seen": self.seen,
        }  # fmt: skip
        if self.seen == "denied":
            return known | {"reasons": list(self.reasons)}
        conditions = [{"condition": each.name, "else": list(each.reasons)} for each in self.conditions]
        return known | {"way": self.way, "conditions": conditions, "terms": dict(self.terms)}


def boundary(bundle: Bundle, datasets: Mapping[str, Any], *, processes: int | None = None) -> list[Entry]:
    """An entry for every zone, role, purpose, dataset and column, in that order. Raises InvalidPolicies."""

    def ask(cases: list[Case]) -> list[Decision]:
        return list(decide_all(bundle, [question(case, bundle.data) for case in cases], datasets, processes=processes))

    groups = list(_groups(bundle, datasets))
    answers = dict(zip(groups, ask(groups), strict=True))
    # A group denied for more than one is told when asking for no column at all may hold a column that alone would not be denied.
    denied = [case for case, answer in answers.items() if not answer.allow and len(case.columns) > 1]
    bare = list(dict.fromkeys(case.of(()) for case in denied))
    anyway = {case: set(answer.reasons) for case, answer in zip(bare, ask(bare), strict=True)}
    split = [case for case in denied if not set(answers[case].reasons) <= anyway[case.of(())]]
    alone = [case.of((name,)) for case in split for name in case.columns]
    final = {case: answer for case, answer in answers.items() if case not in set(split)} | dict(
        zip(alone, ask(alone), strict=True)
    )
    allowed = [case for case, answer in final.items() if answer.allow]
    needed = _needed(allowed, ask)
    return sorted(_entries(final, needed, datasets), key=lambda entry: entry.key)


def changes(before: list[Entry], after: list[Entry]) -> list[tuple[Entry | None, Entry | None]]:
    """The entries that differ, side by side; None where there is none on that side."""
    old, new = ({entry.key: entry for entry in entries} for entries in (before, after))
    return [(old.get(key), new.get(key)) for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]


def _groups(bundle: Bundle, datasets: Mapping[str, Any]) -> Iterator[Case]:
    """All columns of one class at a time, for every way into every zone."""
    special = sorted(bundle.data.get("purposes", {}).values())
    for name, contract in sorted(datasets.items()):
        by_class: dict[str, list[str]] = {}
        for column, kind in contract["columns"].items():
            by_class.setdefault(kind, []).append(column)
        for purpose in dict.fromkeys([*contract["purposes"], *special, ANY_OTHER_PURPOSE]):
            for columns in (tuple(sorted(group)) for group in by_class.values()):
                for role in [*roles_of(bundle.data), ANY_OTHER]:
                    for way in ("sandbox", "grant", "break-glass"):
                        yield Case(way, role, purpose, name, columns)
                yield Case("promotion", SERVICE, purpose, name, columns)


def _needed(allowed: list[Case], ask: Any) -> dict[Case, tuple[Condition, ...]]:
    """The conditions that the allowed cases need."""
    tried = [(case, name, case.without(name)) for case in allowed for name in CONDITIONS[case.way]]
    counted = [
        (case, f"approvals by {count} other people", case.approved_by(count - 1))
        for case in allowed
        for count in approval_counts(case)
    ]
    needed: dict[Case, list[Condition]] = {case: [] for case in allowed}
    most: dict[Case, Condition] = {}
    for (case, name, _), answer in zip([*tried, *counted], ask([each[2] for each in [*tried, *counted]]), strict=True):
        if answer.allow:
            continue
        if name.startswith("approvals by"):
            most[case] = Condition(name, answer.reasons)  # counts ascend: the last denied is one below what is needed
        else:
            needed[case].append(Condition(name, answer.reasons))
    return {case: (*found, *([most[case]] if case in most else [])) for case, found in needed.items()}


def _entries(
    final: Mapping[Case, Decision], needed: Mapping[Case, tuple[Condition, ...]], datasets: Mapping[str, Any]
) -> Iterator[Entry]:
    """Of the ways into a zone the first that is open; where none is, the one with the fewest reasons against it."""
    best: dict[tuple[str, ...], tuple[Case, Decision]] = {}
    for case, answer in final.items():
        for column in case.columns:
            key = (case.zone, case.role, case.purpose, case.dataset, column)
            held = best.get(key)
            if held is None or _rank(case, answer) < _rank(*held):
                best[key] = (case, answer)
    for (zone, who, purpose, dataset, column), (case, answer) in best.items():
        kind = datasets[dataset]["columns"][column]
        if not answer.allow:
            yield Entry(zone, who, purpose, dataset, column, kind, "denied", reasons=answer.reasons)
            continue
        terms = tuple(sorted((name, value) for name, value in answer.obligations.items() if name != "columns" and value))
        seen = answer.obligations.get("columns", {}).get(column, "absent")
        yield Entry(zone, who, purpose, dataset, column, kind, seen, case.way, needed[case], terms)


def _rank(case: Case, answer: Decision) -> tuple[bool, int, int]:
    return (not answer.allow, len(answer.reasons), list(CONDITIONS).index(case.way))
