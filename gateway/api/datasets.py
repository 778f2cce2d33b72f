"""`/v1/datasets`: contracts, and the live rows loaded under them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from fastapi import APIRouter, UploadFile
from pydantic import BaseModel, Field

from gateway import erasing, loading
from gateway.api.dependencies import Asking, Given
from gateway.catalog import datasets as catalog
from gateway.catalog import erasures, snapshots
from gateway.catalog.projects import ensure_project
from gateway.composition import Services
from gateway.errors import GatewayError
from gateway.identity import Subject
from policies.decisions import Decision
from sandbox.contracts import Contract, load_contract

router = APIRouter(tags=["datasets"])


class NewDataset(BaseModel):
    """A contract (ODCS 3 YAML) and the project whose people may work on its snapshots."""

    project: str = Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")
    contract: str = Field(max_length=1_000_000)


class Forgotten(BaseModel):
    """The key of the person to erase. Sent in the body, for addresses are logged; it is stored nowhere."""

    person: str = Field(min_length=1, max_length=500)


class InvalidUpload(GatewayError):
    """The files sent are not named as tables are."""

    code = "invalid_upload"


@router.post("/datasets", status_code=201)
def register(body: NewDataset, given: Given, asking: Asking) -> dict[str, Any]:
    """The contract is registered: from now on it is what the dataset is judged by."""
    contract = load_contract(body.contract)
    decision = _may_build(given, asking, contract, body.project, "register the contract of")
    given.tracking(body.project).ensure_workspace()
    now = given.clock()
    with given.pool.connection() as connection:
        ensure_project(connection, body.project, new_key=given.vault.new_data_key, actor=asking.actor(), now=now)
        dataset = catalog.register(
            connection,
            project=body.project,
            contract=contract,
            text=body.contract,
            actor=asking.actor(),
            decision_id=decision.decision_id,
            now=now,
        )
    return dataset.as_json()


@router.get("/datasets")
def every(given: Given, asking: Asking) -> dict[str, Any]:
    """The datasets of the caller's projects."""
    with given.pool.connection() as connection:
        found = [dataset for dataset in catalog.every(connection) if dataset.project in asking.projects]
    return {"items": [dataset.as_json() for dataset in found], "next": None}


@router.get("/datasets/{dataset}")
def one(dataset: str, given: Given, asking: Asking) -> dict[str, Any]:
    """One dataset with its contract."""
    with given.pool.connection() as connection:
        found = catalog.get(connection, dataset)
    if found.project not in asking.projects:
        raise catalog.DatasetNotFound("No such dataset in your projects.")
    return found.as_json() | {"contract": found.contract_text}


@router.post("/datasets/{dataset}/rows", status_code=201)
def load(dataset: str, files: list[UploadFile], given: Given, asking: Asking) -> dict[str, Any]:
    """The live tables hold exactly the rows of the files sent: CSV, JSON Lines or Parquet, a file or a folder a table."""
    with given.pool.connection() as connection:
        found = catalog.get(connection, dataset)
    decision = _may_build(given, asking, found.contract, found.project, "load live rows of")
    folder = Path(tempfile.mkdtemp(prefix="load-", dir=given.staging))
    try:
        for file in files:
            _save(file, folder)
        loading.load(given, found, folder, files=len(files), actor=asking.actor(), decision_id=decision.decision_id)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    with given.pool.connection() as connection:
        return catalog.get(connection, dataset).as_json()


@router.post("/datasets/{dataset}/erasures", status_code=201)
def erase(dataset: str, body: Forgotten, given: Given, asking: Asking) -> dict[str, Any]:
    """The person is in no live row and in no snapshot; where a snapshot held them, another is being built in its place."""
    with given.pool.connection() as connection:
        found = catalog.get(connection, dataset)
    decision = _may_erase(given, asking, found, "erase a person from")
    may_build = given.enforcer.decide(given.enforcer.question(asking, "build", _snapshot_of(found.contract, found.project)))
    done = erasing.erase(given, found, body.person, actor=asking.actor(), decision_id=decision.decision_id)
    if not done["snapshots"] or not may_build.allow:
        return done | {"rebuild": None}
    with given.pool.connection() as connection:
        again = snapshots.request(
            connection, found, actor=asking.actor(), decision_id=may_build.decision_id, limits=may_build.obligations,
            now=given.clock(),
        )  # fmt: skip
    given.jobs.build_snapshot(again.id)
    return done | {"rebuild": again.id}


@router.get("/datasets/{dataset}/erasures")
def erased(dataset: str, given: Given, asking: Asking) -> dict[str, Any]:
    """The erasures of a dataset, newest first: when, at whose word and what went; never who it was."""
    with given.pool.connection() as connection:
        found = catalog.get(connection, dataset)
        _may_erase(given, asking, found, "see the erasures of")
        return {"items": [erasure.as_json() for erasure in erasures.every(connection, dataset)], "next": None}


def _may_erase(given: Services, asking: Subject, dataset: catalog.Dataset, what: str) -> Decision:
    resource = {"type": "dataset", "id": dataset.id, "project": dataset.project}
    return given.enforcer.require(asking, "erase", resource, what=f"{what} {dataset.id}")


def _snapshot_of(contract: Contract, project: str) -> dict[str, Any]:
    return {"type": "snapshot", "id": contract.id, "project": project, "unclassified": list(contract.unclassified)}


def _may_build(given: Services, asking: Subject, contract: Contract, project: str, what: str) -> Decision:
    """Who may build snapshots of a dataset may also say what its columns are (POLICY.md, action `build`)."""
    resource = _snapshot_of(contract, project)
    what = f"{what} {contract.id}"
    if project not in asking.projects:
        given.enforcer.refuse(asking, "build", resource, reason="not_in_project", what=what)
    return given.enforcer.require(asking, "build", resource, what=what)


def _save(file: UploadFile, folder: Path) -> None:
    place = PurePosixPath(file.filename or "")
    plain = all(part.strip(".") and not part.startswith(".") for part in place.parts)
    if len(place.parts) not in (1, 2) or not plain or str(place) != file.filename or place.is_absolute():
        raise InvalidUpload("Each file is sent under its plain name, such as patients.csv or patients/part-1.csv.")
    try:
        (folder / place).parent.mkdir(exist_ok=True)
        with (folder / place).open("xb") as target:
            shutil.copyfileobj(file.file, target)
    except FileExistsError as error:
        raise InvalidUpload(
            "Two of the files stand in one place: each is sent once, under a name that is no other's folder."
        ) from error
