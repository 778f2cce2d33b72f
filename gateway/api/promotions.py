"""`/v1/promotions` and `/v1/models`: door 3."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Self

from fastapi import APIRouter, File, Form, UploadFile
from psycopg import Connection
from pydantic import BaseModel, Field, model_validator

from gateway import turns
from gateway.api.dependencies import Asking, Given, Paging, require_fresh_login
from gateway.catalog import features
from gateway.composition import Services
from gateway.errors import GatewayError
from gateway.identity import Subject
from gateway.publishing import publish
from promotion import approvals, deployments, monitoring, requests, stages, steps, waivers
from promotion.errors import ApprovalRefused, NotDeployed, PromotionNotFound, WaiverRefused
from promotion.model_contracts import load_model_contract
from promotion.states import State

router = APIRouter(tags=["promotion"])

MOST_FILES = 1_000
MOST_NAME_BYTES, MOST_PATH_BYTES = 200, 1_000


class Approval(BaseModel):
    """In which role, and what the signature means (21 CFR 11.50)."""

    role: str = Field(max_length=60)
    meaning: str = Field(min_length=1, max_length=1000)


class Why(BaseModel):
    """The reason a person gives."""

    why: str = Field(min_length=1, max_length=4000)


class Waiver(Why):
    """Why a failed check is accepted, and the last day on which it is (UTC)."""

    until: date


class Earlier(BaseModel):
    """An earlier deployed digest, or the version of the model it had."""

    digest: str | None = Field(default=None, pattern=r"^sha256:[0-9a-f]{64}$")
    version: int | None = Field(default=None, ge=1, lt=1 << 31)

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.digest is None) == (self.version is None):
            raise ValueError("give either a digest or a version")
        return self


class InvalidUpload(GatewayError):
    """What was sent is not one model."""

    code = "invalid_upload"


@router.post("/promotions", status_code=201)
def submit(
    given: Given, asking: Asking, project: Annotated[str, Form()], contract: Annotated[str, Form(max_length=200_000)],
    model: Annotated[str | None, Form()] = None, files: Annotated[list[UploadFile] | None, File()] = None,
) -> dict[str, Any]:  # fmt: skip
    """The model's bytes are taken as they are, named by their digest, and queued for the checks."""
    with given.pool.connection() as connection:
        contract = features.resolved(connection, contract, asking.projects)
    parsed = load_model_contract(contract)
    resource = {"type": "model", "id": f"{project}/{parsed.name}", "project": project, "tier": parsed.tier, "author": asking.id}
    given.enforcer.require(asking, "submit", resource, what=f"submit a model to {project}")
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
        place = turns.place(connection, project)
    given.jobs.check_model(made.id, place)
    return _whole(given, made.id)


@router.get("/promotions")
def every(given: Given, asking: Asking, page: Paging) -> dict[str, Any]:
    """The promotions of the caller's projects, newest first."""
    with given.pool.connection() as connection:
        found = requests.every(connection, asking.projects, page)
    return {"items": [one.as_json() for one in found], "next": page.next(found, "submitted_at")}


@router.get("/promotions/{name}")
def one(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """One promotion with its checks, findings and approvals."""
    visible(given, asking, name)
    return _whole(given, name)


@router.post("/promotions/{name}/approve")
def approve(name: str, body: Approval, given: Given, asking: Asking) -> dict[str, Any]:
    """The approval is signed over exactly these bytes, or refused by policy; both are in the ledger."""
    visible(given, asking, name)
    require_fresh_login(given, asking)
    actor, now = asking.actor(), given.clock()
    try:
        with given.pool.connection() as connection:
            approvals.approve(
                connection, name, by=actor, subject=asking.policy_input(), role=body.role, meaning=body.meaning,
                signer=given.signer, decide=given.enforcer.decide, now=now,
            )  # fmt: skip
    except ApprovalRefused as refused:
        record_refusal(given, name, refused, asking)
        raise
    return _whole(given, name)


@router.post("/promotions/{name}/reject")
def reject(name: str, body: Why, given: Given, asking: Asking) -> dict[str, Any]:
    """The promotion is rejected by somebody whom policy lets do it; the reason stands in the ledger."""
    found = visible(given, asking, name)
    decision = given.enforcer.require(asking, "reject", steps.resource(found), what="reject this promotion")
    said: dict[str, Any] = {"refs": {"decision_id": decision.decision_id}, "detail": {"why": body.why[:200]}}
    with given.pool.connection() as connection:
        requests.move(connection, name, State.REJECTED, actor=asking.actor(), now=given.clock(), **said)
    return _whole(given, name)


@router.post("/promotions/{name}/checks/{check}/waive")
def waive(name: str, check: str, body: Waiver, given: Given, asking: Asking) -> dict[str, Any]:
    """The failed check is waived under a signature until the end of that day; a refusal is in the ledger, too."""
    until = datetime.combine(body.until, time.min, UTC) + timedelta(days=1)

    def act(connection: Connection[Any]) -> None:
        waivers.waive(
            connection, name, check, by=asking.actor(), subject=asking.policy_input(), why=body.why, until=until,
            signer=given.signer, decide=given.enforcer.decide, now=given.clock(),
        )  # fmt: skip

    return _review(name, given, asking, act)


@router.post("/promotions/{name}/findings/{finding}/close")
def close(name: str, finding: str, body: Why, given: Given, asking: Asking) -> dict[str, Any]:
    """The finding is closed, for a reason that stands in the ledger."""
    return _review(
        name, given, asking,
        lambda connection: waivers.close_finding(
            connection, name, finding, by=asking.actor(), subject=asking.policy_input(), why=body.why,
            decide=given.enforcer.decide, now=given.clock(),
        ),
    )  # fmt: skip


@router.post("/promotions/{name}/deploy")
def deploy(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """Policy is asked again; the store points at exactly the approved bytes, under a signature."""
    visible(given, asking, name)
    try:
        with given.pool.connection() as connection:
            moved, _ = deployments.deploy(
                connection, name, store=given.store, by=asking.actor(), subject=asking.policy_input(), signer=given.signer,
                decide=given.enforcer.decide, now=given.clock(),
            )  # fmt: skip
            stages.leave(connection, moved, by=asking.actor(), now=given.clock())
    except ApprovalRefused as refused:
        record_refusal(given, name, refused, asking)
        raise
    publish(given)
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
def rollback(project: str, name: str, body: Earlier, given: Given, asking: Asking) -> dict[str, Any]:
    """An earlier deployed digest is in production again, if policy still allows it."""
    if project not in asking.projects:
        raise NotDeployed("No such model in your projects.")
    with given.pool.connection() as connection:
        promotion = deployments.earlier(connection, project, name, digest=body.digest, version=body.version)
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
    places = [_place(file.filename or "") for file in files]
    folders = {parent for place in places for parent in place.parents}
    if len(set(places)) < len(places) or folders & set(places):
        raise InvalidUpload("Two of the files stand in one place: each is sent once, under a name that is no other's folder.")
    for file, place in zip(files, places, strict=True):
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        with (target / place).open("xb") as opened:
            shutil.copyfileobj(file.file, opened)
    return None


def _place(name: str) -> PurePosixPath:
    """Where in the model's folder the file of that name stands. Raises InvalidUpload, never repeating the name."""
    place = PurePosixPath(name)
    if not place.name or place.is_absolute() or ".." in place.parts or "\\" in name:
        raise InvalidUpload("A file's name leads out of the model's folder.")
    try:
        encoded = [part.encode() for part in place.parts]
    except UnicodeEncodeError as error:
        raise InvalidUpload("A file's name is no text.") from error
    if not name.isprintable():
        raise InvalidUpload("A file's name holds characters that cannot be seen.")
    if max(map(len, encoded)) > MOST_NAME_BYTES or sum(map(len, encoded)) + len(encoded) > MOST_PATH_BYTES:
        raise InvalidUpload(f"A file's name is longer than {MOST_NAME_BYTES} bytes, or its path than {MOST_PATH_BYTES:,}.")
    return place


def _review(name: str, given: Services, asking: Subject, act: Callable[[Connection[Any]], object]) -> dict[str, Any]:
    """The promotion after `act`; who was refused is in the ledger."""
    visible(given, asking, name)
    try:
        with given.pool.connection() as connection:
            act(connection)
    except WaiverRefused as refused:
        with given.pool.connection() as connection:
            waivers.record_refusal(connection, name, refused, by=asking.actor(), now=given.clock())
        raise
    return _whole(given, name)


def visible(given: Services, asking: Subject, name: str) -> requests.Promotion:
    """The promotion, if it is of one of the caller's projects. Raises PromotionNotFound."""
    with given.pool.connection() as connection:
        found = requests.get(connection, name)
    if found.project not in asking.projects:
        raise PromotionNotFound("No such promotion in your projects.")
    return found


def _whole(given: Services, name: str) -> dict[str, Any]:
    with given.pool.connection() as connection:
        found = requests.get(connection, name)
        checks, findings = waivers.judged(connection, found, given.clock())
        return found.as_json() | {
            "checks": checks, "findings": findings, "approvals": requests.approvals(connection, name),
            "waivers": waivers.waivers(connection, name), "drift": _drift(given, connection, found),
        }  # fmt: skip


def _drift(given: Services, connection: Connection[Any], found: requests.Promotion) -> list[dict[str, Any]]:
    """How what the model in production is asked differs from its training rows, by the contract's drift rules."""
    if found.state is not State.DEPLOYED:
        return []
    seen = monitoring.drifts(connection, found.project, found.name, until=given.clock())
    return [{"of": one.name or "output", "window": one.window, "rows": one.rows, "psi": round(one.psi, 4)} for one in seen]


def record_refusal(given: Services, name: str, refused: ApprovalRefused, asking: Subject) -> None:
    """The refusal is in the ledger."""
    with given.pool.connection() as connection:
        approvals.record_refusal(connection, name, refused, by=asking.actor(), now=given.clock())
