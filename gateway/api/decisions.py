"""`/v1/decisions`: every question put to policy and its answer, for whoever may read the evidence."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from gateway.api.dependencies import Asking, Given, Moment, behind
from gateway.catalog import datasets

router = APIRouter(tags=["decisions"], prefix="/decisions")

MOST = 5_000


@router.get("")
def decisions(
    given: Given, asking: Asking, since: Moment | None = None, until: Moment | None = None,
    after: str | None = None, limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> dict[str, Any]:  # fmt: skip
    """The decisions of the period in the order they were made, from after the cursor `after`; `next` is the next cursor."""
    given.enforcer.require(asking, "export", {"type": "audit", "id": "decisions"}, what="read decisions")
    start = behind(after, limit)
    with given.pool.connection() as connection:
        rows = connection.execute(
            "SELECT decision_id, decided_at, subject, action, allow, reasons, policy_digest, input FROM catalog.decisions"
            " WHERE (%(since)s::timestamptz IS NULL OR decided_at >= %(since)s)"
            " AND (%(until)s::timestamptz IS NULL OR decided_at < %(until)s)"
            " AND (%(time)s::timestamptz IS NULL OR (decided_at, decision_id) > (%(time)s, %(name)s))"
            " ORDER BY decided_at, decision_id LIMIT %(limit)s",
            {"since": since, "until": until, "time": start.time, "name": start.id, "limit": limit},
        ).fetchall()  # fmt: skip
    names = ("decision_id", "decided_at", "subject", "action", "allow", "reasons", "policy_digest", "input")
    items = [dict(zip(names, row, strict=True)) for row in rows]
    last = rows[-1] if len(rows) == limit else None
    return {"items": items, "next": last and f"{last[1].isoformat()}_{last[0]}"}


@router.get("/datasets")
def contracts(given: Given, asking: Asking) -> dict[str, Any]:
    """`data.datasets` as policy reads it now, so that decisions can be made again: names and classes of columns, no data."""
    given.enforcer.require(asking, "export", {"type": "audit", "id": "decisions"}, what="read decisions")
    with given.pool.connection() as connection:
        return {"datasets": datasets.policy_data(connection)}
