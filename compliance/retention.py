"""What may be deleted and when: retention classes as data, legal holds that stop deletion whatever a class says.

The ledger is in no class: what happened is never deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class RetentionClass:
    """How long things of a kind are kept at least, and which rule says so; no setting makes it fewer than `least_days`."""

    kind: str
    days: int
    title: str
    source: str
    least_days: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing it covers is deleted while it stands. What is None covers everything."""

    id: str
    reason: str
    placed_by: str
    placed_at: datetime
    kind: str | None = None
    project: str | None = None
    dataset: str | None = None
    thing: str | None = None
    lifted_by: str | None = None
    lifted_at: datetime | None = None

    def covers(self, thing: Thing) -> bool:
        """Whether it stands and is about `thing`; where a thing belongs is unknown, doubt holds it."""
        asked = ((self.kind, thing.kind), (self.project, thing.project), (self.dataset, thing.dataset), (self.thing, thing.id))
        return self.lifted_at is None and all(wanted is None or is_ is None or wanted == is_ for wanted, is_ in asked)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "reason": self.reason, "kind": self.kind, "project": self.project, "dataset": self.dataset,
            "thing": self.thing, "placed_by": self.placed_by, "placed_at": self.placed_at.isoformat(),
            "lifted_by": self.lifted_by, "lifted_at": self.lifted_at and self.lifted_at.isoformat(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that is kept for a time from `since` on."""

    kind: str
    id: str
    since: datetime
    project: str | None = None
    dataset: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What is said of a thing: until when its class keeps it, and the holds that keep it longer."""

    thing: Thing
    until: datetime
    holds: tuple[str, ...]

    def may_go(self, now: datetime) -> bool:
        """Whether it may be deleted now."""
        return now >= self.until and not self.holds

    def as_json(self) -> dict[str, Any]:
        thing = self.thing
        return {
            "kind": thing.kind, "id": thing.id, "project": thing.project, "dataset": thing.dataset,
            "since": thing.since.isoformat(), "until": self.until.isoformat(), "holds": list(self.holds),
        }  # fmt: skip


@cache
def load_classes(days: str | None = None) -> Mapping[str, RetentionClass]:
    """kind -> its class, with days of the organisation's own, such as `exports=3650,snapshots=400`. Raises ValueError."""
    value = yaml.safe_load((resources.files("compliance") / "retention.yaml").read_text("utf-8"))
    classes = {
        kind: RetentionClass(kind, int(one["days"]), one["title"], one["source"], int(one["least_days"]))
        for kind, one in value["classes"].items()
    }
    for part in days.split(",") if days else ():
        kind, _, number = (word.strip() for word in part.partition("="))
        if kind not in classes or not number.isascii() or not number.isdigit() or len(number) > 6:
            raise ValueError(f"it must be KIND=DAYS with commas, of {', '.join(sorted(classes))}")
        if int(number) < classes[kind].least_days:
            raise ValueError(f"{kind} are kept for {classes[kind].least_days} days at least")
        classes[kind] = replace(classes[kind], days=int(number))
    return classes


def judge(things: Iterable[Thing], holds: Iterable[Hold], classes: Mapping[str, RetentionClass]) -> list[Kept]:
    """Until when each thing is kept. Raises KeyError for a kind that has no class: it is never deleted."""
    standing = [hold for hold in holds if hold.lifted_at is None]
    return [
        Kept(thing, thing.since + timedelta(days=classes[thing.kind].days), tuple(h.id for h in standing if h.covers(thing)))
        for thing in things
    ]
