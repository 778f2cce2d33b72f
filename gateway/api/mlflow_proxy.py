"""`/mlflow/{project}/...`: the tracking server, reached through the gateway only, one workspace a project.

MLflow has no authorisation of its own worth the name, so its server listens on a Unix socket that only the gateway and
the worker can open, and this proxy says in whose workspace a call is, whatever the caller claims.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import ClassVar

import httpx
from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from gateway.api.dependencies import bearer_token, known, services
from gateway.composition import Services
from gateway.errors import GatewayError
from gateway.identity import Subject

router = APIRouter(include_in_schema=False)

WORKSPACE_HEADER = "X-MLFLOW-WORKSPACE"
# What a data scientist's client calls; workspaces, users and server settings are the gateway's alone.
SERVED = ("api/2.0/mlflow/", "api/3.0/mlflow/", "api/2.0/mlflow-artifacts/", "version", "health")
REFUSED = ("workspaces", "users", "gateway", "webhooks", "scorers", "secrets")
PASSED_ON = ("content-type", "accept", "range", "content-length")
ASKED_AGAIN_AFTER_SECONDS = 60
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]


class TrackingUnavailable(GatewayError):
    """The tracking server does not answer."""

    code: ClassVar[str] = "mlflow_unavailable"


class NotServed(GatewayError):
    """That part of the tracking server is not offered to clients."""

    code: ClassVar[str] = "not_found"


class Allowed:
    """Policy's recent yes for a subject in a project, so that a training run of a hundred calls is one decision."""

    def __init__(self) -> None:
        self._until: dict[tuple[Subject, str], float] = {}

    def require(self, given: Services, asking: Subject, project: str) -> None:
        """Policy lets `asking` read in the sandbox zone of `project`. Raises Denied."""
        if self._until.get((asking, project), 0.0) > time.monotonic():
            return
        resource = {"type": "dataset", "id": "experiments", "project": project, "zone": "sandbox", "columns": []}
        given.enforcer.require(asking, "read", resource, what=f"use the experiments of {project}")
        self._until = {key: until for key, until in self._until.items() if until > time.monotonic()}
        self._until[asking, project] = time.monotonic() + ASKED_AGAIN_AFTER_SECONDS


allowed = Allowed()


@router.api_route("/mlflow/{project}/{path:path}", methods=METHODS)
async def forward(project: str, path: str, request: Request) -> Response:
    """The tracking server's answer to this call, in the workspace of `project`."""
    given = services(request)
    asking = await run_in_threadpool(known, given, bearer_token(request))
    await run_in_threadpool(allowed.require, given, asking, project)
    if not _served(path) or (request.method != "GET" and "/registered-models/alias" in f"/{path}"):  # moved by the service alone
        raise NotServed("This part of MLflow is not offered here.")
    call = given.tracking_http.build_request(
        request.method,
        f"/{path}",
        params=httpx.QueryParams(request.url.query),
        headers=_headers(request, project),
        content=request.stream(),
    )
    try:
        answer = await given.tracking_http.send(call, stream=True)
    except httpx.HTTPError as error:
        raise TrackingUnavailable("MLflow does not answer; `sallyport status` says what is down.") from error
    return StreamingResponse(
        _body(answer),
        status_code=answer.status_code,
        headers={name: value for name, value in answer.headers.items() if name in PASSED_ON},
    )


def _served(path: str) -> bool:
    """A call a data scientist's client makes; that an artifact's path stays in the workspace is checked by MLflow itself."""
    resource = path.split("/")[3] if path.startswith("api/") and path.count("/") >= 3 else ""
    return path.startswith(SERVED) and resource not in REFUSED and ".." not in path.split("/")


def _headers(request: Request, project: str) -> dict[str, str]:
    kept = {name: value for name, value in request.headers.items() if name in PASSED_ON}
    return kept | {WORKSPACE_HEADER: project, "Host": "localhost"}


async def _body(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for part in answer.aiter_raw():
            yield part
    finally:
        await answer.aclose()
