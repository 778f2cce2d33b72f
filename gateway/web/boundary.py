"""The boundary map: who sees what, where and under which conditions, computed from the policies that decide."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from typing import Any

from fastapi import APIRouter, Request, Response

from compliance.canonical import canonical_json, digest
from gateway.api.dependencies import Given
from gateway.catalog import datasets
from gateway.web.rendering import page
from gateway.web.visitors import Visiting
from policies.acts import acts, permitted
from policies.boundary import boundary
from policies.boundary_pages import ACT_HEADINGS, ACTS, HEADINGS, INTRODUCTION, TITLE, Row, rows

router = APIRouter(prefix="/boundary")

MOST_KEPT = 4
SECONDS_TO_WAIT = 8.0
_kept: dict[str, Future[tuple[list[Row], list[tuple[str, str, str]]]]] = {}
_computing = ThreadPoolExecutor(1, thread_name_prefix="boundary")


@router.get("")
def show(request: Request, given: Given, who: Visiting, dataset: str = "") -> Response:
    """The map of one dataset of the visitor's projects; computed once for each state of policies and contract."""
    with given.pool.connection() as connection:
        known = [one for one in datasets.every(connection) if one.project in who.asking.projects]
    chosen = next((one for one in known if one.id == dataset), known[0] if known else None)
    found = _map(given.policy.engine.bundle, {chosen.id: dict(chosen.contract.policy_data())}) if chosen else ([], [])
    zones: dict[str, list[Row]] = {}
    seen, done = found or ([], [])
    for row in seen:
        zones.setdefault(row.zone, []).append(row)
    return page(
        request, "boundary.html", who, known=known, chosen=chosen, zones=zones, headings=HEADINGS, introduction=INTRODUCTION,
        title=TITLE, computing=found is None, digest=given.policy.digest, done=done,
        done_title=ACTS, done_headings=ACT_HEADINGS,
    )  # fmt: skip


def _map(bundle: Any, known: dict[str, Any]) -> tuple[list[Row], list[tuple[str, str, str]]] | None:
    """The rows of the map and of what else may be done, from memory when nothing changed; None while they are still computed."""
    key = bundle.digest + digest(canonical_json(known))
    if key not in _kept:
        _kept[key] = _computing.submit(lambda: (rows(boundary(bundle, known, processes=1)), permitted(acts(bundle))))
        while len(_kept) > MOST_KEPT:
            _kept.pop(next(iter(_kept)))
    try:
        return _kept[key].result(SECONDS_TO_WAIT)
    except NotYet:
        return None
    except Exception:
        _kept.pop(key, None)  # the next visitor tries again
        raise
