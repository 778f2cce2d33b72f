"""`/v1/datasets`: contracts, and the live rows loaded under them."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from fastapi import APIRouter, UploadFile
from pydantic import BaseModel, Field

from gateway.api.dependencies import Asking, Given
from gateway.catalog import datasets as catalog
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
    """The live tables of the dataset hold exactly the rows of the files sent (CSV, JSON Lines or Parquet, one a table)."""
    with given.pool.connection() as connection:
        found = catalog.get(connection, dataset)
    decision = _may_build(given, asking, found.contract, found.project, "load live rows of")
    folder = Path(tempfile.mkdtemp(prefix="load-", dir=given.staging))
    try:
        for file in files:
            _save(file, folder)
        with given.pool.connection() as connection:
            catalog.record_load_started(
                connection, found, files=len(files), actor=asking.actor(), decision_id=decision.decision_id, now=given.clock()
            )
        rows = given.load_live(folder, found.contract)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    with given.pool.connection() as connection:
        catalog.record_loaded(
            connection, found, rows=rows, actor=asking.actor(), decision_id=decision.decision_id, now=given.clock()
        )
        return catalog.get(connection, dataset).as_json()


def _may_build(given: Services, asking: Subject, contract: Contract, project: str, what: str) -> Decision:
    """Who may build snapshots of a dataset may also say what its columns are (POLICY.md, action `build`)."""
    resource = {"type": "snapshot", "id": contract.id, "project": project, "unclassified": list(contract.unclassified)}
    what = f"{what} {contract.id}"
    if project not in asking.projects:
        given.enforcer.refuse(asking, "build", resource, reason="not_in_project", what=what)
    return given.enforcer.require(asking, "build", resource, what=what)


def _save(file: UploadFile, folder: Path) -> None:
    name = PurePosixPath(file.filename or "").name
    if not name or name.startswith(".") or name != file.filename:
        raise InvalidUpload("Each file is sent under its plain name, such as patients.csv.")
    with (folder / name).open("xb") as target:
        shutil.copyfileobj(file.file, target)
