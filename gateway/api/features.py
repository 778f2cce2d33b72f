"""`/v1/features`: feature definitions, compiled by the gateway in the jail and published by name and version."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, UploadFile

from compliance.canonical import canonical_json, digest, digest_file
from gateway.api.dependencies import Asking, Given
from gateway.catalog import datasets, features
from gateway.composition import Services
from gateway.identity import Subject
from policies.decisions import Decision
from sandbox.errors import InvalidFeatures
from sandbox.features.compiling import live_schemas, treated_schemas
from sandbox.features.project import compile_project

router = APIRouter(tags=["features"])
PACKAGE = "features"
MOST_FILES, MOST_BYTES = 50, 1_000_000


@router.post("/features", status_code=201)
def publish(
    given: Given, asking: Asking, dataset: Annotated[str, Form(max_length=60)], files: Annotated[list[UploadFile], File()],
    shared: Annotated[bool, Form()] = False,
) -> dict[str, Any]:  # fmt: skip
    """The definitions in the Python files sent are compiled for the dataset's contract, and stand by name and version."""
    with given.pool.connection() as connection:
        found = datasets.get(connection, dataset)
    decision = _may_read(given, asking, found)
    folder = Path(tempfile.mkdtemp(prefix="features-", dir=given.staging))
    try:
        code = _take(files, folder / PACKAGE)
        source = digest(canonical_json({file.name: digest_file(file) for file in sorted(code.iterdir())}))
        made = compile_project(code, treated=treated_schemas(found.contract), live=live_schemas(found.contract))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if any(one.dataset != dataset for one in made):
        raise InvalidFeatures(f"These definitions are not all of dataset {dataset}.")
    with given.pool.connection() as connection:
        published = [
            features.publish(
                connection, one, project=found.project, shared=shared, source_digest=source, actor=asking.actor(),
                decision_id=decision.decision_id, now=given.clock(),
            )
            for one in made
        ]  # fmt: skip
    return {"items": [one.as_json() for one in published], "next": None}


@router.get("/features")
def every(given: Given, asking: Asking) -> dict[str, Any]:
    """The definitions of the caller's projects, and those shared with all."""
    with given.pool.connection() as connection:
        found = features.every(connection, asking.projects)
    return {"items": [one.as_json() for one in found], "next": None}


@router.get("/features/{name}")
def one(name: str, given: Given, asking: Asking, version: str | None = None) -> dict[str, Any]:
    """One definition as it was compiled: of that version, else the newest."""
    with given.pool.connection() as connection:
        return features.get(connection, name, version, asking.projects).as_json()


def _may_read(given: Services, asking: Subject, found: datasets.Dataset) -> Decision:
    """Who may read snapshots of the dataset may define features of it (POLICY.md, action `read`, zone sandbox)."""
    resource = {"type": "dataset", "id": found.id, "project": found.project, "zone": "sandbox", "columns": []}
    return given.enforcer.require(asking, "read", resource, what=f"define features of {found.id}")


def _take(files: list[UploadFile], folder: Path) -> Path:
    """The package of the Python files sent. Raises InvalidFeatures."""
    folder.mkdir()
    if not files or len(files) > MOST_FILES or sum(file.size or 0 for file in files) > MOST_BYTES:
        raise InvalidFeatures(f"Send between one Python file and {MOST_FILES}, a million bytes in all.")
    for file in files:
        name = PurePosixPath(file.filename or "").name
        if name != file.filename or not name.endswith(".py") or not name.removesuffix(".py").isidentifier():
            raise InvalidFeatures("Each file is sent under the plain name of a Python module, such as visits.py.")
        if (folder / name).exists():
            raise InvalidFeatures("Two files have one name.")
        with (folder / name).open("xb") as target:
            shutil.copyfileobj(file.file, target)
    (folder / "__init__.py").touch()
    return folder
