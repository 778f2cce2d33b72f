"""Promotions as dossiers: checks, evidence, findings, approvals, what differs from production; sign, reject, deploy."""

from __future__ import annotations

import difflib
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from psycopg import Connection

from gateway.api import promotions as api
from gateway.api.dependencies import Given, Paging, require_fresh_login
from gateway.catalog import datasets
from gateway.composition import Services
from gateway.errors import LoginFailed
from gateway.identity import Subject
from gateway.web.access import FormInvalid, Text
from gateway.web.login import TooManyLogins, address_of, prove
from gateway.web.offers import signing_roles
from gateway.web.rendering import page
from gateway.web.visitors import Acting, Visiting
from policies.decisions import Decision
from promotion import approvals, requests, waivers
from promotion.errors import PromotionNotFound
from promotion.model_contracts import ModelContract, load_model_contract
from promotion.requests import Promotion
from promotion.states import State

router = APIRouter(prefix="/promotions")

SIGNING_SECONDS = 300  # since a login at the identity provider by which somebody may sign

DEPLOYABLE = (State.APPROVED, State.SUPERSEDED)
MEANINGS = (
    "I validated the model and its evidence",
    "I agree to this use of the data",
    "I reviewed the evidence and accept the remaining risk",
)


@router.get("")
def every(request: Request, given: Given, who: Visiting, wanted: Paging) -> Response:
    """The promotions of the visitor's projects, newest first."""
    with given.pool.connection() as connection:
        found = requests.every(connection, who.asking.projects, wanted)
    return page(request, "promotions.html", who, items=found, older=wanted.next(found, "submitted_at"))


@router.get("/{name}")
def one(request: Request, name: str, given: Given, who: Visiting) -> Response:
    """The dossier of one promotion."""
    found = visible(given, who.asking, name)
    data = given.policy.engine.bundle.data
    with given.pool.connection() as connection:
        checks, findings = waivers.judged(connection, found, given.clock())
        dossier: dict[str, Any] = {
            "checks": checks, "findings": findings, "waivers": waivers.waivers(connection, name),
            "approvals": requests.approvals(connection, name), "deployed": deployed(connection, found),
        }  # fmt: skip
        said = preview(given, connection, found, who.asking)
    tier = data.get("tiers", {}).get(found.tier, {})
    roles = signing_roles(who.asking, data, found.tier) if found.author != who.asking.id else ()
    return page(
        request, "promotion.html", who, found=found, contract=load_model_contract(found.contract), said=said, tier=tier,
        roles=roles if found.state in approvals.TAKES_APPROVALS else (), meanings=MEANINGS,
        changes=differences(dossier["deployed"], found), deployable=found.state in DEPLOYABLE and found.author != who.asking.id,
        rejectable=State.REJECTED in approvals_end(found), provider=given.provider is not None, **dossier,
    )  # fmt: skip


@router.post("/{name}/approve")
def approve(
    request: Request, name: str, given: Given, who: Acting, role: Annotated[str, Form(max_length=60)] = "",
    meaning: Annotated[str, Form(max_length=1000)] = "", password: Annotated[str, Form(max_length=1024)] = "",
) -> Response:  # fmt: skip
    """The signature is made, as in the API, by somebody who has just proved again who they are (21 CFR 11.200)."""
    visible(given, who.asking, name)
    if not meaning.strip() or not role:
        raise FormInvalid("Say in which role you sign and what your signature means.")
    api.approve(name, api.Approval(role=role, meaning=meaning), given, _again(request, given, who.asking, password))
    return RedirectResponse(f"/web/promotions/{name}?done=signed", 303)


@router.post("/{name}/reject")
def reject(name: str, given: Given, who: Acting, why: Text = "") -> Response:
    """The promotion is rejected, as in the API."""
    if not why.strip():
        raise FormInvalid("Say why you reject it.")
    api.reject(name, api.Why(why=why), given, who.asking)
    return RedirectResponse(f"/web/promotions/{name}?done=rejected", 303)


@router.post("/{name}/deploy")
def deploy(name: str, given: Given, who: Acting) -> Response:
    """The model is in production if policy still allows it, as in the API."""
    api.deploy(name, given, who.asking)
    return RedirectResponse(f"/web/promotions/{name}?done=deployed", 303)


def visible(given: Services, asking: Subject, name: str) -> Promotion:
    """The promotion, if it is of one of the visitor's projects. Raises PromotionNotFound."""
    with given.pool.connection() as connection:
        found = requests.get(connection, name)
    if found.project not in asking.projects:
        raise PromotionNotFound("No such promotion in your projects.")
    return found


def preview(given: Services, connection: Connection[Any], found: Promotion, asking: Subject) -> Decision:
    """What policy would say to a deployment now; only shown, so no decision and not in the ledger."""
    question = approvals.question(connection, found, asking.policy_input(), given.clock())
    return given.policy.decide(question, datasets=datasets.policy_data(connection))


def deployed(connection: Connection[Any], found: Promotion) -> Promotion | None:
    """What is in production under the same name, if it is another promotion."""
    same_name = [one for one in requests.every(connection, (found.project,)) if one.name == found.name]
    return next((one for one in same_name if one.state is State.DEPLOYED and one.id != found.id), None)


def differences(before: Promotion | None, after: Promotion) -> list[tuple[str, str]]:
    """(`same`, `gone` or `new`, line) of both model contracts as they are judged, with a little around each change."""
    if before is None:
        return []
    old, new = (_lines(load_model_contract(one.contract)) for one in (before, after))
    kinds = {"+": "new", "-": "gone", " ": "same"}
    lines = list(difflib.unified_diff(old, new, lineterm="", n=2))[2:]
    return [(kinds[line[0]], line[1:]) for line in lines if line[0] in kinds]


def approvals_end(found: Promotion) -> tuple[State, ...]:
    """Where the promotion may go from where it is."""
    from promotion.states import TRANSITIONS

    return TRANSITIONS[found.state]


def _lines(contract: ModelContract) -> list[str]:
    import yaml

    return yaml.safe_dump(contract.model_dump(mode="json"), sort_keys=False, width=120).splitlines()


def _again(request: Request, given: Services, asking: Subject, password: str) -> Subject:
    """The visitor as a login of this moment describes them. Raises LoginFailed, LoginTooOld."""
    if given.provider is not None:
        require_fresh_login(given, asking, SIGNING_SECONDS)
        return asking
    try:
        return given.verifier.subject(prove(given, asking.id, password, address=address_of(request)))
    except TooManyLogins:
        raise
    except LoginFailed as error:
        raise LoginFailed("The signature needs your password, and this one is not right. Nothing was signed.") from error
