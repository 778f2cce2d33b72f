"""What an endpoint is given: the services, and the subject that the bearer token proves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, cast

from fastapi import Depends, Query, Request
from pydantic import AwareDatetime, BeforeValidator

from compliance.paging import MOST, Page
from gateway.composition import Services
from gateway.errors import GatewayError
from gateway.identity import LoginTooOld, NotAuthenticated, Subject
from gateway.web.sessions import ended


class CursorInvalid(GatewayError):
    """The cursor is none that a list gave."""

    code = "invalid_request"


def _dated(said: Any) -> Any:
    """A time as RFC 3339 writes it, or one already read; pydantic by itself also takes a bare number for seconds since 1970."""
    if not isinstance(said, datetime) and (not isinstance(said, str) or "-" not in said[1:]):
        raise ValueError("a time is written like 2026-11-24T12:00:00Z")
    return said


Moment = Annotated[AwareDatetime, BeforeValidator(_dated)]


def page(after: Annotated[str | None, Query(max_length=300)] = None, limit: Annotated[int, Query(ge=1, le=MOST)] = MOST) -> Page:
    """Which items of a list are wanted: at most `limit`, from behind `after`, the `next` of an earlier answer."""
    return behind(after, limit)


def behind(after: str | None, limit: int) -> Page:
    """The page behind a cursor. Raises CursorInvalid."""
    try:
        return Page.after(after, limit)
    except ValueError:
        raise CursorInvalid("That cursor is none; take `next` of an earlier answer as it is, or begin without one.") from None


Paging = Annotated[Page, Depends(page)]


def services(request: Request) -> Services:
    """The services this application was made with."""
    return cast(Services, request.app.state.services)


def bearer_token(request: Request) -> str:
    """The bearer token of the request (RFC 6750 2.1). Raises NotAuthenticated."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticated("Send a bearer token; `sallyport login` gets one.")
    return token.strip()


def known(given: Services, token: str) -> Subject:
    """Whom the token proves, unless all their logins of that time were ended. Raises NotAuthenticated."""
    found = given.verifier.subject(token)
    with given.pool.connection() as connection:
        if ended(connection, found):
            raise NotAuthenticated("Your logins were ended; log in again.")
    return found


def subject(request: Request) -> Subject:
    """Who asks. Raises NotAuthenticated."""
    return known(services(request), bearer_token(request))


def require_fresh_login(given: Services, asking: Subject, most: int | None = None) -> None:
    """Whoever approves logged in a short while ago, where the settings or `most` want that. Raises LoginTooOld."""
    wanted, at = (given.settings.approval_login_seconds, most), asking.authenticated_at
    most = min((seconds for seconds in wanted if seconds is not None), default=None)
    if most is not None and (at is None or given.clock().timestamp() - at > most):
        raise LoginTooOld(most)


Given = Annotated[Services, Depends(services)]
Asking = Annotated[Subject, Depends(subject)]
