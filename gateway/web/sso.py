"""Login at the organisation's identity provider: authorization code with PKCE, each begun login finished at most once.

What finishes a login (nonce, code verifier, where to go then) is sealed with a cookie of the browser that began it. `state` is
derived from that cookie, so an answer that was made for another browser is refused before anything is asked of the provider.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from psycopg import Connection

from gateway.api.dependencies import Given
from gateway.composition import Services
from gateway.errors import GatewayError, LoginFailed
from gateway.identity import NotAuthenticated, Subject
from gateway.oidc import CALLBACK, Provider, Tokens
from gateway.web import sessions
from gateway.web.cookies import PATH, cookie_rules, inside
from gateway.web.login import TooManyLogins, address_of, attempts
from gateway.web.rendering import page
from gateway.web.sealing import derive, opened, same, sealed

router = APIRouter()

LOGIN_COOKIE = "sallyport_login"
MOST_MINUTES = timedelta(minutes=10)
ROW, SEAL, STATE = "login row", "login seal", "login state"
AGAIN = "This login was not begun in this browser, or is finished, or took too long; begin it again."
CLOCK_SKEW_SECONDS = 30


class NoProvider(GatewayError):
    """The settings name no identity provider for people to log in at."""

    code: ClassVar[str] = "provider_not_found"


@dataclass(frozen=True, slots=True)
class Begun:
    """What a login that was begun is finished with."""

    nonce: str
    verifier: str
    next: str
    max_age: int | None


@router.get("/login/start")
def start(given: Given, next: str = PATH + "/", max_age: Annotated[int | None, Query(ge=0, le=86_400)] = None) -> Response:
    """The browser goes to the identity provider, to come back to `callback`."""
    provider = _provider(given)
    cookie = secrets.token_urlsafe(32)
    begun = Begun(secrets.token_urlsafe(32), secrets.token_urlsafe(64), inside(next), max_age)
    address = provider.login_address(
        state=derive(STATE, cookie).hex(), nonce=begun.nonce, verifier=begun.verifier, max_age=max_age
    )
    with given.pool.connection() as connection:
        _keep(connection, cookie, begun, given.clock())
    answer = RedirectResponse(address, 303)
    # Lax: the provider's answer is a link from another site, and must bring this cookie along.
    answer.set_cookie(LOGIN_COOKIE, cookie, **cookie_rules(given) | {"samesite": "lax"})
    return answer


@router.get(CALLBACK.removeprefix(PATH))
def callback(
    request: Request, given: Given, state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4000)] = "", error: Annotated[str, Query(max_length=200)] = "",
    iss: Annotated[str | None, Query(max_length=500)] = None,
) -> Response:  # fmt: skip
    """A session is open in the browser that began the login, or a page says why not; either way the login is over."""
    provider, cookie, address = _provider(given), request.cookies.get(LOGIN_COOKIE, ""), address_of(request)
    if wait := attempts.wait_seconds(cookie, address):
        raise TooManyLogins(wait)
    try:
        begun = _taken(given, cookie, state)
        if error or not code or iss not in (None, provider.issuer):  # RFC 9207
            raise LoginFailed("The identity provider did not let you in; begin the login again.")
        subject, tokens = prove(given, provider, begun, code)
    except GatewayError as refused:
        attempts.failed(cookie, address)
        _refused(given, refused)
        raise
    with given.pool.connection() as connection:
        session = sessions.open_session(connection, tokens, given.clock(), subject=subject, how="oidc")
    # A page that goes on by itself, as the session's cookie is not sent with what another site led to.
    answer = page(request, "logged-in.html", next=begun.next)
    answer.set_cookie(sessions.COOKIE, session.cookie, **cookie_rules(given))
    answer.delete_cookie(LOGIN_COOKIE, **cookie_rules(given) | {"samesite": "lax"})
    return answer


def prove(given: Services, provider: Provider, begun: Begun, code: str) -> tuple[Subject, Tokens]:
    """Who logged in and with what, after all checks of OpenID Connect Core 3.1.3.7. Raises LoginFailed, NotAuthenticated."""
    tokens = provider.exchange(code, begun.verifier)
    claims = given.verifier.claims(tokens.token)
    nonce, subject = claims.get("nonce"), given.verifier.subject(tokens.token)
    if not isinstance(nonce, str) or not same(nonce, begun.nonce):
        raise LoginFailed("The identity provider's answer belongs to another login; begin it again.")
    if subject.kind != "person":
        raise LoginFailed("These pages are for people; a service uses the API with a token of its own.")
    if begun.max_age is not None and _older(subject, given.clock(), begun.max_age):
        raise LoginFailed("The identity provider did not ask you to log in anew; log in there once more.")
    return subject, tokens


def _older(subject: Subject, now: datetime, seconds: int) -> bool:
    at = subject.authenticated_at
    return at is None or now.timestamp() - at > seconds + CLOCK_SKEW_SECONDS


def _keep(connection: Connection[Any], cookie: str, begun: Begun, now: datetime) -> None:
    said = {"nonce": begun.nonce, "verifier": begun.verifier, "next": begun.next, "max_age": begun.max_age}
    connection.execute("DELETE FROM web.logins WHERE begun_at < %s", (now - MOST_MINUTES,))
    connection.execute("INSERT INTO web.logins VALUES (%s, %s, %s)", (derive(ROW, cookie), sealed(SEAL, cookie, said), now))


def _taken(given: Services, cookie: str, state: str) -> Begun:
    """The login this browser began, which nobody can finish again. Raises LoginFailed."""
    if not cookie or not same(state, derive(STATE, cookie).hex()):
        raise LoginFailed(AGAIN)
    with given.pool.connection() as connection:
        row = connection.execute(
            "DELETE FROM web.logins WHERE id = %s RETURNING sealed, begun_at", (derive(ROW, cookie),)
        ).fetchone()
    said = opened(SEAL, cookie, bytes(row[0])) if row and given.clock() - row[1] <= MOST_MINUTES else None
    if said is None:
        raise LoginFailed(AGAIN)
    return Begun(**said)


def _refused(given: Services, error: GatewayError) -> None:
    """That a login failed, and by which rule, is in the ledger; who it was is not known."""
    code = "login_failed" if isinstance(error, NotAuthenticated) else error.code
    with given.pool.connection() as connection:
        sessions.record(
            connection, "session:refused", sessions.NOBODY, "none", given.clock(), detail={"how": "oidc", "code": code},
            outcome="refused",
        )  # fmt: skip


def _provider(given: Services) -> Provider:
    if given.provider is None:
        raise NoProvider("People log in here by a password.")
    return given.provider
