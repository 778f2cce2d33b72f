"""Errors as RFC 9457 problem details: one table from our errors to HTTP, every problem with a stable `code`."""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg import DataError, OperationalError
from starlette.exceptions import HTTPException

from gateway.logs import place
from policies.decisions import Decision
from policies.explain import sentence

UNSTORABLE: tuple[type[Exception], ...] = (DataError, UnicodeError)
MEDIA_TYPE = "application/problem+json"
log = logging.getLogger("sallyport.http")

# The status of an error by its code; any other error of ours is a 409 (the request conflicts with what is so).
STATUS: dict[str, int] = {
    "not_authenticated": 401,
    "login_too_old": 401,
    "login_failed": 403,
    "form_refused": 403,
    "too_many_attempts": 429,
    "not_found": 404,
    "invalid_request": 422,
    "too_large": 413,
    "database_unavailable": 503,
    "issuer_unavailable": 503,
    "lease_failed": 503,
    "vault_unavailable": 503,
    "mlflow_unavailable": 503,
    "store_unavailable": 503,
}

_TEXT = {"type": "string"}
_FIELD = {"type": "object", "required": ["field", "problem"], "properties": {"field": _TEXT, "problem": _TEXT}}
_PROBLEM: dict[str, Any] = {
    "description": "A problem (RFC 9457): what was refused and why, and nothing was done.",
    "content": {MEDIA_TYPE: {"schema": {
        "title": "Problem", "type": "object", "required": ["type", "title", "status", "code"],
        "properties": {
            "type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "code": _TEXT, "detail": _TEXT, "decision_id": _TEXT,
            "reasons": {"type": "array", "items": _TEXT}, "errors": {"type": "array", "items": _FIELD},
        },
    }}},
}  # fmt: skip
# What the API's description says of every operation's refusals; 422 is named so that FastAPI does not describe one of its own.
RESPONSES: dict[int | str, dict[str, Any]] = {"default": _PROBLEM, 422: _PROBLEM}
# What it says of an operation that answers with a file.
BYTES: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": {}}}}


class Denied(Exception):
    """Policy said no."""

    code = "denied"

    def __init__(self, decision: Decision, what: str) -> None:
        super().__init__(f"{what}: denied ({', '.join(decision.reasons)})")
        self.decision, self.what = decision, what


def problem(status: int, code: str, title: str, **members: Any) -> JSONResponse:
    """A problem document; `members` stand beside the standard ones."""
    body = {"type": f"urn:sallyport:problem:{code}", "title": title, "status": status, "code": code} | members
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE)


def denied(error: Denied) -> JSONResponse:
    """The problem for a denial: every reason, as a code and as a sentence."""
    decision = error.decision
    return problem(
        403,
        "denied",
        f"Denied: {error.what}",
        detail=" ".join(sentence(reason) for reason in decision.reasons),
        reasons=list(decision.reasons),
        decision_id=decision.decision_id,
    )


def install(app: FastAPI, base_errors: tuple[type[Exception], ...]) -> None:
    """Every error `app` raises is answered as a problem; an unexpected one says nothing of its cause."""
    app.add_exception_handler(Denied, lambda _, error: denied(error))
    app.add_exception_handler(RequestValidationError, _invalid)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, _http)  # type: ignore[arg-type]
    app.add_exception_handler(OperationalError, _database)
    app.add_exception_handler(Exception, _unexpected)
    for unstorable in UNSTORABLE:
        app.add_exception_handler(unstorable, _unstorable)
    for base in base_errors:
        app.add_exception_handler(base, _ours)


def as_problem(request: Request, error: Exception) -> dict[str, Any]:
    """What the API says of `error`, for a page to say in sentences."""
    return dict(json.loads(bytes(as_response(request, error).body)))


def as_response(request: Request, error: Exception) -> JSONResponse:
    """What the API answers where `error` is raised."""
    match error:
        case Denied():
            return denied(error)
        case RequestValidationError():
            return _invalid(request, error)
        case HTTPException():
            return _http(request, error)
        case DataError() | UnicodeError():
            return _unstorable(request, error)
        case OperationalError():
            return _database(request, error)
        case _ if hasattr(error, "code") and hasattr(type(error), "code"):
            return _ours(request, error)
        case _:
            return _unexpected(request, error)


def _ours(request: Request, error: Exception) -> JSONResponse:
    code = str(getattr(error, "code", "refused"))
    status = STATUS.get(code, 404 if code.endswith("_not_found") else 409)
    members: dict[str, Any] = {"detail": str(error)}
    for name in ("reasons", "decision_id"):
        value = getattr(error, name, None)
        if value:
            members[name] = list(value) if isinstance(value, tuple) else value
    if members.get("reasons"):
        status = 403
        members["detail"] = " ".join(sentence(reason) for reason in members["reasons"])
    response = problem(status, code, type(error).__doc__ or code, **members)
    if status == 401:
        response.headers["WWW-Authenticate"] = _challenge(error)
    return response


def _challenge(error: Exception) -> str:
    """What to bring (RFC 6750 3); where a login is too old, how old it may be (RFC 9470 3)."""
    most = getattr(error, "max_age", None)
    return "Bearer" if most is None else f'Bearer error="insufficient_user_authentication", max_age="{most}"'


def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Which fields are wrong and why, never what was sent."""
    fields = [{"field": ".".join(str(part) for part in item["loc"]), "problem": item["msg"]} for item in error.errors()]
    return problem(422, "invalid_request", "The request is not of the form this address takes.", errors=fields)


def _unstorable(request: Request, error: Exception) -> JSONResponse:
    """Text with NUL or half a character in it, or a number out of range: nothing the database could hold, so nothing was done."""
    return problem(422, "invalid_request", "The request holds a text or number that cannot be stored.")


def _http(request: Request, error: HTTPException) -> JSONResponse:
    return problem(error.status_code, f"http_{error.status_code}", str(error.detail))


def unexpected(error: Exception) -> JSONResponse:
    """The problem for an error nobody foresaw; its message may hold data, so only its type and place are logged."""
    log.error("unexpected %s", place(error))
    return problem(500, "unexpected", "The gateway could not do this; nothing was done.")


def _database(request: Request, error: Exception) -> JSONResponse:
    log.error("the database failed (%s) during %s", type(error).__name__, request.url.path)
    return problem(503, "database_unavailable", "The database does not answer.", detail=(
        "The database does not answer, so nothing was done; `sallyport status` says what is down."
    ))  # fmt: skip


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    return unexpected(error)
