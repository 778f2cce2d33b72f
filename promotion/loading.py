"""Models in memory: only what the store says is deployed, verified, and again when another statement is deployed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from promotion import runtimes
from promotion.errors import NotDeployed
from promotion.inference import Shape
from promotion.model_contracts import ModelContract, load_model_contract
from promotion.runtimes import Runtime
from promotion.store import ModelStore

SECONDS_A_NAME_LASTS = 1.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """A verified model in memory."""

    stamp: float
    digest: str
    contract: ModelContract
    runtime: Runtime
    shape: Shape
    version: str


class Models:
    """The models that are served."""

    def __init__(self, store: ModelStore, public_keys: Callable[[], Mapping[str, str]], *, threads: int = 0) -> None:
        self._store, self._public_keys, self._threads = store, public_keys, threads
        self._loaded: dict[tuple[str, str], Loaded] = {}
        self._names: tuple[float, dict[str, tuple[str, str]]] = (0.0, {})
        self._lock = threading.Lock()

    def names(self) -> dict[str, tuple[str, str]]:
        """Served name -> (project, name); a name two projects use is served as project.name only."""
        deployed = self._store.deployed()
        plain = [name for _, name in deployed]
        return {f"{p}.{n}": (p, n) for p, n in deployed} | {n: (p, n) for p, n in deployed if plain.count(n) == 1}

    def peek(self, served: str) -> tuple[tuple[str, str], Loaded] | None:
        """The model if it is in memory and still the one that is deployed; quick, and never loads."""
        read, names = self._names
        key = names.get(served) if time.monotonic() - read <= SECONDS_A_NAME_LASTS else None
        found = self._loaded.get(key) if key else None
        return (key, found) if key and found and found.stamp == self._store.stamp(*key) else None

    def get(self, served: str) -> tuple[tuple[str, str], Loaded]:
        """The verified model. Raises NotDeployed, Tampered."""
        key = self._key(served)
        stamp = key and self._store.stamp(*key)
        if key is None or stamp is None:
            raise NotDeployed(f"No model '{served[:80]}' is deployed.")
        found = self._loaded.get(key)
        if found is not None and found.stamp == stamp:
            return key, found
        with self._lock:
            if key not in self._loaded or self._loaded[key].stamp != stamp:
                self._loaded.pop(key, None)
                self._loaded[key] = self._load(key, stamp)
            return key, self._loaded[key]

    def _key(self, served: str) -> tuple[str, str] | None:
        read, names = self._names
        if served not in names or time.monotonic() - read > SECONDS_A_NAME_LASTS:
            names = self.names()
            self._names = (time.monotonic(), names)
        return names.get(served)

    def _load(self, key: tuple[str, str], stamp: float) -> Loaded:
        folder, statement = self._store.open_verified(*key, self._public_keys())
        digest = next(subject.digest for subject in statement.subjects if subject.name == "model")
        contract = load_model_contract(str(statement.predicate["contract"]))
        runtime = runtimes.load(folder, contract.inputs, threads=self._threads)
        return Loaded(stamp, digest, contract, runtime, Shape(contract), str(statement.predicate["version"]))
