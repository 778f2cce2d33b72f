"""Leases: who has access to live data now, and the button that ends it."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from compliance.paging import NEWEST
from gateway.api import leases as api
from gateway.api.dependencies import Given
from gateway.web.access import FormInvalid, Text, Word
from gateway.web.rendering import page
from gateway.web.visitors import Acting, Visiting
from gateway.web.waiting import running

router = APIRouter(prefix="/leases")


@router.get("")
def every(request: Request, given: Given, who: Visiting) -> Response:
    """Open leases first, and what was open before."""
    now = running(given, who.asking)
    open_ids = {one["id"] for one in now}
    past = [one for one in given.access.leases(who.asking.projects, all_of_them=True) if one.id not in open_ids]
    steward = "data-steward" in who.asking.roles
    used = api.uses_of_break_glass(given, who.asking, NEWEST)["items"]
    return page(request, "leases.html", who, running=now, past=[one.as_json() for one in past[:100]], steward=steward, used=used)


@router.post("/break-glass/{name}/review")
def review(name: str, given: Given, who: Acting, outcome: Word = "", note: Text = "") -> Response:
    """The use of break-glass is reviewed, as in the API."""
    try:
        body = api.Review.model_validate({"outcome": outcome, "note": note})
    except ValidationError as error:
        raise FormInvalid("Say whether the use was justified, and what you found.") from error
    api.review(name, body, given, who.asking)
    return RedirectResponse("/web/leases?done=reviewed", 303)


@router.post("/{name}/end")
def end(name: str, given: Given, who: Acting) -> Response:
    """The lease has ended, as `DELETE /v1/leases/{name}` does it."""
    api.end(name, given, who.asking)
    return RedirectResponse("/web/leases?done=ended", 303)
