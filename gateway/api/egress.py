"""`/v1/egress-requests`: door 4."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field

from gateway import problems
from gateway.airlock import requests, service
from gateway.airlock.errors import InvalidUpload
from gateway.api.dependencies import Asking, Given, Paging, require_fresh_login

router = APIRouter(tags=["egress"])


class NewVote(BaseModel):
    """A vote on named files, or on all not voted on yet; findings that are to be judged are accepted by their ids."""

    approve: bool
    why: str = Field(min_length=1, max_length=4000)
    role: str = Field(default="output-checker", max_length=60)
    files: list[str] = Field(default=[], max_length=200)
    accept: list[str] = Field(default=[], max_length=1000)


@router.post("/egress-requests", status_code=201)
def submit(
    given: Given, asking: Asking, project: Annotated[str, Form(max_length=63)],
    why: Annotated[str, Form(min_length=1, max_length=4000)],
    files: Annotated[list[UploadFile], File()], tables: Annotated[str, Form(max_length=5_000_000)] = "{}",
) -> dict[str, Any]:  # fmt: skip
    """The bytes are held as they are and wait for the checks; `tables` says what each table's groups and counts are."""
    try:
        declared = json.loads(tables)
    except ValueError as error:
        raise InvalidUpload("What is declared of the tables is not JSON.") from error
    if not isinstance(declared, dict) or not all(isinstance(one, dict) for one in declared.values()):
        raise InvalidUpload("What is declared of the tables is no object of objects.")
    sent = [(file.filename or "", file.file) for file in files]
    made = service.submit(given, asking, project=project, why=why, files=sent, tables=declared)
    return service.whole(given, asking, made.id)


@router.get("/egress-requests")
def every(given: Given, asking: Asking, page: Paging) -> dict[str, Any]:
    """The requests of the caller's projects, newest first."""
    with given.pool.connection() as connection:
        found = requests.every(connection, asking.projects, page=page)
    return {"items": [one.as_json() for one in found], "next": page.next(found, "submitted_at")}


@router.get("/egress-requests/{name}")
def one(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """One request: files, findings, history; votes of others once the reviews have ended."""
    return service.whole(given, asking, name)


@router.get("/egress-requests/{name}/files/{path:path}", response_class=FileResponse, responses=problems.BYTES)
def file(name: str, path: str, given: Given, asking: Asking) -> FileResponse:
    """A file's bytes, for its reviewers, and for everybody of the project once released."""
    return FileResponse(service.content(given, asking, name, path), media_type="application/octet-stream")


@router.put("/egress-requests/{name}/files/{path:path}")
def change(name: str, path: str, file: UploadFile, given: Given, asking: Asking) -> dict[str, Any]:
    """The file has other bytes from now on: votes on the old ones are void, and the checks run again."""
    service.change(given, asking, name, path, file.file)
    return service.whole(given, asking, name)


@router.post("/egress-requests/{name}/votes")
def vote(name: str, body: NewVote, given: Given, asking: Asking) -> dict[str, Any]:
    """The caller's vote on each file's bytes stands; two complete reviews decide."""
    require_fresh_login(given, asking)
    service.vote(given, asking, name, role=body.role, paths=body.files, approve=body.approve, why=body.why, accepts=body.accept)
    return service.whole(given, asking, name)


@router.post("/egress-requests/{name}/release")
def release(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """Policy is asked, the ledger says that the files leave, and from then on they can be fetched."""
    service.release(given, asking, name)
    return service.whole(given, asking, name)


@router.post("/egress-requests/{name}/withdraw")
def withdraw(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """The author takes the request back."""
    service.withdraw(given, asking, name)
    return service.whole(given, asking, name)
