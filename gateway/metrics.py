"""`/metrics` in the Prometheus text format: requests of this process, and what the database counts. No names of people in it."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from psycopg import Connection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import problems
from gateway.api.dependencies import Given
from gateway.jobs import QUEUES, SCHEMA
from gateway.logs import log_request
from gateway.tracing import span

MEDIA_TYPE = "text/plain; version=0.0.4"
BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0)
UNROUTED = "none"
IDENTIFIER = re.compile(r"[0-9a-f]{32}")
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))

router = APIRouter(tags=["health"])

Sample = tuple[Mapping[str, str], float]


class Requests:
    """Requests of this process, by route."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count: Counter[tuple[str, str, str]] = Counter()
        self._buckets: Counter[tuple[str, float]] = Counter()
        self._seconds: Counter[str] = Counter()

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """The request is counted."""
        with self._lock:
            self._count[method, route, str(status)] += 1
            self._seconds[route] += seconds  # type: ignore[assignment]
            for bound in BUCKETS:
                if seconds <= bound:
                    self._buckets[route, bound] += 1

    def lines(self) -> list[str]:
        """The counts and durations as Prometheus reads them."""
        with self._lock:
            count, buckets, seconds = dict(self._count), dict(self._buckets), dict(self._seconds)
        name = "sallyport_request_seconds"
        total: Counter[str] = Counter()
        for (_, route, _), number in count.items():
            total[route] += number
        text = metric("sallyport_requests_total", "counter", "Requests answered by this process.", [
            ({"method": method, "route": route, "status": status}, number) for (method, route, status), number in count.items()
        ])  # fmt: skip
        text += [f"# HELP {name} How long answers took.", f"# TYPE {name} histogram"]
        for route in sorted(total):
            bounds = [(str(bound), buckets.get((route, bound), 0)) for bound in BUCKETS] + [("+Inf", total[route])]
            text += [sample(f"{name}_bucket", {"route": route, "le": bound}, number) for bound, number in bounds]
            text += [sample(f"{name}_sum", {"route": route}, seconds[route])]
            text += [sample(f"{name}_count", {"route": route}, total[route])]
        return text


requests = Requests()


class Watch:
    """Counts and logs every request; what nothing else caught becomes a problem, and its text goes nowhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with span("request", _trace_context(scope)) as traced:
            try:
                await self._app(scope, receive, watched)
            except Exception as error:
                answer = problems.unexpected(error)
                if not status:
                    await answer(scope, receive, watched)
            seconds, route = time.monotonic() - started, _route(scope)
            method = scope["method"] if scope["method"] in METHODS else "other"
            if traced is not None:
                traced.update_name(f"{method} {route}")
                traced.set_attributes(
                    {"http.request.method": method, "http.route": route, "http.response.status_code": status}
                    | _identifiers(scope)
                )
        requests.add(method, route, status, seconds)
        log_request(method=method, route=route, status=status, milliseconds=1000 * seconds)


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(given: Given) -> PlainTextResponse:
    """Everything measured, as Prometheus reads it."""
    with given.pool.connection() as connection:
        counted = _counted(connection)
    parts = metric("sallyport_part_up", "gauge", "Whether a part the gateway needs answers.", [
        ({"part": part}, float(state == "ok")) for part, state in given.health().items()
    ])  # fmt: skip
    return PlainTextResponse("\n".join([*requests.lines(), *counted, *parts, ""]), media_type=MEDIA_TYPE)


def metric(name: str, kind: str, about: str, samples: Iterable[Sample]) -> list[str]:
    """One metric with its samples."""
    return [f"# HELP {name} {about}", f"# TYPE {name} {kind}", *sorted(sample(name, labels, value) for labels, value in samples)]


def sample(name: str, labels: Mapping[str, str], value: float) -> str:
    """One line; label values escaped as the format asks."""
    said = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{said}}} {value:g}" if said else f"{name} {value:g}" if value != int(value) else f"{name} {int(value)}"


def _counted(connection: Connection[Any]) -> list[str]:
    """What the database knows, the same whichever gateway is asked."""
    decisions = connection.execute("SELECT action, allow, count(*) FROM catalog.decisions GROUP BY 1, 2").fetchall()
    leases = connection.execute("SELECT count(*) FROM access.leases WHERE state = 'open' AND expires > now()").fetchall()
    promotions = connection.execute("SELECT state, count(*) FROM promotion.requests GROUP BY 1").fetchall()
    snapshots = connection.execute("SELECT state, count(*) FROM catalog.snapshots GROUP BY 1").fetchall()
    ledger = connection.execute(
        "SELECT (SELECT coalesce(max(seq), 0) FROM ledger.entries), (SELECT count(*) FROM ledger.accepted)"
    ).fetchall()
    return [
        *metric("sallyport_decisions_total", "counter", "Policy decisions.", [
            ({"action": action, "outcome": "allow" if allow else "deny"}, number) for action, allow, number in decisions
        ]),
        *metric("sallyport_leases_open", "gauge", "Leases on live data that are open now.", [({}, leases[0][0])]),
        *metric("sallyport_promotions", "gauge", "Promotions by state.", [({"state": s}, n) for s, n in promotions]),
        *metric("sallyport_snapshots", "gauge", "Snapshots by state.", [({"state": s}, n) for s, n in snapshots]),
        *metric("sallyport_ledger_entries", "gauge", "Entries of the ledger.", [({}, sum(ledger[0]))]),
        *metric("sallyport_ledger_entries_without_place", "gauge", "Entries that wait for their place in the order.", [
            ({}, ledger[0][1])
        ]),
        *metric("sallyport_jobs_waiting", "gauge", "Jobs that no worker has begun.", [
            ({"queue": queue}, number) for queue, number in _waiting(connection).items()
        ]),
    ]  # fmt: skip


def _waiting(connection: Connection[Any]) -> dict[str, int]:
    """How many jobs stand in each queue; none while no worker has made its tables."""
    table = f"{SCHEMA}.workflow_status"
    there = connection.execute("SELECT to_regclass(%s)", (table,)).fetchone()
    if not there or there[0] is None:
        return dict.fromkeys(QUEUES, 0)
    rows = connection.execute(
        f"SELECT queue_name, count(*) FROM {table} WHERE status = 'ENQUEUED' AND queue_name = ANY(%s) GROUP BY 1",  # noqa: S608 - a constant
        (list(QUEUES),),
    ).fetchall()
    return dict.fromkeys(QUEUES, 0) | dict(rows)


def _trace_context(scope: Scope) -> dict[str, str]:
    """The caller's trace, if the request is part of one (W3C Trace Context)."""
    return {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in (b"traceparent", b"tracestate")}


def _identifiers(scope: Scope) -> dict[str, str]:
    """The made-up identifiers in the request's path; a parameter of another form could be a name."""
    given = scope.get("path_params") or {}
    return {f"sallyport.{key}": str(value) for key, value in given.items() if IDENTIFIER.fullmatch(str(value))}


def _route(scope: Scope) -> str:
    """The route's own text, with its parameters' names instead of their values; of an included router, with its prefix."""
    matched = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    path = getattr(matched, "path", None)
    return f"{scope.get('root_path', '')}{path}" if path else UNROUTED


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
