"""What an endpoint is given: the services, and the subject that the bearer token proves."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, Request

from gateway.composition import Services
from gateway.identity import NotAuthenticated, Subject


def services(request: Request) -> Services:
    """The services this application was made with."""
    return cast(Services, request.app.state.services)


def bearer_token(request: Request) -> str:
    """The bearer token of the request (RFC 6750 2.1). Raises NotAuthenticated."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotAuthenticated("Send a bearer token; `sallyport login` gets one.")
    return token.strip()


def subject(request: Request) -> Subject:
    """Who asks. Raises NotAuthenticated."""
    return services(request).verifier.subject(bearer_token(request))


Given = Annotated[Services, Depends(services)]
Asking = Annotated[Subject, Depends(subject)]
