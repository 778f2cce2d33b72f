"""Access requests: ask, see what policy says of it and what is missing, approve, reject."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from gateway.access import requests
from gateway.access.requests import AccessRequest
from gateway.access.service import APPROVING_ROLES
from gateway.api import leases as api
from gateway.api.dependencies import Given, Paging
from gateway.catalog import datasets as catalog
from gateway.composition import Services
from gateway.errors import GatewayError
from gateway.identity import Subject
from gateway.web.datasets import visible
from gateway.web.rendering import page
from gateway.web.visitors import Acting, Visiting
from policies.decisions import Decision

router = APIRouter(prefix="/access")

Word = Annotated[str, Form(max_length=100)]
Text = Annotated[str, Form(max_length=4000)]


class FormInvalid(GatewayError):
    """The form is not filled in as it must be."""

    code = "invalid_request"


@router.get("")
def every(request: Request, given: Given, who: Visiting, wanted: Paging) -> Response:
    """The requests of the visitor's projects, and the datasets that can be asked for."""
    with given.pool.connection() as connection:
        found = requests.every(connection, who.asking.projects, wanted)
        known = [one for one in catalog.every(connection) if one.project in who.asking.projects]
    return page(request, "requests.html", who, items=found, older=wanted.next(found, "created_at"), datasets=known)


@router.get("/ask/{dataset}")
def form(request: Request, dataset: str, given: Given, who: Visiting) -> Response:
    """The form to ask for live columns of one dataset."""
    found = visible(given, who.asking, dataset)
    return page(request, "ask.html", who, dataset=found, contract=found.contract)


@router.post("/ask/{dataset}")
def ask(
    dataset: str, given: Given, who: Acting, columns: Annotated[list[str] | None, Form()] = None, purpose: Word = "",
    hours: Annotated[float, Form()] = 1.0, why: Text = "",
) -> Response:  # fmt: skip
    """The request is made, as `POST /v1/access-requests` does it."""
    try:
        body = api.NewAccessRequest(dataset=dataset, columns=columns or [], purpose=purpose, hours=hours, why=why)
    except ValidationError as error:
        wrong = ", ".join(sorted({str(one["loc"][0]) for one in error.errors() if one["loc"]}))
        raise FormInvalid(f"Say for which columns, purpose and hours, and why. Not right yet: {wrong}.") from error
    visible(given, who.asking, dataset)
    made = api.request(body, given, who.asking)
    return RedirectResponse(f"/web/access/{made['id']}?done=asked", 303)


@router.get("/{name}")
def one(request: Request, name: str, given: Given, who: Visiting) -> Response:
    """One request: who asks for what, what policy would say now, who approved."""
    found = _visible(given, who.asking, name)
    with given.pool.connection() as connection:
        contract = catalog.get(connection, found.dataset).contract
    said = preview(given, found)
    mine = found.subject == who.asking.id
    approved = any(approval["by"] == who.asking.id for approval in found.approvals)
    decides = found.state == "pending" and not mine and bool(set(APPROVING_ROLES) & set(who.asking.roles))
    return page(
        request, "request.html", who, found=found, said=said, columns=contract.columns(), mine=mine, approved=approved,
        decides=decides,
    )  # fmt: skip


@router.post("/{name}/approve")
def approve(name: str, given: Given, who: Acting) -> Response:
    """The visitor's approval counts, or is denied with the reason, as in the API."""
    _visible(given, who.asking, name)
    made = api.approve(name, given, who.asking)
    return RedirectResponse(f"/web/access/{name}?done={'granted' if made['state'] == 'granted' else 'approved'}", 303)


@router.post("/{name}/reject")
def reject(name: str, given: Given, who: Acting, why: Text = "") -> Response:
    """The request is rejected, as in the API."""
    _visible(given, who.asking, name)
    if not why.strip():
        raise FormInvalid("Say why you reject it.")
    api.reject(name, api.Why(why=why), given, who.asking)
    return RedirectResponse(f"/web/access/{name}?done=rejected", 303)


@router.post("/{name}/withdraw")
def withdraw(name: str, given: Given, who: Acting) -> Response:
    """The visitor has taken their request back, as in the API."""
    _visible(given, who.asking, name)
    api.withdraw(name, given, who.asking)
    return RedirectResponse(f"/web/access/{name}?done=withdrawn", 303)


@router.post("/{name}/revoke")
def revoke(name: str, given: Given, who: Acting) -> Response:
    """The grant is void and its leases have ended, as in the API."""
    _visible(given, who.asking, name)
    api.revoke_grant(name, given, who.asking)
    return RedirectResponse(f"/web/access/{name}?done=revoked", 303)


def preview(given: Services, found: AccessRequest) -> Decision:
    """What policy would say if the asker opened a lease now. It is only shown, so it is no decision and not in the ledger."""
    said = found.asker
    with given.pool.connection() as connection:
        known = catalog.policy_data(connection)
    now = given.clock()
    resource = {
        "type": "dataset", "id": found.dataset, "project": found.project, "zone": "live", "columns": list(found.columns),
    }  # fmt: skip
    context = {"now": int(now.timestamp()), "purpose": found.purpose, "grant": found.grant(now=now)}
    question = {"subject": dict(said), "action": "read", "resource": resource, "context": context}
    return given.policy.decide(question, datasets=known)


def _visible(given: Services, asking: Subject, name: str) -> AccessRequest:
    with given.pool.connection() as connection:
        found = requests.get(connection, name)
    if found.project not in asking.projects:
        raise requests.RequestNotFound("No such access request in your projects.")
    return found
