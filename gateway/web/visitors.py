"""Who looks at a page: the subject that the session's token proves, checked anew with every request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from fastapi import Depends, Form, Request

from gateway.api.dependencies import services
from gateway.errors import GatewayError
from gateway.identity import NotAuthenticated, Subject
from gateway.web.sessions import COOKIE, Session, close_session, find_session, same


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
        return Visitor(given.verifier.subject(session.token), session)
    except NotAuthenticated as error:
        with given.pool.connection() as connection:
            close_session(connection, cookie)
        raise LoginNeeded("Your session has ended; log in again.") from error


def actor(who: Annotated[Visitor, Depends(visitor)], csrf: Annotated[str, Form(max_length=200)] = "") -> Visitor:
    """Who sent a form that was made for their own session. Raises LoginNeeded, FormRefused."""
    if not same(csrf, who.session.csrf):
        raise FormRefused("This form was not made for your session; open the page again and send it from there.")
    return who


Visiting = Annotated[Visitor, Depends(visitor)]
Acting = Annotated[Visitor, Depends(actor)]
