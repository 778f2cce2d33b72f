"""The model server: Open Inference Protocol v2 (REST) over the store; what does not verify is not served."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from compliance.entries import Actor
from promotion.errors import NotDeployed, PromotionError
from promotion.inference import (
    DATATYPES,
    MOST_ROWS,
    POSITIVE_FROM,
    Inference,
    InvalidInput,
    described,
    feed,
    input_hash,
    missing,
    scores,
)
from promotion.journal import Journal
from promotion.loading import Loaded, Models

MOST_BODY_BYTES = 32 << 20
SECONDS_A_TOKEN_LASTS, MOST_CALLERS = 10.0, 1_000
FEW_ROWS = 64
BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": Inference.model_json_schema()}}}}
STATUS = {"model_not_found": 404, "invalid_input": 400, "not_authenticated": 401}
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class NotAuthenticated(PromotionError):
    """The caller shows no token that is accepted."""

    code = "not_authenticated"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is logged of one request; the inputs by hash and counts only."""

    id: str
    model: tuple[str, str]
    digest: str
    caller: str
    rows: int
    input_hash: str
    output: list[Any]
    latency_ms: float
    positives: int = 0
    missing: dict[str, int] | None = None


Log = Callable[[list[Prediction]], None]


def create_app(models: Models, *, authenticate: Callable[[str], Actor], log: Log) -> FastAPI:
    """The server. `authenticate` turns a bearer token into an actor or raises; `log` keeps predictions before they are given."""
    app = FastAPI(title="Sallyport model server", openapi_url="/v2/openapi.json", docs_url=None, redoc_url=None)
    app.add_middleware(Bounded)

    @app.exception_handler(PromotionError)
    def _refused(request: Request, error: PromotionError) -> JSONResponse:
        return JSONResponse({"error": str(error), "code": error.code}, STATUS.get(error.code, 503))

    @app.exception_handler(Exception)
    def _failed(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"error": "Not served.", "code": str(getattr(error, "code", "unexpected"))}, 503)

    @app.get("/v2")
    def server() -> dict[str, Any]:
        return {"name": "sallyport", "version": "2", "extensions": []}

    @app.get("/v2/health/live")
    def live() -> dict[str, bool]:
        return {"live": True}

    @app.get("/v2/health/ready")
    def ready() -> dict[str, bool]:
        return {"ready": True}

    _model_routes(app, models, authenticate, log)
    return app


def _model_routes(app: FastAPI, models: Models, authenticate: Callable[[str], Actor], log: Log) -> None:
    @app.get("/v2/models/{name}")
    @app.get("/v2/models/{name}/versions/{version}")
    def metadata(name: str, version: str | None = None) -> dict[str, Any]:
        _, loaded = _of_version(models, name, version)
        inputs = [{"name": c.name, "datatype": DATATYPES[c.type][0], "shape": [-1, 1]} for c in loaded.contract.inputs]
        outputs = [{"name": output.name, "datatype": "FP32", "shape": [-1]} for output in loaded.session.get_outputs()]
        return {"name": name, "versions": [loaded.version], "platform": "onnx", "inputs": inputs, "outputs": outputs,
                "parameters": {"digest": loaded.digest}}  # fmt: skip

    @app.get("/v2/models/{name}/ready")
    @app.get("/v2/models/{name}/versions/{version}/ready")
    def model_ready(name: str, version: str | None = None) -> dict[str, Any]:
        _of_version(models, name, version)
        return {"name": name, "ready": True}

    callers, journal = Callers(authenticate), Journal(log)

    @app.post("/v2/models/{name}/infer", openapi_extra=BODY)
    @app.post("/v2/models/{name}/versions/{version}/infer", openapi_extra=BODY)
    async def infer(name: str, request: Request, version: str | None = None) -> JSONResponse:
        caller = await callers.of(request)
        body = _parsed(await request.body())
        ready = models.peek(name)
        key, loaded = ready if ready is not None else await run_in_threadpool(models.get, name)
        _require_version(loaded, version)
        # A few rows take less time than handing them to another thread.
        few = bool(body.inputs) and len(body.inputs[0].data) <= FEW_ROWS
        one, outputs = (
            predict(key, loaded, body, caller.id) if few else await run_in_threadpool(predict, key, loaded, body, caller.id)
        )
        await journal.keep(one)
        return JSONResponse({
            "model_name": name, "model_version": loaded.version, "id": body.id or one.id, "outputs": outputs,
            "parameters": {"digest": loaded.digest, "prediction_id": one.id},
        })  # fmt: skip


def predict(key: tuple[str, str], loaded: Loaded, body: Inference, caller: str) -> tuple[Prediction, list[dict[str, Any]]]:
    """What is to be logged, and the outputs. Raises InvalidInput."""
    started = time.perf_counter()
    tensors, rows = feed(loaded.contract, body.inputs)
    outputs = described(loaded.session, loaded.session.run(None, tensors))
    chosen = sum(1 for score in scores(outputs, rows) if score is not None and score >= POSITIVE_FROM)
    one = Prediction(
        id=str(uuid4()), model=key, digest=loaded.digest, caller=caller, rows=rows, input_hash=input_hash(body),
        output=outputs[-1]["data"][:MOST_ROWS], latency_ms=(time.perf_counter() - started) * 1000, positives=chosen,
        missing=missing(tensors),
    )  # fmt: skip
    return one, outputs


def _of_version(models: Models, name: str, version: str | None) -> tuple[tuple[str, str], Loaded]:
    key, loaded = models.get(name)
    _require_version(loaded, version)
    return key, loaded


def _require_version(loaded: Loaded, version: str | None) -> None:
    if version not in (None, loaded.version):
        raise NotDeployed("That version of the model is not deployed.")


def _parsed(text: bytes) -> Inference:
    try:
        return Inference.model_validate_json(text)
    except ValidationError as error:
        raise InvalidInput("The request is not of the protocol's form.") from error


class Callers:
    """Who sends a request, by its bearer token; one that was verified a moment ago is not verified again."""

    def __init__(self, authenticate: Callable[[str], Actor]) -> None:
        self._authenticate = authenticate
        self._known: dict[bytes, tuple[float, Actor]] = {}

    async def of(self, request: Request) -> Actor:
        """The caller. Raises NotAuthenticated."""
        token = request.headers.get("Authorization", "").partition(" ")[2]
        name, now = hashlib.sha256(token.encode()).digest(), time.monotonic()
        until, actor = self._known.get(name, (0.0, None))
        if actor is not None and now < until:
            return actor
        try:
            found = await run_in_threadpool(self._authenticate, token)
        except Exception as error:
            if getattr(error, "code", "") == NotAuthenticated.code:
                raise NotAuthenticated("Send a valid bearer token.") from error
            raise
        if len(self._known) >= MOST_CALLERS:
            self._known.clear()
        self._known[name] = (now + SECONDS_A_TOKEN_LASTS, found)
        return found


class Bounded:
    """A request's body is no larger than the server takes, whatever it says of itself."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Callable[[Message], Awaitable[None]]) -> None:
        taken = 0
        said = dict(scope.get("headers") or []).get(b"content-length", b"0")
        if scope["type"] == "http" and said.isdigit() and int(said) > MOST_BODY_BYTES:
            refusal = JSONResponse({"error": "The request is too large.", "code": "invalid_input"}, 413)
            await refusal(scope, receive, send)
            return

        async def bounded() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            return {"type": "http.disconnect"} if taken > MOST_BODY_BYTES else message

        await self._app(scope, bounded, send)
