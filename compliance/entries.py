"""What one ledger entry says: who did what to which object, with what outcome and why (NIST SP 800-53 AU-3).

An entry never holds a value of live data: identifiers, digests, counts and codes only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from compliance.errors import InvalidEntry

EVENT_TYPE = re.compile(r"[a-z][a-z-]*:[a-z][a-z-]*")
MOST_DETAIL_CHARACTERS = 20_000

ActorKind = Literal["person", "service", "system"]
Outcome = Literal["allow", "deny", "done", "refused", "failed"]
OUTCOMES = ("allow", "deny", "done", "refused", "failed")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted, with the roles held at that time."""

    id: str
    kind: ActorKind
    roles: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"id": self.id, "kind": self.kind, "roles": sorted(self.roles)}


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """What was acted on; `digest` when it is known by its bytes."""

    type: str
    id: str
    digest: str | None = None

    def as_json(self) -> dict[str, Any]:
        return {"type": self.type, "id": self.id} | ({"digest": self.digest} if self.digest else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event, named `resource:action`. `refs` hold identifiers of related things, `detail` counts and codes."""

    type: str
    actor: Actor
    object: ObjectRef
    outcome: Outcome
    occurred_at: datetime
    project: str | None = None
    reasons: tuple[str, ...] = ()
    refs: Mapping[str, str] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not EVENT_TYPE.fullmatch(self.type):
            raise InvalidEntry("An event type is written resource:action.")
        if self.outcome not in OUTCOMES:
            raise InvalidEntry("The outcome of an entry is allow, deny, done, refused or failed.")
        if self.occurred_at.tzinfo is None:
            raise InvalidEntry("The time of an entry has no time zone.")
        if not _plain(self.detail) or len(repr(self.detail)) > MOST_DETAIL_CHARACTERS:
            raise InvalidEntry("The detail of an entry holds plain values only, and few of them.")

    def as_json(self) -> dict[str, Any]:
        """The entry without its place in the ledger, ready for canonical JSON."""
        return {
            "type": self.type,
            "actor": self.actor.as_json(),
            "object": self.object.as_json(),
            "project": self.project,
            "outcome": self.outcome,
            "reasons": sorted(set(self.reasons)),
            "refs": {name: value for name, value in self.refs.items() if value is not None},
            "detail": dict(self.detail),
            "occurred_at": rfc3339(self.occurred_at),
        }


def rfc3339(moment: datetime) -> str:
    """`moment` in UTC with microseconds, as RFC 3339 writes it."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _plain(value: Any, depth: int = 0) -> bool:
    if value is None or isinstance(value, str | bool | int | float):
        return True
    if depth > 4:
        return False
    if isinstance(value, Mapping):
        return all(isinstance(name, str) and _plain(item, depth + 1) for name, item in value.items())
    return isinstance(value, list | tuple) and all(_plain(item, depth + 1) for item in value)
