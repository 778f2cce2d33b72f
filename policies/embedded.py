"""The embedded engine: the same Rego, compiled and asked in this process."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from policies.bundle import ENTRYPOINT, Bundle
from policies.errors import EngineFailed, InvalidPolicies
from policies.first import first_branch
from policies.native import Compiled, NoAnswer, Question
from policies.prepared import documents
from policies.wire import encoded


class EmbeddedEngine:
    """Answers from a compiled bundle; it is compiled again only when the datasets change."""

    name = "embedded"

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._lock = threading.Lock()  # one interpreter, one question at a time
        self._datasets: Mapping[str, Any] | None = None
        self._programs: list[Compiled] = []  # each says what the next would say, or nothing

    def ask(self, input: Any, datasets: Mapping[str, Any]) -> Any:
        """The policies' answer to a question (or to a `Question` made of one) as plain JSON values. Raises EngineFailed."""
        with self._lock:
            try:
                question = input if isinstance(input, Question) else Question(input)
                *smaller, whole = self._prepared(datasets)
                for program in smaller:
                    with suppress(NoAnswer):
                        return program.answer(question)
                return whole.answer(question)
            except (NoAnswer, ValueError, TypeError, RuntimeError) as error:
                raise EngineFailed("The embedded engine gave no answer.") from error

    def healthy(self) -> bool:
        """A well-formed question is answered."""
        return isinstance(self.ask({}, self._datasets or {}), Mapping)

    def prepare(self, datasets: Mapping[str, Any]) -> None:
        """The policies are compiled with `datasets`. Raises InvalidPolicies."""
        with self._lock:
            try:
                self._prepared(datasets)
            except (NoAnswer, ValueError, TypeError) as error:
                raise InvalidPolicies("The policies do not compile.") from error

    def _prepared(self, datasets: Mapping[str, Any]) -> list[Compiled]:
        if not self._programs or (datasets is not self._datasets and datasets != self._datasets):
            data = documents(self.bundle.data, encoded(datasets))
            first = first_branch(self.bundle.modules, ENTRYPOINT)
            smaller = [Compiled(first[1], data, first[0])] if first else []
            self._programs, self._datasets = [*smaller, Compiled(self.bundle.modules, data, ENTRYPOINT)], datasets
        return self._programs
