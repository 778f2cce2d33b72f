"""The boundary map: who sees what, where and under which conditions, computed from the policies that decide."""

from __future__ import annotations

import threading
from typing import Any

from fastapi import APIRouter, Request, Response

from compliance.canonical import canonical_json, digest
from gateway.api.dependencies import Given
from gateway.catalog import datasets
from gateway.web.rendering import page
from gateway.web.visitors import Visiting
from policies.boundary import boundary
from policies.boundary_pages import HEADINGS, INTRODUCTION, TITLE, Row, rows

router = APIRouter(prefix="/boundary")

MOST_KEPT = 4
_kept: dict[str, list[Row]] = {}
_computing = threading.Lock()


@router.get("")
def show(request: Request, given: Given, who: Visiting, dataset: str = "") -> Response:
    """The map of one dataset of the visitor's projects; computed once for each state of policies and contract."""
    with given.pool.connection() as connection:
        known = [one for one in datasets.every(connection) if one.project in who.asking.projects]
    chosen = next((one for one in known if one.id == dataset), known[0] if known else None)
    found = _map(given.policy.engine.bundle, {chosen.id: dict(chosen.contract.policy_data())}) if chosen else []
    zones: dict[str, list[Row]] = {}
    for row in found:
        zones.setdefault(row.zone, []).append(row)
    return page(
        request, "boundary.html", who, known=known, chosen=chosen, zones=zones, headings=HEADINGS, introduction=INTRODUCTION,
        title=TITLE, digest=given.policy.digest,
    )  # fmt: skip


def _map(bundle: Any, known: dict[str, Any]) -> list[Row]:
    """The rows of the map, from memory when nothing changed."""
    key = bundle.digest + digest(canonical_json(known))
    with _computing:
        if key not in _kept:
            _kept[key] = rows(boundary(bundle, known, processes=1))
            while len(_kept) > MOST_KEPT:
                _kept.pop(next(iter(_kept)))
        return _kept[key]
