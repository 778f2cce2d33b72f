"""Access reviews: the questions put to the visitor as a steward, and the campaigns for whoever reads evidence."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from gateway.api import reviews as api
from gateway.api.dependencies import Given
from gateway.web.access import FormInvalid, Text, Word
from gateway.web.offers import offers
from gateway.web.rendering import page
from gateway.web.visitors import Acting, Visiting

router = APIRouter(prefix="/access-reviews")


@router.get("")
def every(request: Request, given: Given, who: Visiting) -> Response:
    """The campaigns, newest first, with the questions the visitor may see."""
    officer = "audit" in offers(who.asking, given.policy.engine.bundle.data)
    found = api.every(given, who.asking, whole=officer)["items"]
    steward = "data-steward" in who.asking.roles
    return page(request, "reviews.html", who, campaigns=found, officer=officer, steward=steward, now=given.clock().isoformat())


@router.post("")
def start(given: Given, who: Acting, days: Annotated[float, Form(gt=0, le=366)] = 14) -> Response:
    """A campaign over every grant that stands, as the API starts it."""
    api.start(api.NewCampaign(days=days), given, who.asking)
    return RedirectResponse("/web/access-reviews?done=review-started", 303)


@router.post("/items/{name}/answer")
def answer(name: str, given: Given, who: Acting, answer: Word = "", why: Text = "") -> Response:
    """The question is answered, as in the API."""
    try:
        body = api.Answer.model_validate({"answer": answer, "why": why})
    except ValidationError as error:
        raise FormInvalid("Say keep or revoke, and what you looked at.") from error
    api.answer(name, body, given, who.asking)
    return RedirectResponse("/web/access-reviews?done=answered", 303)


@router.post("/{name}/close")
def close(name: str, given: Given, who: Acting) -> Response:
    """The campaign is closed and its outcome signed, as in the API."""
    api.close(name, given, who.asking)
    return RedirectResponse("/web/access-reviews?done=review-closed", 303)
