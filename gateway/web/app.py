"""The pages as one application of their own, mounted under `/web`: its errors are pages, its answers carry strict headers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import resources
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, RedirectResponse
from psycopg import OperationalError
from starlette.exceptions import HTTPException

from gateway import problems
from gateway.composition import Services
from gateway.identity import LoginTooOld
from gateway.web import (
    access,
    audit,
    boundary,
    datasets,
    egress,
    home,
    leases,
    login,
    models,
    policies,
    promotions,
    reviews,
    sso,
    submitting,
)
from gateway.web.rendering import page
from gateway.web.visitors import LoginNeeded, Visitor, visitor

ROUTERS = (login, sso, home, datasets, access, leases, promotions, submitting, models, egress, audit, reviews, boundary, policies)
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
STATIC = {"style.css": "text/css", "icon.svg": "image/svg+xml"}


def create_web(given: Services, base_errors: tuple[type[Exception], ...]) -> FastAPI:
    """The pages over `given`."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.services = given
    app.middleware("http")(_headers)
    for kind in (
        *base_errors,
        *problems.UNSTORABLE,
        OperationalError,
        problems.Denied,
        RequestValidationError,
        HTTPException,
        Exception,
    ):
        app.add_exception_handler(kind, _failed)
    app.add_exception_handler(LoginNeeded, _to_login)
    app.add_exception_handler(LoginTooOld, _to_newer_login)
    app.add_api_route("/static/{name}", _static, methods=["GET"])
    for module in ROUTERS:
        app.include_router(module.router)
    return app


async def _headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    answer = await call_next(request)
    for name, value in HEADERS.items():
        answer.headers[name] = value
    return answer


def _static(name: str) -> FileResponse:
    """One of the files that belong to every page."""
    if name not in STATIC:
        raise HTTPException(404)
    return FileResponse(str(resources.files("gateway.web") / "static" / name), media_type=STATIC[name])


def _to_login(request: Request, error: Exception) -> Response:
    wanted = request.url.path if request.method == "GET" else "/web/"
    return RedirectResponse(f"/web/login?next={quote(wanted)}", 303)


def _to_newer_login(request: Request, error: Exception) -> Response:
    """Where the login was too old to approve: to a new one, and back to the page the form stood in."""
    if not isinstance(error, LoginTooOld) or request.app.state.services.provider is None:
        return _failed(request, error)
    page_of_form = request.url.path.rpartition("/")[0]
    return RedirectResponse(f"/web/login/start?max_age={error.max_age}&next={quote(page_of_form)}", 303)


def _failed(request: Request, error: Exception) -> Response:
    """The error as a page: what the API says of it in a problem document, in sentences."""
    problem = problems.as_problem(request, error)
    return page(request, "problem.html", _who(request), status=problem["status"], problem=problem)


def _who(request: Request) -> Visitor | None:
    """Who is logged in, as far as that can be told now."""
    try:
        return visitor(request)
    except Exception:
        # The page is about another error; that this fails too must not hide it.
        return None
