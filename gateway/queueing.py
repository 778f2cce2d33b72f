"""The queue of inference requests: taken by the model server, answered by the worker, lost by neither.

A request is sealed with a data key that Vault alone opens again, and committed; then it is given to the worker through DBOS. A
crash in between leaves a row that the worker's next round finds (gateway/forgotten.py); answering twice changes nothing.
"""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache

from cryptography.fernet import Fernet
from psycopg import OperationalError

from gateway import batch
from gateway.access.service import asker
from gateway.catalog import holds
from gateway.composition import Services
from gateway.errors import GatewayError
from gateway.identity import Subject
from gateway.scoring import LiveFeatures
from promotion import queued, scorings
from promotion.answering import parsed, predict, response
from promotion.errors import LiveUnavailable, PromotionError
from promotion.inference import Inference
from promotion.loading import Models
from promotion.queued import Queued

KEYS_REMEMBERED = 64


class NotAnsweredYet(GatewayError):
    """A part that the answer needs does not answer; it is tried again."""

    code = "not_answered_yet"


@dataclass(slots=True)
class DurableQueue:
    """Where the model server puts requests (promotion.queueing.Queue)."""

    given: Services
    _key: tuple[bytes, str] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, caller: Subject, model: tuple[str, str], body: bytes) -> Queued:
        """The request is committed, and given to the worker."""
        key, wrapped = self._data_key()
        now = self.given.clock()
        one = queued.new(
            model, caller=caller.id, asker=caller.policy_input(), sealed=_box(key).encrypt(body), wrapped=wrapped, now=now
        )
        return self._take(one)

    def get(self, caller: Subject, request: str) -> Queued:
        """The caller's own request of that id. Raises QueuedNotFound."""
        with self.given.pool.connection() as connection:
            return queued.get(connection, request, caller=caller.id)

    def replay(self, caller: Subject, request: str) -> Queued:
        """The same is asked again. Raises QueuedNotFound."""
        one = self.get(caller, request)
        again = queued.new(
            one.model, caller=caller.id, asker=caller.policy_input(), sealed=one.sealed, wrapped=one.wrapped,
            now=self.given.clock(), replay_of=one.id,
        )  # fmt: skip
        return self._take(again)

    def _take(self, one: Queued) -> Queued:
        with self.given.pool.connection() as connection:
            queued.put(connection, one)
        self.given.jobs.answer_queued(one.id)
        return one

    def _data_key(self) -> tuple[bytes, str]:
        with self._lock:
            if self._key is None:
                self._key = self.given.vault.new_data_key()
            return self._key


class Answerer:
    """Answers what waits, in the worker; `models` and `features` are there for batch runs too."""

    def __init__(self, given: Services) -> None:
        self.given, self.features = given, LiveFeatures(given)
        self.models = Models(given.store, given.public_keys)
        self._unwrapped = lru_cache(KEYS_REMEMBERED)(given.vault.unwrap_data_key)

    def answer(self, request: str) -> str:
        """The request is answered, or has failed for a reason that trying again does not mend; its state.

        Raises NotAnsweredYet.
        """
        given = self.given
        with given.pool.connection() as connection:
            one = queued.get(connection, request)
        if one.state != "queued":
            return one.state
        try:
            key, loaded = self.models.get(f"{one.project}.{one.name}")
            body = parsed(_box(self._unwrapped(one.wrapped)).decrypt(one.sealed))
            inputs = body.inputs
            if body.entities:
                inputs = self.features(asker(one.asker), key, loaded.digest, loaded.contract, body.entities)
            predicted, outputs = predict(key, loaded, Inference(id=body.id, inputs=inputs), one.caller)
        except (LiveUnavailable, GatewayError, OperationalError) as error:
            raise NotAnsweredYet(f"It is tried again ({getattr(error, 'code', type(error).__name__)}).") from error
        except PromotionError as error:
            return self.fail(request, error)
        said = response(one.name, loaded, body.id or one.id, queued.prediction_id(one.id), outputs)
        with given.pool.connection() as connection:
            return queued.answer(connection, request, predicted, json.loads(said), given.clock())

    def fail(self, request: str, error: Exception) -> str:
        """The request has no answer, and its caller is told why."""
        code = str(getattr(error, "code", "unexpected"))
        sentence = str(error) if isinstance(error, PromotionError | NotAnsweredYet) else "Not answered."
        with self.given.pool.connection() as connection:
            return queued.fail(connection, request, {"code": code, "error": sentence}, self.given.clock())


def forget(given: Services) -> int:
    """Requests and scores that ended so many days ago as the settings say are gone, but where a legal hold is on predictions."""
    before = given.clock() - timedelta(days=given.settings.queued_days)
    with given.pool.connection() as connection:
        connection.execute(holds.ALONE)
        held = [one for one in holds.every(connection) if one.lifted_at is None and one.kind in (None, "predictions")]
        if any(one.project is None for one in held):
            return 0
        projects = [str(one.project) for one in held]
        runs = scorings.ended(connection, before, but_of=projects)
        batch.forget(given, runs)
        scorings.forgotten(connection, runs)
        return queued.forget(connection, before, but_of=projects)


def _box(key: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(key))
