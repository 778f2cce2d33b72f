"""The one way to ask policy: whatever the engine does, the answer is a decision, and doubt means deny."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import uuid4

from policies.bundle import Bundle
from policies.decisions import Decision
from policies.errors import EngineFailed

ENGINE_UNAVAILABLE = "engine_unavailable"
INVALID_ANSWER = "invalid_answer"
READ_OBLIGATIONS = {"columns", "row_filter", "ttl_seconds", "log_statements", "review_within_seconds"}
TREATMENTS = {"clear", "null", "pseudonym", "generalise", "absent"}


class Engine(Protocol):
    """Evaluates the policies' entrypoint."""

    bundle: Bundle

    @property
    def name(self) -> str: ...

    def ask(self, input: Any, datasets: Mapping[str, Any]) -> Any: ...

    def healthy(self) -> bool: ...


class PolicyClient:
    """Asks one engine, and turns what it says into a Decision."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @property
    def digest(self) -> str:
        """Which policies decide."""
        return self.engine.bundle.digest

    def decide(self, input: Any, *, datasets: Mapping[str, Any] | None = None, decision_id: str | None = None) -> Decision:
        """The decision on `input` under `datasets` (`data.datasets`); an engine that fails or answers nonsense denies."""
        name = decision_id or uuid4().hex
        try:
            answer = self.engine.ask(input, {} if datasets is None else datasets)
        except EngineFailed:
            return self._denied(name, ENGINE_UNAVAILABLE)
        if not _well_formed(answer):
            return self._denied(name, INVALID_ANSWER)
        if answer["allow"]:
            return Decision(True, (), name, self.digest, answer["obligations"])
        return Decision(False, tuple(sorted(set(answer["reasons"]))), name, self.digest)

    def _denied(self, decision_id: str, reason: str) -> Decision:
        return Decision(False, (reason,), decision_id, self.digest)


def _well_formed(answer: Any) -> bool:
    """Allowed with obligations and no reason, or denied with at least one reason; nothing between."""
    if not isinstance(answer, Mapping) or answer.keys() != {"allow", "reasons", "obligations"}:
        return False
    reasons, obligations = answer["reasons"], answer["obligations"]
    if not isinstance(reasons, list) or not all(isinstance(reason, str) for reason in reasons):
        return False
    if not isinstance(obligations, Mapping):
        return False
    if obligations.keys() & READ_OBLIGATIONS and not _enforceable(obligations):
        return False
    return (answer["allow"] is True and not reasons) or (answer["allow"] is False and bool(reasons))


def _enforceable(terms: Mapping[str, Any]) -> bool:
    """Terms of reading that an enforcement point knows how to keep: what it does not know it cannot promise."""
    if terms.keys() != READ_OBLIGATIONS or not isinstance(terms["columns"], Mapping):
        return False
    return (
        all(isinstance(how, str) and how in TREATMENTS for how in terms["columns"].values())
        and (terms["row_filter"] is None or isinstance(terms["row_filter"], str))
        and _seconds(terms["ttl_seconds"])
        and isinstance(terms["log_statements"], bool)
        and (terms["review_within_seconds"] is None or _seconds(terms["review_within_seconds"]))
    )


def _seconds(value: Any) -> bool:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return whole and not isinstance(value, bool) and value > 0
