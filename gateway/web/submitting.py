"""A model submitted from a page: its contract, and its files, its folder, or the name it is tracked by."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated

from fastapi import APIRouter, File, Form, UploadFile
from fastapi.responses import RedirectResponse

from gateway.api import promotions as api
from gateway.api.dependencies import Given
from gateway.web.access import FormInvalid, Word
from gateway.web.visitors import Acting

router = APIRouter(prefix="/promotions")

MOST_CONTRACT_BYTES = 200_000
Files = Annotated[list[UploadFile] | None, File()]


@router.post("")
def submit(
    given: Given, who: Acting, project: Word = "", model: Annotated[str, Form(max_length=200)] = "",
    contract: UploadFile | None = None, files: Files = None, folder: Files = None,
) -> RedirectResponse:  # fmt: skip
    """The model is queued for its checks, as `POST /v1/promotions` does it."""
    if contract is None or not contract.filename:
        raise FormInvalid("Choose the model contract (YAML).")
    chosen = [file for file in files or () if file.filename]
    whole = _without_top([file for file in folder or () if file.filename])
    if sum((bool(chosen), bool(whole), bool(model.strip()))) != 1:
        raise FormInvalid("Choose the model's files, or its folder, or name a tracked model: one of the three.")
    try:
        text = contract.file.read(MOST_CONTRACT_BYTES + 1).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormInvalid("The model contract is no text in UTF-8.") from error
    if len(text) > MOST_CONTRACT_BYTES:
        raise FormInvalid(f"A model contract has at most {MOST_CONTRACT_BYTES:,} characters.")
    made = api.submit(given, who.asking, project, text, model.strip() or None, chosen or whole or None)
    return RedirectResponse(f"/web/promotions/{made['id']}?done=submitted", 303)


def _without_top(files: list[UploadFile]) -> list[UploadFile]:
    """The files of a chosen folder by their places in it: browsers put the folder's own name before each."""
    tops = {PurePosixPath(file.filename or "").parts[0] for file in files}
    if len(tops) == 1 and all(len(PurePosixPath(file.filename or "").parts) > 1 for file in files):
        for file in files:
            file.filename = PurePosixPath(*PurePosixPath(file.filename or "").parts[1:]).as_posix()
    return files
