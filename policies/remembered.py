"""An engine that answers a question asked before from memory, for work that puts many.

A decision depends on the policies, the datasets and the question alone, time included, as policy reads no clock. So the same
question under the same datasets has the same answer, and who asks it twice need not wait twice.
"""

from __future__ import annotations

import marshal
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from policies.embedded import EmbeddedEngine
from policies.native import NoAnswer, Question

PLAIN = 2  # the format of marshal without references, whose bytes depend on the value alone
MOST = 4_096  # answers kept; the oldest goes first


class Asked:
    """A question to be put to several engines: its key, and how the engine holds it, are made once."""

    def __init__(self, input: Any) -> None:
        self.input = input

    @cached_property
    def key(self) -> bytes | None:
        """The same for the same question only (1, 1.0, true and "1" are four); None for what has none, and is not remembered."""
        try:
            return marshal.dumps(self.input, PLAIN)
        except ValueError:
            return None

    @cached_property
    def held(self) -> Any:
        """As the engine holds it; or as it is, which the engine will refuse."""
        try:
            return Question(self.input)
        except (NoAnswer, TypeError, ValueError):
            return self.input


class RememberingEngine:
    """The embedded engine's answers, each found out once. One thread at a time."""

    name = "embedded"

    def __init__(self, engine: EmbeddedEngine) -> None:
        self._engine, self.bundle = engine, engine.bundle
        self._datasets: Mapping[str, Any] | None = None
        self._answers: dict[bytes, Any] = {}

    def ask(self, input: Any, datasets: Mapping[str, Any]) -> Any:
        """The policies' answer to a question or to an `Asked`; not to be changed by whoever gets it. Raises EngineFailed."""
        asked = input if isinstance(input, Asked) else Asked(input)
        if datasets is not self._datasets:
            self._answers, self._datasets = {}, datasets
        if asked.key is None:
            return self._engine.ask(asked.input, datasets)
        if asked.key not in self._answers:
            answer = self._engine.ask(asked.held, datasets)  # one that fails raises, and is not kept
            if len(self._answers) >= MOST:
                del self._answers[next(iter(self._answers))]
            self._answers[asked.key] = answer
        return self._answers[asked.key]

    def healthy(self) -> bool:
        return self._engine.healthy()
