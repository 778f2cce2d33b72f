"""The home page: what waits for me, what I have access to, what went wrong."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gateway.api.dependencies import Given
from gateway.web import waiting
from gateway.web.rendering import page
from gateway.web.visitors import Visiting

router = APIRouter()


@router.get("/")
def home(request: Request, given: Given, who: Visiting) -> Response:
    """Everything that concerns whoever looks."""
    asking = who.asking
    return page(
        request, "home.html", who, waits=waiting.waits(given, asking), wrong=waiting.wrong(given, asking),
        trained_until=asking.training_until, **waiting.has(given, asking),
    )  # fmt: skip
