"""The model server: Open Inference Protocol v2 (REST) over the store; what does not verify is not served."""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from promotion.answering import Answering, Message, Receive, Send, require_version
from promotion.counting import MEDIA_TYPE, OK, Counts
from promotion.entities import Caller, Gather
from promotion.errors import PromotionError
from promotion.inference import DATATYPES, Inference
from promotion.journal import Journal
from promotion.loading import Loaded, Models
from promotion.predictions import Prediction
from promotion.queueing import Queue, add_routes

problems = logging.getLogger("sallyport.serving")

MOST_BODY_BYTES = 32 << 20
SECONDS_A_TOKEN_LASTS, MOST_CALLERS = 1.0, 1_000  # so that an ended login is known as soon as elsewhere
INFER = re.compile(r"/v2/models/(?P<name>[^/]+)(?:/versions/(?P<version>[^/]+))?/infer")
BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": Inference.model_json_schema()}}}}
STATUS = {
    "model_not_found": 404, "invalid_input": 400, "not_authenticated": 401, "busy": 429, "denied": 403, "no_features": 409,
    "entity_not_found": 404, "entity_ambiguous": 409, "queued_not_found": 404,
}  # fmt: skip


class NotAuthenticated(PromotionError):
    """The caller shows no token that is accepted."""

    code = "not_authenticated"


Log = Callable[[list[Prediction]], Awaitable[None]]


def create_app(
    models: Models, *, authenticate: Callable[[str], Caller], log: Log, gather: Gather | None = None, queue: Queue | None = None
) -> FastAPI:
    """The server. `authenticate` turns a bearer token into who sends it, or raises; `log` keeps predictions before they are
    given; `gather` gives the live features of entities; `queue` holds what is to be answered later."""
    app = FastAPI(title="Sallyport model server", openapi_url="/v2/openapi.json", docs_url=None, redoc_url=None)

    @app.exception_handler(PromotionError)
    @app.exception_handler(Exception)
    def _refused(request: Request, error: Exception) -> JSONResponse:
        return refusal(error)

    @app.get("/v2")
    def server() -> dict[str, Any]:
        return {"name": "sallyport", "version": "2", "extensions": []}

    @app.get("/v2/health/live")
    def live() -> dict[str, bool]:
        return {"live": True}

    @app.get("/v2/health/ready")
    def ready() -> dict[str, bool]:
        return {"ready": True}

    callers = Callers(authenticate)
    _model_routes(app, models, Answering(models, callers.of, Journal(log), gather))
    if queue is not None:
        add_routes(app, models, callers.of, queue)
    app.add_middleware(Bounded)
    return app


def _model_routes(app: FastAPI, models: Models, answering: Answering) -> None:
    @app.get("/v2/models/{name}")
    @app.get("/v2/models/{name}/versions/{version}")
    def metadata(name: str, version: str | None = None) -> dict[str, Any]:
        _, loaded = _of_version(models, name, version)
        inputs = [{"name": c.name, "datatype": DATATYPES[c.type][0], "shape": [-1, 1]} for c in loaded.contract.inputs]
        outputs = [{"name": output, "datatype": "FP32", "shape": [-1]} for output in loaded.runtime.outputs]
        return {"name": name, "versions": [loaded.version], "platform": loaded.runtime.platform, "inputs": inputs,
                "outputs": outputs, "parameters": {"digest": loaded.digest}}  # fmt: skip

    @app.get("/v2/models/{name}/ready")
    @app.get("/v2/models/{name}/versions/{version}/ready")
    def model_ready(name: str, version: str | None = None) -> dict[str, Any]:
        _of_version(models, name, version)
        return {"name": name, "ready": True}

    @app.post("/v2/models/{name}/infer", openapi_extra=BODY)
    @app.post("/v2/models/{name}/versions/{version}/infer", openapi_extra=BODY)
    async def infer(name: str, request: Request, version: str | None = None) -> Response:
        return Response(await answering.infer(name, version, request), media_type="application/json")

    counts = Counts()

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(counts.text(), media_type=MEDIA_TYPE)

    # The framework's way to a route takes as long as all that is done there; these two are described by it only.
    app.add_middleware(Ahead, answering=answering, counts=counts)


def _of_version(models: Models, name: str, version: str | None) -> tuple[tuple[str, str], Loaded]:
    key, loaded = models.get(name)
    require_version(loaded, version)
    return key, loaded


class Callers:
    """Who sends a request, by its bearer token; one that was verified a moment ago is not verified again."""

    def __init__(self, authenticate: Callable[[str], Caller]) -> None:
        self._authenticate = authenticate
        self._known: dict[bytes, tuple[float, Caller]] = {}

    async def of(self, request: Request) -> Caller:
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


def refusal(error: Exception) -> JSONResponse:
    """What the caller is told; of what was not expected, its code only."""
    if isinstance(error, PromotionError):
        return JSONResponse({"error": str(error), "code": error.code}, STATUS.get(error.code, 503))
    code = str(getattr(error, "code", "unexpected"))
    problems.error("an inference was not answered (%s)", code, exc_info=error)  # logged without its text
    return JSONResponse({"error": "Not served.", "code": code}, 503)


class Ahead:
    """Inference is answered here, and all else by the application behind."""

    def __init__(self, app: Any, answering: Answering, counts: Counts) -> None:
        self._app, self._answering, self._counts = app, answering, counts

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        asked = INFER.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if asked is None:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        try:
            answer = await self._answering.infer(asked["name"], asked["version"], Request(scope, receive))
            self._counts.add(asked["name"], OK, time.perf_counter() - started)
        except ClientDisconnect:
            return
        except Exception as error:
            self._counts.add(asked["name"], str(getattr(error, "code", "unexpected")), time.perf_counter() - started)
            await refusal(error)(scope, receive, send)
            return
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


class Bounded:
    """A request's body is no larger than the server takes, whatever it says of itself."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
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
