"""Models in memory: only what the store says is deployed, verified, and again when another statement is deployed."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from promotion import runtimes
from promotion.drift import Profile, told
from promotion.errors import NotDeployed, PromotionError
from promotion.inference import Shape
from promotion.model_contracts import ModelContract, load_model_contract
from promotion.runtimes import Runtime
from promotion.stages import Stage
from promotion.store import CHAMPION, ModelStore

SECONDS_A_NAME_LASTS = 1.0
log = logging.getLogger("sallyport.serving")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A verified model in memory."""

    stamp: float
    digest: str
    contract: ModelContract
    runtime: Runtime
    shape: Shape
    version: str
    stage: str = CHAMPION
    share: int = 0
    training: Profile | None = None


class Models:
    """The models that are served."""

    def __init__(
        self, store: ModelStore, public_keys: Callable[[], Mapping[str, str]], *, threads: int = 0,
        only: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        """`only` names what is served, as project/name; none of them: all that is deployed."""
        self._only = only
        self._store, self._public_keys, self._threads = store, public_keys, threads
        self._loaded: dict[tuple[str, str], Loaded] = {}
        self._beside: dict[tuple[str, str], tuple[float, tuple[Loaded, ...]]] = {}
        self._names: tuple[float, dict[str, tuple[str, str]]] = (0.0, {})
        self._lock = threading.Lock()

    def names(self) -> dict[str, tuple[str, str]]:
        """Served name -> (project, name); a name two projects use is served as project.name only."""
        deployed = [(p, n) for p, n in self._store.deployed() if not self._only or f"{p}/{n}" in self._only]
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

    def beside(self, key: tuple[str, str]) -> tuple[Loaded, ...] | None:
        """Who was found beside the champion a moment ago; None when it is time to look again. Quick, and never loads."""
        read, found = self._beside.get(key, (0.0, ()))
        return found if time.monotonic() - read <= SECONDS_A_NAME_LASTS else None

    def look_beside(self, key: tuple[str, str]) -> tuple[Loaded, ...]:
        """The verified models beside the champion. One that does not verify stands nowhere, and the champion answers all."""
        with self._lock:
            before = {one.stage: one for one in self._beside.get(key, (0.0, ()))[1]}
            found = tuple(one for stage in Stage if (one := self._staged(key, stage, before.get(stage))) is not None)
            self._beside[key] = (time.monotonic(), found)
            return found

    def _staged(self, key: tuple[str, str], stage: Stage, before: Loaded | None) -> Loaded | None:
        stamp = self._store.stamp(*key, stage=stage)
        if stamp is None or (before is not None and before.stamp == stamp):
            return before if stamp is not None else None
        try:
            return self._load(key, stamp, stage)
        except PromotionError as error:
            log.warning("the %s of %s/%s is not used: %s", stage, *key, error.code)
            return None

    def _key(self, served: str) -> tuple[str, str] | None:
        read, names = self._names
        if served not in names or time.monotonic() - read > SECONDS_A_NAME_LASTS:
            names = self.names()
            self._names = (time.monotonic(), names)
        return names.get(served)

    def _load(self, key: tuple[str, str], stamp: float, stage: str = CHAMPION) -> Loaded:
        folder, statement = self._store.open_verified(*key, self._public_keys(), stage=stage)
        digest = next(subject.digest for subject in statement.subjects if subject.name == "model")
        contract = load_model_contract(str(statement.predicate["contract"]))
        runtime = runtimes.load(folder, contract.inputs, threads=self._threads)
        said = statement.predicate
        training = told(said)
        return Loaded(
            stamp, digest, contract, runtime, Shape(contract), str(said["version"]), stage, int(said.get("share", 0)), training
        )  # fmt: skip
