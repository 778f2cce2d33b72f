"""The scrubber: identifiers found in texts, tags or surrogates in their place, on all cores where there is enough to do.

Nothing in a text is interpreted, and no text ever reaches a log or an error.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.text.detect import Found, find_all
from sandbox.text.engines import MODEL, Engine
from sandbox.text.surrogates import Surrogates

VERSION = 4
BATCH = 64
ENOUGH_FOR_PROCESSES = 400_000  # characters; below, starting processes costs more than it saves

Work = list[tuple[str, dict[str, str], Surrogates | None]]


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A text with tags where identifiers stood, and how many of each kind there were. The text is None where none was given."""

    text: str | None
    removed: Mapping[str, int]


class Scrubber:
    """Finds identifiers and puts tags in their place.

    `processes` 0 means one for each core; `engine` is named as `engines` says. Raises EngineUnavailable.
    """

    def __init__(self, *, engine: str = MODEL, processes: int = 0) -> None:
        Engine.parse(engine)
        self._engine = engine
        self._processes = processes or len(os.sched_getaffinity(0))

    @property
    def recipe(self) -> Mapping[str, Any]:
        """What decides the outcome beside text and record."""
        return {"version": VERSION, "engine": dict(Engine.parse(self._engine).recipe)}

    def find(self, text: str, known: Mapping[str, str] | None = None) -> list[Found]:
        """The identifiers in `text`, in order, not overlapping."""
        return find_all([(text, known or {})], self._engine)[0]

    def labels(self, text: str) -> set[str]:
        """The kinds of identifiers in `text`."""
        return {found.kind for found in self.find(text)}

    def scrub_batch(
        self, texts: Sequence[str | None], known: Sequence[Mapping[str, str]] = (),
        progress: Callable[[int], None] = lambda done: None, surrogates: Sequence[Surrogates] = (),
    ) -> list[str | None]:  # fmt: skip
        """Each text with a tag, or a surrogate, where an identifier stood, in order; None stays None."""
        return [one.text for one in self.scrub_all(texts, known, progress, surrogates)]

    def scrub_all(
        self, texts: Sequence[str | None], known: Sequence[Mapping[str, str]] = (),
        progress: Callable[[int], None] = lambda done: None, surrogates: Sequence[Surrogates] = (),
    ) -> list[Scrubbed]:  # fmt: skip
        """What `scrub_batch` gives, with the kinds removed. Texts equal under equal records are scrubbed once."""
        given = list(known) or [{}] * len(texts)
        instead: list[Surrogates | None] = [*surrogates] or [None] * len(texts)
        seen: dict[tuple[str, tuple[tuple[str, str], ...], Surrogates | None], int] = {}
        place: list[int | None] = []
        for text, record, other in zip(texts, given, instead, strict=True):
            place.append(None if text is None else seen.setdefault((text, tuple(sorted(record.items())), other), len(seen)))
        clean = self._all([(text, dict(record), other) for text, record, other in seen], progress)
        return [Scrubbed(None, {}) if i is None else clean[i] for i in place]

    def _all(self, work: Work, progress: Callable[[int], None]) -> list[Scrubbed]:
        batches = [work[i : i + BATCH] for i in range(0, len(work), BATCH)]
        clean: list[Scrubbed] = []
        for done in self._run(batches, sum(len(text) for text, *_ in work)):
            clean += done
            progress(len(clean))
        return clean

    def _run(self, batches: list[Work], characters: int) -> Iterable[list[Scrubbed]]:
        if self._processes == 1 or len(batches) < 3 or characters < ENOUGH_FOR_PROCESSES:
            yield from (_scrub(batch, self._engine) for batch in batches)
            return
        from concurrent.futures import ProcessPoolExecutor

        with ProcessPoolExecutor(self._processes, _context()) as pool:
            yield from pool.map(_scrub, batches, [self._engine] * len(batches))


def _context() -> Any:
    """Processes forked from one without threads that has loaded what they need; where there is no such thing, new ones."""
    from multiprocessing import get_all_start_methods, get_context

    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    context = get_context("forkserver")
    context.set_forkserver_preload(["sandbox.text.preloaded"])
    return context


def _scrub(batch: Work, engine: str) -> list[Scrubbed]:
    every = find_all([(text, record) for text, record, _ in batch], engine)
    return [_replaced(text, found, other) for (text, _, other), found in zip(batch, every, strict=True)]


def _replaced(text: str, found: Sequence[Found], other: Surrogates | None) -> Scrubbed:
    parts, last, kinds = [], 0, Counter[str]()
    for one in found:
        value = text[one.start : one.end]
        parts += [text[last : one.start], other.instead(one.kind, value) if other else f"[{one.kind}]"]
        last = one.end
        kinds[one.kind] += 1
    return Scrubbed("".join([*parts, text[last:]]), dict(kinds))
