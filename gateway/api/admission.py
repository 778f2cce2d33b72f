"""Who may send how much: no more than a form of a stranger's is read or kept, and no unbounded JSON of anybody's.

An application reads a body before it asks whose it is, so this is asked here, ahead of it. Small bodies pass unasked.
"""

from __future__ import annotations

from fastapi.concurrency import run_in_threadpool
from psycopg import OperationalError
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.api.bodies import again, whole
from gateway.api.dependencies import subject
from gateway.errors import GatewayError
from gateway.problems import as_response, problem
from gateway.web.visitors import LoginNeeded, visitor

LARGEST_OF_STRANGERS, LARGEST_IN_MEMORY = 64 << 10, 8 << 20
ASKS_BY_ITSELF = "/mlflow/"  # knows its caller before it reads, and passes on without keeping


class Admission:
    """ASGI middleware over the gateway's application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope) if scope["type"] == "http" else Headers()
        length = _length(headers)
        if length <= LARGEST_OF_STRANGERS or scope["path"].startswith(ASKS_BY_ITSELF):
            await self._app(scope, receive, send)
        elif (refused := await run_in_threadpool(_stranger, Request(scope))) is not None:
            await refused(scope, receive, send)
        elif headers.get("content-type", "").startswith("multipart/form-data"):  # files, which are kept on disk
            await self._app(scope, receive, send)
        elif length > LARGEST_IN_MEMORY or (body := await whole(receive, LARGEST_IN_MEMORY)) is None:
            await _too_large(f"A call without files carries at most {LARGEST_IN_MEMORY >> 20} MiB.")(scope, receive, send)
        else:
            await self._app(scope, again(body), send)


def _stranger(request: Request) -> Response | None:
    """What somebody whom nobody knows is answered; None for who is known."""
    try:
        if request.url.path.startswith("/web/"):
            visitor(request)
        else:
            subject(request)
    except LoginNeeded:
        return _too_large(f"Without a login a form carries at most {LARGEST_OF_STRANGERS >> 10} KiB.")
    except (GatewayError, OperationalError) as error:
        return as_response(request, error)
    return None


def _too_large(title: str) -> Response:
    return problem(413, "too_large", title, detail=title)


def _length(headers: Headers) -> int:
    """How long the body says it is; one that does not say could be of any length."""
    said = headers.get("content-length", "")
    if said.isdigit():
        return int(said)
    return LARGEST_IN_MEMORY if "transfer-encoding" in headers else 0
