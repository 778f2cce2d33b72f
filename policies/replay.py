"""Past questions, decided again under other policies: what would turn, how often, with examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import tee
from typing import Any

from policies.bulk import decide_all
from policies.bundle import Bundle
from policies.decisions import Decision

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Recorded:
    """A question as it was put. `answer` is (allow, reasons) as given then; None where it was not kept."""

    input: Any
    id: str | None = None
    answer: tuple[bool, tuple[str, ...]] | None = None


@dataclass(slots=True)
class Turn:
    """One way in which answers turned: what was said before, what would be said, how often, and to whom first."""

    before: tuple[str, ...]  # reasons; empty = allowed
    after: tuple[str, ...]
    terms: bool  # allowed before and after, on other terms
    count: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """What the turn means for who asked."""
        if self.terms:
            return "other terms"
        if bool(self.before) == bool(self.after):
            return "other reasons"
        return "would be denied" if self.after else "would be allowed"

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "before": list(self.before), "after": list(self.after), "count": self.count,
            "examples": self.examples,
        }  # fmt: skip


def replay(
    recorded: Iterable[Recorded], *, now: Bundle, changed: Bundle, datasets: Mapping[str, Any], processes: int | None = None
) -> dict[str, Any]:
    """Counts of what was decided and of what would turn, the most frequent turn first.

    The answer before is the recorded one; where none was kept, or to compare terms, the policies `now` in force are asked.
    Both are asked under today's `datasets`, so that what turns does so by the policies alone.
    """
    one, two, three = tee(recorded, 3)
    before = decide_all(now, (each.input for each in one), datasets, processes=processes)
    after = decide_all(changed, (each.input for each in two), datasets, processes=processes)
    turns: dict[Any, Turn] = {}
    decided = differs = 0
    for each, was, would in zip(three, before, after, strict=True):
        decided += 1
        differs += each.answer is not None and each.answer != (was.allow, was.reasons)
        if was.reasons != would.reasons or was.obligations != would.obligations:
            _count(turns, each, was, would)
    found = sorted(turns.values(), key=lambda turn: (-turn.count, turn.before, turn.after))
    return {
        "decided": decided, "turned": sum(turn.count for turn in found),
        "would_be_allowed": sum(turn.count for turn in found if turn.kind == "would be allowed"),
        "would_be_denied": sum(turn.count for turn in found if turn.kind == "would be denied"),
        # Recorded answers that today's policies and contracts would not give any more; the changed policies are not the cause.
        "recorded_differently": differs,
        "policies": {"now": now.digest, "changed": changed.digest}, "turns": [turn.as_json() for turn in found],
    }  # fmt: skip


def _count(turns: dict[Any, Turn], each: Recorded, was: Decision, would: Decision) -> None:
    key = (was.reasons, would.reasons)
    turn = turns.setdefault(key, Turn(was.reasons, would.reasons, terms=was.allow and would.allow))
    turn.count += 1
    if len(turn.examples) < EXAMPLES:
        turn.examples.append({"decision_id": each.id, **dict(_about(each.input))})


def _about(question: Any) -> Iterator[tuple[str, Any]]:
    """Who asked for what, by names only; never the whole question, which may hold a justification."""
    parts = question if isinstance(question, Mapping) else {}
    subject, resource = parts.get("subject"), parts.get("resource")
    yield "subject", subject.get("id") if isinstance(subject, Mapping) else None
    yield "action", parts.get("action")
    for name in ("type", "id", "zone"):
        yield f"resource_{name}", resource.get(name) if isinstance(resource, Mapping) else None
