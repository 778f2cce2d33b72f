"""Models in production: which, since when, what they predict, how they got there, and the way back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from psycopg import Connection

from gateway.api import promotions as api
from gateway.api.dependencies import Given
from gateway.web.access import FormInvalid
from gateway.web.plots import Bar, Pair, Pairs, bars, pairs
from gateway.web.rendering import page
from gateway.web.visitors import Acting, Visiting
from promotion import deployments
from promotion import monitoring as watching
from promotion.errors import NotDeployed

router = APIRouter(prefix="/models")

BUCKETS = 24
SPANS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
PER_BUCKET = (
    "SELECT width_bucket(extract(epoch FROM at), %(from)s, %(to)s, %(buckets)s) AS bucket, count(*), sum(rows)::bigint,"
    " sum(positives)::bigint, percentile_disc(0.99) WITHIN GROUP (ORDER BY latency_ms) FROM promotion.predictions"
    " WHERE project = %(project)s AND name = %(name)s AND at >= to_timestamp(%(from)s) AND at < to_timestamp(%(to)s)"
    " GROUP BY bucket"
)


@router.get("")
def every(request: Request, given: Given, who: Visiting) -> Response:
    """What is in production in the visitor's projects."""
    with given.pool.connection() as connection:
        names = [(project, name) for project, name, _ in deployments.current(connection) if project in who.asking.projects]
        items = [
            {"project": project, "name": name, "predictions": _predictions(connection, project, name)}
            | deployments.history(connection, project, name)[0]
            for project, name in names
        ]
    return page(request, "models.html", who, items=items)


@router.get("/{project}/{name}")
def one(request: Request, project: str, name: str, given: Given, who: Visiting, span: str = "day") -> Response:
    """One model: what it predicted lately, and what was in production under its name."""
    if project not in who.asking.projects:
        raise NotDeployed("No such model in your projects.")
    span = span if span in SPANS else "day"
    with given.pool.connection() as connection:
        found = deployments.history(connection, project, name)
        if not found:
            raise NotDeployed("No such model in your projects.")
        plots = monitoring(connection, project, name, until=given.clock(), span=SPANS[span])
        alerts = _alerts(connection, project, name)
        drifts = [(one, _beside(one)) for one in watching.drifts(connection, project, name, until=given.clock())]
        total = _predictions(connection, project, name)
    return page(
        request, "model.html", who, project=project, name=name, history=found, plots=plots, alerts=alerts, total=total,
        span=span, spans=list(SPANS), drifts=drifts,
    )  # fmt: skip


@router.post("/{project}/{name}/rollback")
def rollback(
    project: str, name: str, given: Given, who: Acting, digest: Annotated[str, Form(pattern=r"^sha256:[0-9a-f]{64}$")],
    sure: Annotated[str, Form(max_length=10)] = "",
) -> Response:  # fmt: skip
    """The earlier model is in production again, if policy still allows it, as in the API."""
    if sure != "yes":
        raise FormInvalid("Tick that you mean it, then roll back.")
    api.rollback(project, name, api.Earlier(digest=digest), given, who.asking)
    return RedirectResponse(f"/web/models/{project}/{name}?done=rolled-back", 303)


def monitoring(connection: Connection[Any], project: str, name: str, *, until: datetime, span: timedelta) -> list[Any]:
    """The plots of rows predicted, share of positives and latency over the last `span`."""
    begin, end = (until - span).timestamp(), until.timestamp()
    rows = connection.execute(
        PER_BUCKET, {"from": begin, "to": end, "buckets": BUCKETS, "project": project, "name": name}
    ).fetchall()
    by = {row[0]: row for row in rows}
    step = span / BUCKETS
    format = "%H:%M" if span <= SPANS["day"] else "%d %b %H:%M"
    labels = [(until - span + number * step).strftime(format) for number in range(BUCKETS)]
    seen = [by.get(number + 1) for number in range(BUCKETS)]
    return [
        bars("Rows predicted", "", [Bar(label, float(row[2]) if row else None) for label, row in zip(labels, seen, strict=True)]),
        bars("Share predicted positive", "%", [
            Bar(label, 100 * row[3] / row[2] if row and row[2] else None) for label, row in zip(labels, seen, strict=True)
        ]),
        bars("Latency, 99th percentile", "ms", [
            Bar(label, float(row[4]) if row else None) for label, row in zip(labels, seen, strict=True)
        ]),
    ]  # fmt: skip


def _beside(one: watching.Drift) -> Pairs:
    title = f"Input {one.name}" if one.name else "The model's score"
    return pairs(title, [Pair(label, 100 * before, 100 * now) for label, before, now in one.shares])


def _predictions(connection: Connection[Any], project: str, name: str) -> int:
    row = connection.execute(
        "SELECT coalesce(sum(rows), 0)::bigint FROM promotion.predictions WHERE project = %s AND name = %s", (project, name)
    ).fetchone()
    return int(row[0]) if row else 0


def _alerts(connection: Connection[Any], project: str, name: str) -> list[dict[str, Any]]:
    rows = connection.execute(
        "SELECT metric, value, above, raised_at, over_at FROM promotion.alerts WHERE project = %s AND name = %s"
        " ORDER BY raised_at DESC LIMIT 20", (project, name),
    ).fetchall()  # fmt: skip
    return [dict(zip(("metric", "value", "above", "raised_at", "over_at"), row, strict=True)) for row in rows]
