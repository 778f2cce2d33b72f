"""The embedded engine: the same Rego, compiled and asked in this process (regopy)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from policies.bundle import ENTRYPOINT, Bundle, documents
from policies.errors import EngineFailed, InvalidPolicies
from policies.wire import decoded, encoded


def as_input(question: Any) -> Any:
    """`question` as the engine holds it, to be put to several engines. Raises TypeError for what is no JSON value."""
    from regopy import Input

    return Input(encoded(question))


class EmbeddedEngine:
    """Answers from a compiled bundle; it is compiled again only when the datasets change."""

    name = "embedded"

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._lock = threading.Lock()  # one interpreter, one question at a time
        self._datasets: Mapping[str, Any] | None = None
        self._compiled: Any = None
        self._interpreter: Any = None

    def ask(self, input: Any, datasets: Mapping[str, Any]) -> Any:
        """The policies' answer to a question (or to `as_input` of one) as plain JSON values. Raises EngineFailed."""
        from regopy import Input, RegoError

        with self._lock:
            try:
                self._prepare(datasets)
                self._interpreter.set_input(input if isinstance(input, Input) else as_input(input))
                answer = self._interpreter.query_bundle_entrypoint(self._compiled, ENTRYPOINT)
                if not answer.ok():
                    raise EngineFailed("The embedded engine gave no answer.")
                return decoded(answer.results[0].expressions[0])
            except (RegoError, InvalidPolicies, ValueError, TypeError, IndexError, KeyError, RuntimeError) as error:
                raise EngineFailed("The embedded engine gave no answer.") from error

    def healthy(self) -> bool:
        """A well-formed question is answered."""
        return isinstance(self.ask({}, self._datasets or {}), Mapping)

    def prepare(self, datasets: Mapping[str, Any]) -> None:
        """The policies are compiled with `datasets`. Raises InvalidPolicies."""
        from regopy import RegoError

        with self._lock:
            try:
                self._prepare(datasets)
            except (RegoError, ValueError, TypeError) as error:
                raise InvalidPolicies("The policies do not compile.") from error

    def _prepare(self, datasets: Mapping[str, Any]) -> None:
        if self._datasets is None or (datasets is not self._datasets and datasets != self._datasets):
            self._compile(datasets)

    def _compile(self, datasets: Mapping[str, Any]) -> None:
        from regopy import Interpreter, LogLevel

        source = Interpreter()
        source.log_level = LogLevel.NONE  # it would write to the process's standard output
        for name, text in self.bundle.modules.items():
            source.add_module(name, text)
        source.add_data(documents(self.bundle.data, encoded(datasets)))
        compiled = source.build(None, [ENTRYPOINT])
        if compiled is None or not compiled.ok():
            raise InvalidPolicies("The policies do not compile.")
        self._compiled, self._interpreter, self._datasets = compiled, Interpreter(), datasets
