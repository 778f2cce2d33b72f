"""Who looks at a page: the subject that the session's token proves, checked anew with every request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import Depends, Form, Request

from gateway.api.dependencies import known, services
from gateway.composition import Services
from gateway.errors import GatewayError, LoginFailed
from gateway.identity import NotAuthenticated, Subject
from gateway.oidc import Provider, Tokens
from gateway.web.sessions import COOKIE, Session, close_session, find_session, renew_session, same


class LoginNeeded(GatewayError):
    """Nobody is logged in here, or not any more."""

    code: ClassVar[str] = "login_needed"


class FormRefused(GatewayError):
    """The form was not made for this session, so nothing was done."""

    code: ClassVar[str] = "form_refused"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is logged in."""

    asking: Subject
    session: Session


def visitor(request: Request) -> Visitor:
    """Who is logged in. Raises LoginNeeded; a session whose token counts no more is closed."""
    given, cookie = services(request), request.cookies.get(COOKIE, "")
    with given.pool.connection() as connection:
        session = find_session(connection, cookie, given.clock()) if cookie else None
    if session is None:
        raise LoginNeeded("Log in to see this page.")
    try:
        return _proven(given, session)
    except NotAuthenticated as error:
        with given.pool.connection() as connection:
            close_session(connection, cookie, given.clock(), "token-ended")
        raise LoginNeeded("Your session has ended; log in again.") from error


def _proven(given: Services, session: Session) -> Visitor:
    """Who the session's token proves; one that is over is renewed where the provider still does. Raises NotAuthenticated."""
    try:
        return Visitor(known(given, session.token), session)
    except NotAuthenticated:
        if session.refresh is None or given.provider is None:
            raise
    with given.pool.connection() as connection:
        held = find_session(connection, session.cookie, given.clock(), lock=True)  # two pages at once renew once
        if held is None or held.refresh is None:
            raise NotAuthenticated("The session has ended.")
        if held.token == session.token:
            held = renew_session(connection, held, _renewed(given, given.provider, held))
    return Visitor(known(given, held.token), held)


def _renewed(given: Services, provider: Provider, held: Session) -> Tokens:
    """Newer tokens of the same person. Raises NotAuthenticated where the provider gives none."""
    try:
        tokens = provider.refresh(held.refresh or "")
    except LoginFailed as error:
        raise NotAuthenticated("The identity provider has ended the session.") from error
    if known(given, tokens.token).id != held.subject:
        raise NotAuthenticated("The identity provider gave another person's token.")
    return tokens


def actor(who: Annotated[Visitor, Depends(visitor)], csrf: Annotated[str, Form(max_length=200)] = "") -> Visitor:
    """Who sent a form that was made for their own session. Raises LoginNeeded, FormRefused."""
    if not same(csrf, who.session.csrf):
        raise FormRefused("This form was not made for your session; open the page again and send it from there.")
    return who


Visiting = Annotated[Visitor, Depends(visitor)]
Acting = Annotated[Visitor, Depends(actor)]
