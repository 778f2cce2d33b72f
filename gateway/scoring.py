"""Live features for models in production, each read under a lease of the service that asks, and of no wider view.

The lease stands on a recorded decision of policy about the signed deployment, shows the contract's columns and no others, is
asked about again every few seconds like any lease, and each statement run through it is in the ledger. It is opened with the
first question about a model, and anew before it ends or when another model is deployed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from compliance.entries import Actor
from gateway.access.opening import Lease
from gateway.access.views import CONNECTIONS
from gateway.composition import Services
from gateway.errors import GatewayError
from gateway.identity import Subject
from gateway.problems import Denied
from gateway.vault import unwrap
from promotion import entities
from promotion.entities import require_features
from promotion.errors import LiveUnavailable, ReadingDenied
from promotion.inference import Tensor
from promotion.model_contracts import ModelContract

SERVER = Actor("model-server", "service")
AHEAD = timedelta(seconds=60)  # a lease is not used up to its last moment
SECONDS_TO_CONNECT = 5
log = logging.getLogger("sallyport.scoring")


@dataclass(frozen=True, slots=True)
class _Held:
    """An open lease, and connections with its credential."""

    lease: Lease
    digest: str
    pool: ConnectionPool

    def good(self, digest: str, now: datetime) -> bool:
        return self.digest == digest and now < self.lease.expires - AHEAD


class LiveFeatures:
    """Gathers what models take, by entity id (promotion.entities.Gather)."""

    def __init__(self, given: Services) -> None:
        self._given = given
        self._held: dict[tuple[str, tuple[str, str]], _Held] = {}
        self._opening = threading.Lock()

    def __call__(
        self, caller: Subject, model: tuple[str, str], digest: str, contract: ModelContract, ids: Sequence[str]
    ) -> list[Tensor]:
        """The inputs of these entities. Raises NoFeatures, ReadingDenied, LiveUnavailable, EntityNotFound, EntityAmbiguous."""
        require_features(contract)
        for attempt in (1, 2):
            held = self._lease(caller, model, digest)
            try:
                with held.pool.connection() as connection:
                    return entities.gather(connection, contract, ids, self._given.clock())
            except (psycopg.Error, PoolTimeout) as error:
                self._drop((caller.id, model), held)  # ended by somebody, or by policy, which is asked again
                if attempt == 2 or not isinstance(error, psycopg.OperationalError | PoolTimeout):
                    raise LiveUnavailable(f"The live features cannot be read now ({type(error).__name__}).") from error
        raise AssertionError("two attempts either gave or raised")

    @contextmanager
    def reading(self, caller: Subject, model: tuple[str, str], digest: str) -> Iterator[psycopg.Connection[Any]]:
        """A connection that sees the columns of the model's contract. Raises ReadingDenied, LiveUnavailable."""
        held = self._lease(caller, model, digest)
        try:
            with held.pool.connection() as connection:
                yield connection
        except (psycopg.OperationalError, PoolTimeout) as error:
            self._drop((caller.id, model), held)
            raise LiveUnavailable(f"The live features cannot be read now ({type(error).__name__}).") from error

    def close(self) -> None:
        """Every lease has ended, as far as the other parts still answer; what is left ends by itself."""
        for key, held in list(self._held.items()):
            self._drop(key, held)

    def _lease(self, caller: Subject, model: tuple[str, str], digest: str) -> _Held:
        key = (caller.id, model)
        held = self._held.get(key)
        if held is not None and held.good(digest, self._given.clock()):
            return held
        with self._opening:
            held = self._held.get(key)
            if held is not None and held.good(digest, self._given.clock()):
                return held
            if held is not None:
                self._drop(key, held)
            self._held[key] = made = self._open(caller, model, digest)
            return made

    def _open(self, caller: Subject, model: tuple[str, str], digest: str) -> _Held:
        given = self._given
        try:
            lease = given.access.open_for_model(caller, "/".join(model), (), public_keys=given.public_keys())
            credential = unwrap(given.vault.address, lease.wrapping_token)
        except Denied as denied:
            decision = denied.decision
            raise ReadingDenied("Policy does not let you read live features.", decision.reasons, decision.decision_id) from denied
        except GatewayError as error:
            raise LiveUnavailable(f"The live features cannot be read now ({error.code}).") from error
        address = make_conninfo(
            given.database("gateway_live", "live"), user=credential.username, password=credential.password,
            options="-c timezone=UTC",
        )  # fmt: skip
        pool = ConnectionPool(
            address, min_size=1, max_size=CONNECTIONS, timeout=SECONDS_TO_CONNECT, kwargs={"autocommit": True}, open=True
        )
        return _Held(lease, digest, pool)

    def _drop(self, key: tuple[str, tuple[str, str]], held: _Held) -> None:
        if self._held.get(key) is held:
            del self._held[key]
        held.pool.close(timeout=1)
        with suppress(GatewayError, psycopg.Error, PoolTimeout):
            self._given.access.end(held.lease.id, by=SERVER, why="done")
