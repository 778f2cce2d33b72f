"""Who may do what besides reading: asked of the policies for every role and service, never written by hand.

As for the boundary map, the best question is asked, and where it is allowed one condition at a time is taken away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.bulk import decide_all
from policies.bundle import Bundle
from policies.probes import ANY_OTHER, NOW, Condition, roles_of

MODEL = {"type": "model", "id": "model", "project": "project", "author": "author"}
# What is done, and to what. A waiver is asked about each check that the policies know.
RESOURCES: dict[str, dict[str, Any]] = {
    "build": {"type": "snapshot", "id": "dataset", "project": "project", "unclassified": []},
    "erase": {"type": "dataset", "id": "dataset", "project": "project"},
    "submit": MODEL, "waive": MODEL, "close": MODEL, "reject": MODEL, "deploy": MODEL, "withdraw": MODEL,
    "export": {"type": "audit", "id": "ledger"},
    "distribute": {"type": "policies", "id": "bundle"},
}  # fmt: skip
WORDS = {
    "build": "build a snapshot", "erase": "erase a person", "submit": "submit a model", "close": "close a finding",
    "reject": "reject a promotion", "deploy": "put a model into production or beside the champion",
    "withdraw": "take a model from beside the champion", "export": "export or read evidence",
    "distribute": "fetch the policies",
}  # fmt: skip
# What can be taken away: which part of the question, and what then stands there.
CONDITIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "valid training": ("subject", {"training_until": NOW}),
    "second factor": ("subject", {"mfa": False}),
    "member of the project": ("subject", {"projects": []}),
    "somebody else's work": ("resource", {"author": "subject"}),
    "every column has a class": ("resource", {"unclassified": ["column"]}),
}


@dataclass(frozen=True, slots=True)
class Act:
    """Whether `who` may do something, and the conditions without which the answer is a denial."""

    what: str
    who: str
    allowed: bool
    conditions: tuple[Condition, ...] = ()
    reasons: tuple[str, ...] = ()  # of the denial

    @property
    def key(self) -> tuple[str, str]:
        return (self.what, self.who)

    def as_json(self) -> dict[str, Any]:
        known: dict[str, Any] = {"what": self.what, "who": self.who, "allowed": self.allowed}
        if not self.allowed:
            return known | {"reasons": list(self.reasons)}
        return known | {"conditions": [{"condition": each.name, "else": list(each.reasons)} for each in self.conditions]}


def acts(bundle: Bundle) -> list[Act]:
    """An entry for every deed and for every role and service the policies name, in that order. Raises InvalidPolicies."""
    asked = list(_questions(bundle.data))
    answers = list(decide_all(bundle, [question for *_, question in asked], {}, processes=1))
    tried = [
        (place, name, {**question, part: question[part] | change})
        for place, (*_, question) in enumerate(asked)
        if answers[place].allow
        for name, (part, change) in CONDITIONS.items()
        if change.keys() <= question[part].keys()
    ]
    needed: dict[int, list[Condition]] = {}
    without = decide_all(bundle, [question for *_, question in tried], {}, processes=1)
    for (place, name, _), answer in zip(tried, without, strict=True):
        if not answer.allow:
            needed.setdefault(place, []).append(Condition(name, answer.reasons))
    return [
        Act(what, who, answer.allow, tuple(needed.get(place, ())), answer.reasons)
        for place, ((what, who, _), answer) in enumerate(zip(asked, answers, strict=True))
    ]


def act_changes(before: Iterable[Act], after: Iterable[Act]) -> list[tuple[Act | None, Act | None]]:
    """Those that differ, side by side; None where there is none on that side."""
    old, new = ({act.key: act for act in found} for found in (before, after))
    return [(old.get(key), new.get(key)) for key in sorted(old.keys() | new.keys()) if old.get(key) != new.get(key)]


def permitted(found: Sequence[Act]) -> list[tuple[str, str, str]]:
    """What may be done, by whom and on which conditions, those of one answer together; what nobody may do says so."""
    rows: dict[tuple[str, tuple[Condition, ...]], list[str]] = {}
    for act in found:
        if act.allowed:
            rows.setdefault((act.what, act.conditions), []).append(act.who)
    by_someone = {what for what, _ in rows}
    nobody = [(what, "nobody", "") for what in dict.fromkeys(act.what for act in found) if what not in by_someone]
    told = [
        (what, ", ".join(who), "; ".join(f"{each.name} ({', '.join(each.reasons)})" for each in conditions))
        for (what, conditions), who in rows.items()
    ]
    return told + nobody


def _questions(data: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What is done, by whom, and the best question about it."""
    subjects = dict(_subjects(data))
    for action, resource in RESOURCES.items():
        for what, more in _kinds(action, data):
            for who, subject in subjects.items():
                yield what, who, {
                    "subject": subject, "action": action, "resource": resource | more, "context": {"now": NOW}
                }  # fmt: skip


def _kinds(action: str, data: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    if action != "waive":
        return [(WORDS[action], {})]
    known = {check for tier in data.get("tiers", {}).values() for check in tier.get("checks", ())}
    return [(f"waive the check {check}", {"check": check}) for check in sorted(known)]


def _subjects(data: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    person = {"id": "subject", "type": "person", "projects": ["project"], "training_until": NOW + 3_600, "mfa": True}
    for role in [*roles_of(data), ANY_OTHER]:
        yield role, person | {"roles": [role]}
    for service in sorted({name for names in data.get("services", {}).values() for name in names}):
        yield f"service {service}", {"id": service, "type": "service", "projects": ["project"]}
