"""`/v1/snapshots`: asked for, watched, read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydantic import BaseModel

from gateway import problems
from gateway.api.dependencies import Asking, Given, Paging
from gateway.catalog import datasets, snapshots
from gateway.composition import Services
from gateway.identity import Subject
from sandbox.comparing import compare
from sandbox.manifests import verify_snapshot

router = APIRouter(tags=["snapshots"])


class NewSnapshot(BaseModel):
    """Which dataset to make a de-identified snapshot of, and what runs its treatments."""

    dataset: str
    engine: Literal["local", "spark"] = "local"


@router.post("/snapshots", status_code=202)
def build(body: NewSnapshot, given: Given, asking: Asking) -> dict[str, Any]:
    """A worker builds the snapshot, under the limits that policy sets; ask for it again to see how far it is."""
    with given.pool.connection() as connection:
        dataset = datasets.get(connection, body.dataset)
    resource = {
        "type": "snapshot",
        "id": dataset.id,
        "project": dataset.project,
        "unclassified": list(dataset.contract.unclassified),
    }
    what = f"build a snapshot of {dataset.id}"
    if dataset.project not in asking.projects:
        given.enforcer.refuse(asking, "build", resource, reason="not_in_project", what=what)
    decision = given.enforcer.require(asking, "build", resource, what=what)
    with given.pool.connection() as connection:
        snapshot = snapshots.request(
            connection,
            dataset,
            actor=asking.actor(),
            decision_id=decision.decision_id,
            limits=decision.obligations,
            now=given.clock(),
            engine=body.engine,
        )
    given.jobs.build_snapshot(snapshot.id)
    return snapshot.as_json()


@router.get("/snapshots")
def every(given: Given, asking: Asking, page: Paging) -> dict[str, Any]:
    """The snapshots of the caller's projects, newest first."""
    with given.pool.connection() as connection:
        found = snapshots.every(connection, projects=asking.projects, page=page)
    return {"items": [snapshot.as_json() for snapshot in found], "next": page.next(found, "requested_at")}


@router.get("/snapshots/{name}")
def one(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """One snapshot by id or digest: state, progress, and its signed manifest once built."""
    return _visible(name, given, asking).as_json()


@router.get("/snapshots/{name}/files")
def files(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """The names of the snapshot's files, after policy allowed the caller to read in the sandbox."""
    folder = _readable(name, given, asking)
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {"items": found, "next": None}


@router.get("/snapshots/{name}/difference")
def difference(name: str, to: str, given: Given, asking: Asking) -> dict[str, Any]:
    """What changed from this snapshot to the one named `to`, by id or digest; counts only."""
    keys = given.public_keys()
    before, after = (_readable(one, given, asking) for one in (name, to))
    return compare((before, verify_snapshot(before, keys)), (after, verify_snapshot(after, keys))).as_json()


@router.get("/snapshots/{name}/files/{path:path}", response_class=FileResponse, responses=problems.BYTES)
def file(name: str, path: str, given: Given, asking: Asking) -> FileResponse:
    """One file of the snapshot."""
    folder = _readable(name, given, asking)
    wanted = (folder / path).resolve()
    if not wanted.is_relative_to(folder.resolve()) or not wanted.is_file():
        raise snapshots.SnapshotNotFound("The snapshot has no such file.")
    return FileResponse(wanted, media_type="application/octet-stream")


def _visible(name: str, given: Services, asking: Subject) -> snapshots.Snapshot:
    with given.pool.connection() as connection:
        found = snapshots.get(connection, name)
    if found.project not in asking.projects:
        raise snapshots.SnapshotNotFound("No such snapshot in your projects.")
    return found


def _readable(name: str, given: Services, asking: Subject) -> Path:
    """The folder of a built snapshot that policy lets the caller read (POLICY.md, action `read`, zone sandbox)."""
    found = _visible(name, given, asking)
    resource = {"type": "dataset", "id": found.dataset, "project": found.project, "zone": "sandbox", "columns": []}
    given.enforcer.require(asking, "read", resource, what=f"read snapshot {found.id}")
    if found.digest is None or found.state != "built":
        raise snapshots.WrongState(found.detail or "The snapshot is not built.")
    folder = given.snapshot_folder(found.digest)
    if not folder.is_dir():
        raise snapshots.SnapshotNotFound("The snapshot's time was over, and it was deleted; its manifest is kept.")
    return folder
