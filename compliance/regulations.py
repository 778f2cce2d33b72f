"""Regulation profiles and the control catalogue, read from data (`profiles/*.yaml`): clause -> control -> evidence -> query."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

from compliance.errors import UnknownProfile

FOLDER, CATALOGUE = "profiles", "controls.yaml"


@dataclass(frozen=True, slots=True)
class Query:
    """Entries by event type, outcome, kind of actor, and parts they have or lack (`refs.NAME`, `detail.NAME`, `reasons`)."""

    events: tuple[str, ...]
    outcomes: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()
    having: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()

    def takes(self, entry: Mapping[str, Any]) -> bool:
        """Whether `entry` is one of those asked for."""
        return (
            entry["type"] in self.events
            and (not self.outcomes or entry["outcome"] in self.outcomes)
            and (not self.actors or entry["actor"].get("kind") in self.actors)
            and all(part(entry, name) for name in self.having)
            and not (self.lacking and all(part(entry, name) for name in self.lacking))
        )


@dataclass(frozen=True, slots=True)
class Gap:
    """What contradicts a control: entries the query takes, unless an earlier one that `partner` takes agrees in all of `same`."""

    why: str
    query: Query
    partner: Query | None = None
    same: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Control:
    """One thing that must hold, the entries that show it, and those that contradict it."""

    id: str
    title: str
    evidence: Query
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of a regulation and the controls that serve it; `outside` says what no ledger can show."""

    id: str
    asks: str
    controls: tuple[str, ...]
    outside: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A regulation as of a date."""

    id: str
    title: str
    version: str
    effective: str
    source: str
    clauses: tuple[Clause, ...]

    def in_force(self, until: str) -> str:
        """Since when it is in force, in words, and whether that came too late for a period that ends at `until` (RFC 3339)."""
        late = ", which is after this period: it did not bind then" if self.effective >= until[:10] else ""
        return f"in force from {self.effective}{late}"


def load_profile(name: str) -> Profile:
    """The profile of that name. Raises UnknownProfile."""
    if name not in profile_names():
        raise UnknownProfile(f"There is no profile '{name}'; there are {', '.join(profile_names())}.")
    value = _read(f"{name}.yaml")
    clauses = tuple(
        Clause(str(one["clause"]), one["asks"], tuple(one.get("controls", ())), one.get("outside", ""))
        for one in value["clauses"]
    )
    return Profile(name, value["title"], str(value["version"]), str(value["effective"]), value["source"], clauses)


def profile_names() -> tuple[str, ...]:
    """The names of all profiles."""
    files = [file.name for file in (resources.files("compliance") / FOLDER).iterdir()]
    return tuple(sorted(name.removesuffix(".yaml") for name in files if name.endswith(".yaml") and name != CATALOGUE))


def load_controls() -> dict[str, Control]:
    """id -> every control of the catalogue."""
    return {
        name: Control(name, one["title"], _query(one["evidence"]), tuple(map(_gap, one.get("gaps", ()))))
        for name, one in _read(CATALOGUE)["controls"].items()
    }


def exemptions() -> dict[str, str]:
    """Event types that belong to no control, and why."""
    return dict(_read(CATALOGUE)["exemptions"])


def part(entry: Mapping[str, Any], name: str) -> Any:
    """The part of an entry that a query names."""
    value: Any = entry
    for step in steps(name):
        value = value.get(step) if isinstance(value, dict) else None
    return value


@cache
def steps(name: str) -> tuple[str, ...]:
    """The names on the way to a part."""
    return tuple(name.split("."))


def _gap(value: Mapping[str, Any]) -> Gap:
    partner = value.get("unless_earlier")
    same = tuple(partner["same"]) if partner else ()
    return Gap(value["why"], _query(value), _query(partner) if partner else None, same)


def _query(value: Mapping[str, Any]) -> Query:
    return Query(*(tuple(value.get(name, ())) for name in ("events", "outcomes", "actors", "having", "lacking")))


def _read(name: str) -> dict[str, Any]:
    return dict(yaml.safe_load((resources.files("compliance") / FOLDER / name).read_text("utf-8")))
