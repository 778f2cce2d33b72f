"""Past questions, decided again under other policies: what would turn, how often, with examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from policies.bulk import in_chunks
from policies.bundle import Bundle
from policies.client import PolicyClient
from policies.decisions import Decision
from policies.remembered import Asked

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


@dataclass(slots=True)
class Tally:
    """What was found among some of the decisions; tallies are added up in the order of the decisions."""

    decided: int = 0
    differs: int = 0  # recorded answers that today's policies and contracts would not give any more
    turns: dict[tuple[tuple[str, ...], tuple[str, ...]], Turn] = field(default_factory=dict)

    def count(self, each: Recorded, was: Decision, would: Decision) -> None:
        self.decided += 1
        self.differs += each.answer is not None and each.answer != (was.allow, was.reasons)
        if was.reasons == would.reasons and was.obligations == would.obligations:
            return
        turn = self._turn(was.reasons, would.reasons, terms=was.allow and would.allow)
        turn.count += 1
        if len(turn.examples) < EXAMPLES:
            turn.examples.append({"decision_id": each.id, **dict(_about(each.input))})

    def add(self, other: Tally) -> None:
        self.decided += other.decided
        self.differs += other.differs
        for (before, after), found in other.turns.items():
            turn = self._turn(before, after, terms=found.terms)
            turn.count += found.count
            turn.examples += found.examples[: EXAMPLES - len(turn.examples)]

    def _turn(self, before: tuple[str, ...], after: tuple[str, ...], *, terms: bool) -> Turn:
        return self.turns.setdefault((before, after), Turn(before, after, terms=terms))


def replay(
    recorded: Iterable[Recorded], *, now: Bundle, changed: Bundle, datasets: Mapping[str, Any], processes: int | None = None
) -> dict[str, Any]:
    """Counts of what was decided and of what would turn, the most frequent turn first.

    Both the policies `now` in force and the `changed` ones are asked under today's `datasets`, so that what turns does so by the
    policies alone. A recorded answer cannot stand for the first: contracts may have changed since, and terms are not recorded.
    """
    total = Tally()
    for tally in in_chunks(_tally, (now, changed), recorded, datasets, processes=processes):
        total.add(tally)
    found = sorted(total.turns.values(), key=lambda turn: (-turn.count, turn.before, turn.after))
    return {
        "decided": total.decided, "turned": sum(turn.count for turn in found),
        "would_be_allowed": sum(turn.count for turn in found if turn.kind == "would be allowed"),
        "would_be_denied": sum(turn.count for turn in found if turn.kind == "would be denied"),
        # The changed policies are not the cause of these.
        "recorded_differently": total.differs,
        "policies": {"now": now.digest, "changed": changed.digest}, "turns": [turn.as_json() for turn in found],
    }  # fmt: skip


def _tally(clients: tuple[PolicyClient, ...], datasets: Mapping[str, Any], chunk: list[Recorded]) -> Tally:
    now, changed = clients
    tally = Tally()
    for each in chunk:
        asked = Asked(each.input)
        tally.count(each, now.decide(asked, datasets=datasets), changed.decide(asked, datasets=datasets))
    return tally


def _about(question: Any) -> Iterator[tuple[str, Any]]:
    """Who asked for what, by names only; never the whole question, which may hold a justification."""
    parts = question if isinstance(question, Mapping) else {}
    subject, resource = parts.get("subject"), parts.get("resource")
    yield "subject", subject.get("id") if isinstance(subject, Mapping) else None
    yield "action", parts.get("action")
    for name in ("type", "id", "zone"):
        yield f"resource_{name}", resource.get(name) if isinstance(resource, Mapping) else None
