"""Inference, as directly as it can be answered: checked, run, kept in the log, and only then given."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import uuid4

from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.requests import Request

from promotion.entities import Caller, Gather, NoFeatures
from promotion.errors import NotDeployed
from promotion.inference import MOST_ROWS, POSITIVE_FROM, Inference, InvalidInput, Tensor, described, scores
from promotion.journal import Journal
from promotion.loading import Loaded, Models
from promotion.predictions import Prediction
from promotion.stages import Stage

FEW_ROWS = 64
MOST_LISTENING = 200  # beyond, a shadow misses requests: no answer waits for it
log = logging.getLogger("sallyport.serving")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Answering:
    """Answers inference requests for the models that are served."""

    def __init__(
        self, models: Models, caller_of: Callable[[Request], Awaitable[Caller]], journal: Journal[Prediction],
        gather: Gather | None = None,
    ) -> None:  # fmt: skip
        """`gather` gives the live features of entities; without it there are none to ask about."""
        self._models, self._caller_of, self._journal, self._gather = models, caller_of, journal, gather
        self._listening: set[asyncio.Task[None]] = set()

    async def infer(self, name: str, version: str | None, request: Request) -> bytes:
        """The answer as JSON."""
        caller = await self._caller_of(request)
        body = parsed(await request.body())
        ready = self._models.peek(name)
        key, loaded = ready if ready is not None else await run_in_threadpool(self._models.get, name)
        require_version(loaded, version)
        if entities := body.entities:
            body = body.model_copy(update={"inputs": await self._features(caller, key, loaded, entities)})
        beside = self._models.beside(key)
        if beside is None:
            beside = await run_in_threadpool(self._models.look_beside, key)
        if beside and version is None:
            loaded = _chosen(loaded, beside, secrets.randbelow(100))
        one, outputs = await _predicted(key, loaded, body, caller.id)
        await self._journal.keep(one)
        for shadow in beside:
            if shadow.stage == Stage.SHADOW and len(self._listening) < MOST_LISTENING:
                task = asyncio.create_task(self._listen(key, shadow, body, caller.id))
                self._listening.add(task)
                task.add_done_callback(self._listening.discard)
        return response(name, loaded, body.id or one.id, one.id, outputs)

    async def _features(self, caller: Caller, key: tuple[str, str], champion: Loaded, entities: list[str]) -> list[Tensor]:
        """The inputs of these entities, by the champion's definition whoever answers: who stands beside it hears its requests."""
        if self._gather is None:
            raise NoFeatures("This server reaches no live rows; ask the model with its inputs.")
        return await run_in_threadpool(self._gather, caller, key, champion.digest, champion.contract, entities)

    async def _listen(self, key: tuple[str, str], shadow: Loaded, body: Inference, caller: str) -> None:
        """What the shadow would have answered is kept; whatever goes wrong there is nobody's answer."""
        try:
            one, _ = await _predicted(key, shadow, body, caller)
            await self._journal.keep(one)
        except Exception as error:
            log.warning("the shadow of %s/%s did not answer: %s", *key, getattr(error, "code", type(error).__name__))


async def _predicted(key: tuple[str, str], loaded: Loaded, body: Inference, caller: str) -> Any:
    few = loaded.runtime.quick and bool(body.inputs) and len(body.inputs[0].data) <= FEW_ROWS
    return predict(key, loaded, body, caller) if few else await run_in_threadpool(predict, key, loaded, body, caller)


def _chosen(champion: Loaded, beside: tuple[Loaded, ...], number: int) -> Loaded:
    """The challenger for its share of the numbers below a hundred, else the champion."""
    return next((one for one in beside if one.stage == Stage.CHALLENGER and number < one.share), champion)


def predict(key: tuple[str, str], loaded: Loaded, body: Inference, caller: str) -> tuple[Prediction, list[dict[str, Any]]]:
    """What is to be logged, and the outputs. Raises InvalidInput."""
    started = time.perf_counter()
    fed = loaded.shape.feed(body.inputs)
    outputs = described(loaded.runtime.outputs, loaded.runtime.run(fed.columns))
    given = scores(outputs, fed.rows)
    chosen = sum(1 for score in given if score is not None and score >= POSITIVE_FROM)
    one = Prediction(
        id=str(uuid4()), model=key, digest=loaded.digest, caller=caller, rows=fed.rows, input_hash=fed.hash,
        output=outputs[-1]["data"][:MOST_ROWS], latency_ms=(time.perf_counter() - started) * 1000, positives=chosen,
        missing=fed.missing, stage=loaded.stage,
        bins=loaded.training.count(fed.columns, given) if loaded.training is not None else None,
    )  # fmt: skip
    return one, outputs


def response(name: str, loaded: Loaded, name_of_request: str, prediction: str, outputs: list[dict[str, Any]]) -> bytes:
    """The answer as JSON."""
    return to_json({
        "model_name": name, "model_version": loaded.version, "id": name_of_request, "outputs": outputs,
        "parameters": {"digest": loaded.digest, "prediction_id": prediction},
    })  # fmt: skip


def parsed(text: bytes) -> Inference:
    """The request in the protocol's form. Raises InvalidInput."""
    try:
        return Inference.model_validate_json(text)
    except ValidationError as error:
        raise InvalidInput("The request is not of the protocol's form.") from error


def require_version(loaded: Loaded, version: str | None) -> None:
    """Raises NotDeployed when another version is asked for."""
    if version not in (None, loaded.version):
        raise NotDeployed("That version of the model is not deployed.")
