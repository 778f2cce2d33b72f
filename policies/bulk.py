"""Many questions, decided in order on all cores; memory stays bounded whatever their number."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import chain, islice
from multiprocessing import get_context
from typing import Any

from policies.bundle import Bundle
from policies.client import PolicyClient
from policies.decisions import Decision
from policies.embedded import EmbeddedEngine

CHUNK = 500
# Below this many questions a second process costs more than it brings.
WORTH_MORE_PROCESSES = 3_000

_client: PolicyClient
_datasets: Mapping[str, Any]


def decide_all(
    bundle: Bundle, questions: Iterable[Any], datasets: Mapping[str, Any], *, processes: int | None = None
) -> Iterator[Decision]:
    """The decisions of the embedded engine on `questions`, in their order. Raises InvalidPolicies before the first."""
    engine = EmbeddedEngine(bundle)
    engine.prepare(datasets)
    cores = processes or os.cpu_count() or 1
    waiting = iter(questions)
    first = list(islice(waiting, WORTH_MORE_PROCESSES if cores > 1 else 1))
    if cores > 1 and len(first) == WORTH_MORE_PROCESSES:
        return _on_all_cores(bundle, chain(first, waiting), datasets, cores)
    client = PolicyClient(engine)
    return (client.decide(question, datasets=datasets) for question in chain(first, waiting))


def _on_all_cores(bundle: Bundle, questions: Iterator[Any], datasets: Mapping[str, Any], cores: int) -> Iterator[Decision]:
    parts = (dict(bundle.modules), dict(bundle.data), bundle.digest)
    context = get_context("spawn")
    with ProcessPoolExecutor(cores, mp_context=context, initializer=_begin, initargs=(parts, datasets)) as pool:
        running: deque[Future[list[Decision]]] = deque()
        while chunk := list(islice(questions, CHUNK)):
            running.append(pool.submit(_decide, chunk))
            if len(running) > 2 * cores:
                yield from running.popleft().result()
        while running:
            yield from running.popleft().result()


def _begin(parts: tuple[dict[str, str], dict[str, Any], str], datasets: Mapping[str, Any]) -> None:
    global _client, _datasets
    _client, _datasets = PolicyClient(EmbeddedEngine(Bundle(*parts))), datasets


def _decide(questions: list[Any]) -> list[Decision]:
    return [_client.decide(question, datasets=_datasets) for question in questions]
