"""Changes of the policies in force, each with the decisions of before it that it turns."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gateway.api import policy as api
from gateway.api.dependencies import Given, Paging
from gateway.web.rendering import page
from gateway.web.visitors import Visiting

router = APIRouter(prefix="/policies")


@router.get("")
def show(request: Request, given: Given, who: Visiting, wanted: Paging) -> Response:
    """Every change, newest first; who may read evidence sees it."""
    found = api.changes(given, who.asking, wanted)
    return page(request, "policies.html", who, items=found["items"], older=found["next"], digest=given.policy.digest)
