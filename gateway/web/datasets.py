"""Datasets: what their contracts say of each column, and the snapshots made of them with what was measured."""

from __future__ import annotations

import base64
import json
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from gateway.api import snapshots as api
from gateway.api.dependencies import Given
from gateway.catalog import datasets, snapshots
from gateway.composition import Services
from gateway.identity import Subject
from gateway.web.rendering import page
from gateway.web.visitors import Acting, Visiting

router = APIRouter(prefix="/datasets")


@router.get("")
def every(request: Request, given: Given, who: Visiting) -> Response:
    """The datasets of the visitor's projects."""
    with given.pool.connection() as connection:
        found = [one for one in datasets.every(connection) if one.project in who.asking.projects]
        built = snapshots.every(connection, projects=who.asking.projects)
    newest = {one.dataset: one for one in reversed(built) if one.state == "built"}
    return page(request, "datasets.html", who, items=found, newest=newest)


@router.get("/{dataset}")
def one(request: Request, dataset: str, given: Given, who: Visiting) -> Response:
    """One dataset: contract, live rows, snapshots."""
    found = visible(given, who.asking, dataset)
    with given.pool.connection() as connection:
        built = [one for one in snapshots.every(connection, projects=(found.project,)) if one.dataset == dataset]
    facts = {one.id: certificate(one) for one in built}
    return page(request, "dataset.html", who, dataset=found, contract=found.contract, snapshots=built, facts=facts)


@router.post("/{dataset}/snapshots")
def build(dataset: str, given: Given, who: Acting) -> Response:
    """A snapshot is queued, as `POST /v1/snapshots` does it."""
    visible(given, who.asking, dataset)
    api.build(api.NewSnapshot(dataset=dataset), given, who.asking)
    return RedirectResponse(f"/web/datasets/{dataset}?done=queued", 303)


def visible(given: Services, asking: Subject, dataset: str) -> datasets.Dataset:
    """The dataset, if it is of one of the visitor's projects. Raises DatasetNotFound."""
    with given.pool.connection() as connection:
        found = datasets.get(connection, dataset)
    if found.project not in asking.projects:
        raise datasets.DatasetNotFound("No such dataset in your projects.")
    return found


def certificate(snapshot: snapshots.Snapshot) -> dict[str, Any]:
    """What the signed manifest says was measured; nothing while there is none."""
    if snapshot.envelope is None:
        return {}
    statement = json.loads(base64.b64decode(snapshot.envelope["payload"]))
    said, signed = statement["predicate"], snapshot.envelope["signatures"]
    return {
        "risk": said["risk"], "limits": said["limits"], "contract": said["contract"], "built_at": said["built_at"],
        "holdout": said["holdout"], "keys": [one.get("keyid", "") for one in signed],
    }  # fmt: skip
