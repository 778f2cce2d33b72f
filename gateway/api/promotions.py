"""`/v1/promotions` and `/v1/models`: door 3."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, UploadFile
from pydantic import BaseModel, Field

from gateway.api.dependencies import Asking, Given
from gateway.composition import Services
from gateway.errors import GatewayError
from gateway.identity import Subject
from promotion import approvals, deployments, requests
from promotion.errors import ApprovalRefused, NotDeployed, PromotionNotFound
from promotion.model_contracts import load_model_contract
from promotion.states import State

router = APIRouter(tags=["promotion"])

MOST_FILES = 2_000


class Approval(BaseModel):
    """In which role, and what the signature means (21 CFR 11.50)."""

    role: str = Field(max_length=60)
    meaning: str = Field(min_length=1, max_length=1000)


class Why(BaseModel):
    """The reason a person gives."""

    why: str = Field(min_length=1, max_length=4000)


class Digest(BaseModel):
    """An earlier deployed digest."""

    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")


class InvalidUpload(GatewayError):
    """What was sent is not one model."""

    code = "invalid_upload"


@router.post("/promotions", status_code=201)
def submit(
    given: Given, asking: Asking, project: Annotated[str, Form()], contract: Annotated[str, Form(max_length=200_000)],
    model: Annotated[str | None, Form()] = None, files: Annotated[list[UploadFile] | None, File()] = None,
) -> dict[str, Any]:  # fmt: skip
    """The model's bytes are taken as they are, named by their digest, and queued for the checks."""
    parsed = load_model_contract(contract)
    if "data-scientist" not in asking.roles or project not in asking.projects:
        reason = "not_in_project" if project not in asking.projects else "role_not_permitted"
        resource = {"type": "model", "id": f"{project}/{parsed.name}", "project": project, "tier": parsed.tier}
        given.enforcer.refuse(asking, "submit", resource, reason=reason, what=f"submit a model to {project}")
    folder = Path(tempfile.mkdtemp(prefix="model-", dir=given.staging))
    try:
        run_id = _take(given, project, model, files or [], folder / "model")
        digest = given.store.put(folder / "model")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    with given.pool.connection() as connection:
        made = requests.submit(
            connection, project=project, contract=parsed, text=contract, digest=digest, run_id=run_id, author=asking.actor(),
            now=given.clock(),
        )  # fmt: skip
    given.jobs.check_model(made.id)
    return _whole(given, made.id)


@router.get("/promotions")
def every(given: Given, asking: Asking) -> dict[str, Any]:
    """The promotions of the caller's projects, newest first."""
    with given.pool.connection() as connection:
        found = requests.every(connection, asking.projects)
    return {"items": [one.as_json() for one in found], "next": None}


@router.get("/promotions/{name}")
def one(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """One promotion with its checks, findings and approvals."""
    _visible(given, asking, name)
    return _whole(given, name)


@router.post("/promotions/{name}/approve")
def approve(name: str, body: Approval, given: Given, asking: Asking) -> dict[str, Any]:
    """The approval is signed over exactly these bytes, or refused by policy; both are in the ledger."""
    _visible(given, asking, name)
    actor, now = asking.actor(), given.clock()
    try:
        with given.pool.connection() as connection:
            approvals.approve(
                connection, name, by=actor, subject=asking.policy_input(), role=body.role, meaning=body.meaning,
                signer=given.signer, decide=given.enforcer.decide, now=now,
            )  # fmt: skip
    except ApprovalRefused as refused:
        _record_refusal(given, name, refused, asking)
        raise
    return _whole(given, name)


@router.post("/promotions/{name}/reject")
def reject(name: str, body: Why, given: Given, asking: Asking) -> dict[str, Any]:
    """The promotion is rejected by somebody who could have approved it."""
    _visible(given, asking, name)
    if not {"model-validator", "data-steward", "compliance-officer"} & set(asking.roles):
        resource = {"type": "model", "id": name}
        given.enforcer.refuse(asking, "reject", resource, reason="role_not_permitted", what="reject this promotion")
    with given.pool.connection() as connection:
        requests.move(connection, name, State.REJECTED, actor=asking.actor(), now=given.clock())
    return _whole(given, name)


@router.post("/promotions/{name}/deploy")
def deploy(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """Policy is asked again; the store points at exactly the approved bytes, under a signature."""
    promotion = _visible(given, asking, name)
    try:
        with given.pool.connection() as connection:
            _, envelope = deployments.deploy(
                connection, name, store=given.store, by=asking.actor(), subject=asking.policy_input(), signer=given.signer,
                decide=given.enforcer.decide, now=given.clock(),
            )  # fmt: skip
    except ApprovalRefused as refused:
        _record_refusal(given, name, refused, asking)
        raise
    given.store.deploy(promotion.project, promotion.name, envelope)
    return _whole(given, name)


@router.get("/models")
def models(given: Given, asking: Asking) -> dict[str, Any]:
    """What is in production in the caller's projects."""
    with given.pool.connection() as connection:
        found = deployments.current(connection)
    items = [{"project": project, "name": name} for project, name, _ in found if project in asking.projects]
    return {"items": items, "next": None}


@router.get("/models/{project}/{name}")
def history(project: str, name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """What was in production under that name, newest first."""
    if project not in asking.projects:
        raise NotDeployed("No such model in your projects.")
    with given.pool.connection() as connection:
        return {"items": deployments.history(connection, project, name), "next": None}


@router.post("/models/{project}/{name}/rollback")
def rollback(project: str, name: str, body: Digest, given: Given, asking: Asking) -> dict[str, Any]:
    """An earlier deployed digest is in production again, if policy still allows it."""
    if project not in asking.projects:
        raise NotDeployed("No such model in your projects.")
    with given.pool.connection() as connection:
        promotion = deployments.earlier(connection, project, name, body.digest)
    return deploy(promotion, given, asking)


def _take(given: Services, project: str, model: str | None, files: list[UploadFile], target: Path) -> str | None:
    """`target` holds the model's bytes; the id of the run that trained it, if it is tracked."""
    if (model is None) == (not files):
        raise InvalidUpload("Send either the name of a tracked model or the files of one.")
    target.mkdir()
    if model is not None:
        return given.tracking(project).fetch(model, target) or None
    if len(files) > MOST_FILES:
        raise InvalidUpload(f"A model has at most {MOST_FILES:,} files.")
    for file in files:
        path = PurePosixPath(file.filename or "")
        if not path.name or path.is_absolute() or ".." in path.parts or "\x00" in str(path):
            raise InvalidUpload("A file's name leads out of the model's folder.")
        place = target / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("xb") as opened:
            shutil.copyfileobj(file.file, opened)
    return None


def _visible(given: Services, asking: Subject, name: str) -> requests.Promotion:
    with given.pool.connection() as connection:
        found = requests.get(connection, name)
    if found.project not in asking.projects:
        raise PromotionNotFound("No such promotion in your projects.")
    return found


def _whole(given: Services, name: str) -> dict[str, Any]:
    with given.pool.connection() as connection:
        return requests.get(connection, name).as_json() | {
            "checks": requests.checks(connection, name),
            "findings": requests.findings(connection, name),
            "approvals": requests.approvals(connection, name),
        }


def _record_refusal(given: Services, name: str, refused: ApprovalRefused, asking: Subject) -> None:
    with given.pool.connection() as connection:
        approvals.record_refusal(connection, name, refused, by=asking.actor(), now=given.clock())
