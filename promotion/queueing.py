"""The queue's addresses at the model server: a request is taken to be answered later, looked at by id, and asked again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from promotion.answering import parsed, require_version
from promotion.inference import Inference
from promotion.loading import Loaded, Models
from promotion.queued import Queued

BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": Inference.model_json_schema()}}}}


class Queue(Protocol):
    """Where requests wait. Each call has done its work durably when it returns, or raises."""

    def put(self, caller: Any, model: tuple[str, str], body: bytes) -> Queued: ...
    def get(self, caller: Any, request: str) -> Queued: ...
    def replay(self, caller: Any, request: str) -> Queued: ...


def add_routes(app: FastAPI, models: Models, caller_of: Callable[[Request], Awaitable[Any]], queue: Queue) -> None:
    """The server takes requests to be answered later."""

    @app.post("/v2/models/{name}/infer/queue", openapi_extra=BODY, status_code=202)
    @app.post("/v2/models/{name}/versions/{version}/infer/queue", openapi_extra=BODY, status_code=202)
    async def put(name: str, request: Request, version: str | None = None) -> JSONResponse:
        """Committed before it is promised. What can be seen to be wrong is refused at once."""
        caller, body = await caller_of(request), await request.body()

        def take() -> Queued:
            key, loaded = models.get(name)
            require_version(loaded, version)
            require_fit(loaded, body)
            return queue.put(caller, key, body)

        return JSONResponse((await run_in_threadpool(take)).as_json(), 202)

    @app.get("/v2/queued/{request_id}")
    async def get(request_id: str, request: Request) -> dict[str, Any]:
        """The state of a request of the caller's own, with its answer once there is one."""
        caller = await caller_of(request)
        return (await run_in_threadpool(queue.get, caller, request_id)).as_json()

    @app.post("/v2/queued/{request_id}/replay", status_code=202)
    async def replay(request_id: str, request: Request) -> dict[str, Any]:
        """The same is asked again, of the model that is in production now, as a request of its own."""
        caller = await caller_of(request)
        return (await run_in_threadpool(queue.replay, caller, request_id)).as_json()


def require_fit(loaded: Loaded, body: bytes) -> None:
    """The request is of the protocol's form and fits the contract, as far as its inputs are given. Raises InvalidInput."""
    asked = parsed(body)
    if not asked.entities:
        loaded.shape.feed(asked.inputs)
