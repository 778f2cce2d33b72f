"""Login and logout. The embedded stack's OpenBao says who somebody is; the password is used once and kept nowhere.

Where the settings name a client at an identity provider, people log in there (`sso.py`) and no password is taken here.
"""

from __future__ import annotations

import re
import secrets
import time
from typing import Annotated, ClassVar

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from gateway.api.dependencies import Given, services
from gateway.composition import Services
from gateway.embedded.provision import PEOPLE
from gateway.errors import LoginFailed
from gateway.oidc import Tokens
from gateway.web import sessions
from gateway.web.attempts import Attempts
from gateway.web.cookies import PATH, cookie_rules, inside
from gateway.web.rendering import page
from gateway.web.sessions import COOKIE, close_session, form_token, open_session, same
from gateway.web.visitors import Acting, FormRefused

router = APIRouter()

FORM_COOKIE = "sallyport_form"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
WRONG = "The name or the password is wrong."

attempts = Attempts(time.monotonic)


class TooManyLogins(LoginFailed):
    """Logins failed too often; wait before the next."""

    code: ClassVar[str] = "too_many_attempts"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many logins failed. Try again in {seconds} seconds.")
        self.seconds = seconds


@router.get("/login")
def form(request: Request, next: str = PATH + "/") -> Response:
    """The login form, bound to this browser."""
    return _form(request, next, None, 200)


@router.post("/login")
def log_in(
    request: Request, given: Given, name: Annotated[str, Form(max_length=63)] = "",
    password: Annotated[str, Form(max_length=1024)] = "", csrf: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str, Form(max_length=500)] = PATH + "/",
) -> Response:  # fmt: skip
    """A session is open in this browser, or the form says why not."""
    cookie = request.cookies.get(FORM_COOKIE, "")
    if not cookie or not same(csrf, form_token(cookie)):
        raise FormRefused("This form was not made for your browser; open the login page again.")
    try:
        token = prove(given, name, password, address=address_of(request))
    except TooManyLogins as error:
        refused = _form(request, next, str(error), 429)
        refused.headers["Retry-After"] = str(error.seconds)
        return refused
    except LoginFailed as error:
        _record_refusal(given, error)
        return _form(request, next, str(error), 403)
    subject = given.verifier.subject(token)
    with given.pool.connection() as connection:
        session = open_session(connection, Tokens(token), given.clock(), subject=subject, how="password")
    answer = RedirectResponse(inside(next), 303)
    answer.set_cookie(COOKIE, session.cookie, **cookie_rules(given))
    answer.delete_cookie(FORM_COOKIE, **cookie_rules(given))
    return answer


@router.post("/logout")
def log_out(given: Given, who: Acting) -> Response:
    """The session has ended, here and on the server."""
    with given.pool.connection() as connection:
        close_session(connection, who.session.cookie, given.clock(), "logout", who.asking.actor())
    answer = RedirectResponse(PATH + "/login", 303)
    answer.delete_cookie(COOKIE, **cookie_rules(given))
    return answer


def prove(given: Services, name: str, password: str, *, address: str) -> str:
    """A new ID token of `name`, whose password this is. Raises LoginFailed, and TooManyLogins when it failed too often."""
    from gateway.embedded.users import login

    if given.provider is not None:
        raise LoginFailed("People log in at the organisation's identity provider; no password is taken here.")
    if wait := attempts.wait_seconds(name, address):
        raise TooManyLogins(wait)
    try:
        if not NAME.fullmatch(name) or not password:
            raise LoginFailed(WRONG)
        token = login(given.settings.home, name, password)
    except LoginFailed as error:
        attempts.failed(name, address)
        raise LoginFailed(WRONG) from error
    attempts.succeeded(name)
    return token


def address_of(request: Request) -> str:
    """From where a request comes, as far as the socket tells."""
    return request.client.host if request.client else "local"


def _record_refusal(given: Services, error: LoginFailed) -> None:
    """That a login failed is in the ledger; not as whom, as people type passwords into the wrong field."""
    with given.pool.connection() as connection:
        detail = {"how": "password", "code": error.code}
        sessions.record(connection, "session:refused", sessions.NOBODY, "none", given.clock(), detail=detail, outcome="refused")


def _form(request: Request, next: str, problem: str | None, status: int) -> Response:
    given, cookie = services(request), request.cookies.get(FORM_COOKIE) or secrets.token_urlsafe(32)
    shown = page(
        request,
        "login.html",
        status=status,
        problem=problem,
        next=inside(next),
        form_csrf=form_token(cookie),
        people=sorted(PEOPLE),
        provider=given.provider is not None,
    )
    shown.set_cookie(FORM_COOKIE, cookie, **cookie_rules(given))
    return shown
