"""Many questions, decided in order on all cores; memory stays bounded whatever their number."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from itertools import chain, islice
from multiprocessing import get_context
from typing import Any

from policies.bundle import Bundle
from policies.client import PolicyClient
from policies.decisions import Decision
from policies.embedded import EmbeddedEngine
from policies.remembered import RememberingEngine

CHUNK = 250
# Below this many questions a second process costs more than it brings.
WORTH_MORE_PROCESSES = 1_500

Work = Callable[[tuple[PolicyClient, ...], Mapping[str, Any], list[Any]], Any]

# What a process of the pool does with a chunk.
_begun: list[Callable[[list[Any]], Any]] = []


def decide_all(
    bundle: Bundle, questions: Iterable[Any], datasets: Mapping[str, Any], *, processes: int | None = None
) -> Iterator[Decision]:
    """The decisions of the embedded engine on `questions`, in their order. Raises InvalidPolicies before the first."""
    parts = in_chunks(_decide, (bundle,), questions, datasets, processes=processes)
    return (decision for part in parts for decision in part)


def in_chunks(
    work: Work, bundles: tuple[Bundle, ...], items: Iterable[Any], datasets: Mapping[str, Any], *, processes: int | None = None
) -> Iterator[Any]:
    """What `work` (a module's own function) makes of each chunk of `items` with a client for each of `bundles`, in order.

    Raises InvalidPolicies before the first.
    """
    engines = [EmbeddedEngine(bundle) for bundle in bundles]
    for engine in engines:
        engine.prepare(datasets)
    cores = processes or os.cpu_count() or 1
    waiting = iter(items)
    first = list(islice(waiting, WORTH_MORE_PROCESSES if cores > 1 else 1))
    every = chain(first, waiting)
    if cores > 1 and len(first) == WORTH_MORE_PROCESSES:
        return _on_all_cores(work, bundles, every, datasets, cores)
    clients = tuple(PolicyClient(RememberingEngine(engine)) for engine in engines)
    return (work(clients, datasets, [item]) for item in every)


def _on_all_cores(
    work: Work, bundles: tuple[Bundle, ...], items: Iterator[Any], datasets: Mapping[str, Any], cores: int
) -> Iterator[Any]:
    parts = [(dict(bundle.modules), dict(bundle.data), bundle.digest) for bundle in bundles]
    context = get_context("spawn")
    with ProcessPoolExecutor(cores, mp_context=context, initializer=_begin, initargs=(work, parts, datasets)) as pool:
        running: deque[Future[Any]] = deque()
        while chunk := list(islice(items, CHUNK)):
            running.append(pool.submit(_run, chunk))
            if len(running) > 2 * cores:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()


def _begin(work: Work, parts: list[tuple[dict[str, str], dict[str, Any], str]], datasets: Mapping[str, Any]) -> None:
    clients = tuple(PolicyClient(RememberingEngine(EmbeddedEngine(Bundle(*part)))) for part in parts)
    _begun.append(partial(work, clients, datasets))


def _run(chunk: list[Any]) -> Any:
    return _begun[-1](chunk)


def _decide(clients: tuple[PolicyClient, ...], datasets: Mapping[str, Any], questions: list[Any]) -> list[Decision]:
    return [clients[0].decide(question, datasets=datasets) for question in questions]
