"""Access requests and the grants they become: states, approvals, and the ledger entry of each change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import uuid4

from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from compliance.paging import NEWEST, Page
from gateway.errors import GatewayError

# pending -> granted (policy misses nothing any more) -> revoked, or expired: once seen, no clock set back revives it.
TRANSITIONS: dict[str, tuple[str, ...]] = {
    "pending": ("granted", "rejected", "withdrawn"),
    "granted": ("revoked", "expired"),
    "rejected": (),
    "withdrawn": (),
    "revoked": (),
    "expired": (),
}
EVENTS = {
    "granted": "grant:created",
    "rejected": "access-request:rejected",
    "withdrawn": "access-request:withdrawn",
    "revoked": "grant:revoked",
    "expired": "grant:expired",
}
COLUMNS = "id, subject, asker, dataset, project, columns, purpose, hours, why, state, created_at, not_before, expires"


class RequestNotFound(GatewayError):
    """There is no such access request."""

    code: ClassVar[str] = "access_request_not_found"


class WrongState(GatewayError):
    """The access request is not in a state from which this step is possible."""

    code: ClassVar[str] = "wrong_state"


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Who asks for which live columns, for what purpose, why and for how many hours; a grant once `granted`."""

    id: str
    subject: str
    asker: Mapping[str, Any]  # the subject as it was when it asked, in policy's form
    dataset: str
    project: str
    columns: tuple[str, ...]
    purpose: str
    hours: float
    why: str
    state: str
    created_at: datetime
    not_before: datetime | None
    expires: datetime | None
    approvals: tuple[Mapping[str, Any], ...] = ()

    def grant(self, *, now: datetime, extra: tuple[Mapping[str, Any], ...] = ()) -> dict[str, Any]:
        """The grant as policy reads it; before it is granted, as it would be from `now` with `extra` approvals."""
        begins = self.not_before or now
        ends = self.expires or now + timedelta(hours=self.hours)
        return {
            "id": self.id, "subject": self.subject, "dataset": self.dataset, "purpose": self.purpose,
            "columns": list(self.columns), "not_before": int(begins.timestamp()), "expires": int(ends.timestamp()),
            "revoked": self.state not in ("pending", "granted"),
            "approvals": [dict(approval) for approval in (*self.approvals, *extra)],
        }  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "subject": self.subject, "dataset": self.dataset, "project": self.project,
            "columns": list(self.columns), "purpose": self.purpose, "hours": self.hours, "why": self.why, "state": self.state,
            "created_at": self.created_at.isoformat(), "expires": self.expires and self.expires.isoformat(),
            "approvals": [dict(approval) for approval in self.approvals],
        }  # fmt: skip


def create(
    connection: Connection[Any], *, actor: Actor, asker: Mapping[str, Any], dataset: str, project: str,
    columns: tuple[str, ...], purpose: str, hours: float, why: str, now: datetime,
) -> AccessRequest:  # fmt: skip
    """The request exists and is in the ledger (its justification stays in the request: it is free text)."""
    request = uuid4().hex[:16]
    connection.execute(
        "INSERT INTO access.requests VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'pending', %s)",
        (request, actor.id, Jsonb(dict(asker)), dataset, project, list(columns), purpose, hours, why, now),
    )
    made = get(connection, request)
    record(connection, made, "access-request:created", "done", actor, now, detail={"columns": list(columns), "hours": hours})
    return made


def approve(connection: Connection[Any], request: AccessRequest, *, by: Actor, role: str, now: datetime) -> AccessRequest:
    """The approval stands with the request, once, and is in the ledger. Raises WrongState unless the request is pending."""
    if get(connection, request.id, lock=True).state != "pending":
        raise WrongState("The access request was decided in the meantime.")
    stored = connection.execute(
        "INSERT INTO access.approvals VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING by", (request.id, by.id, role, now)
    ).fetchone()
    if stored:
        record(connection, request, "access-request:approved", "done", by, now, detail={"role": role})
    return get(connection, request.id)


def move(
    connection: Connection[Any], request: str, to: str, *, actor: Actor, now: datetime, refs: Mapping[str, str] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> AccessRequest:  # fmt: skip
    """The request is in state `to`, and the ledger says so. Raises WrongState when its life cycle does not allow it."""
    before = get(connection, request, lock=True)
    if to not in TRANSITIONS[before.state]:
        raise WrongState(f"An access request that is {before.state} cannot become {to}.")
    window = (now, now + timedelta(hours=before.hours)) if to == "granted" else (before.not_before, before.expires)
    connection.execute(
        "UPDATE access.requests SET state = %s, not_before = %s, expires = %s WHERE id = %s", (to, *window, request)
    )
    outcome = "refused" if to == "rejected" else "done"
    record(connection, before, EVENTS[to], outcome, actor, now, refs=refs, detail=detail)
    return get(connection, request)


def record(
    connection: Connection[Any], request: AccessRequest, event: str, outcome: Any, actor: Actor, now: datetime, *,
    refs: Mapping[str, str] | None = None, detail: Mapping[str, Any] | None = None, reasons: tuple[str, ...] = (),
) -> None:  # fmt: skip
    """The event is in the ledger."""
    append(connection, Entry(
        type=event, actor=actor, object=ObjectRef("dataset", request.dataset), project=request.project, outcome=outcome,
        reasons=reasons, refs={"grant_id": request.id, "purpose": request.purpose, **(refs or {})}, detail=detail or {},
        occurred_at=now,
    ))  # fmt: skip


def get(connection: Connection[Any], request: str, *, lock: bool = False) -> AccessRequest:
    """The request of that id with its approvals. Raises RequestNotFound."""
    for found in _select(connection, f"WHERE id = %s{' FOR UPDATE' if lock else ''}", (request,)):
        return found
    raise RequestNotFound("There is no such access request; `sallyport access list` shows those that are.")


def every(connection: Connection[Any], projects: tuple[str, ...], page: Page = NEWEST) -> list[AccessRequest]:
    """The requests of these projects, newest first."""
    return _select(connection, "WHERE project = ANY(%s)" + page.tail("created_at"), (list(projects), *page.values))


def overdue(connection: Connection[Any], now: datetime) -> list[str]:
    """The grants whose time is over."""
    rows = connection.execute("SELECT id FROM access.requests WHERE state = 'granted' AND expires <= %s", (now,)).fetchall()
    return [name for (name,) in rows]


def _select(connection: Connection[Any], tail: str, values: tuple[Any, ...]) -> list[AccessRequest]:
    rows = connection.execute(f"SELECT {COLUMNS} FROM access.requests {tail}", values).fetchall()  # noqa: S608
    return [_request(list(row), _approvals(connection, row[0])) for row in rows]


def _request(values: list[Any], approvals: tuple[Mapping[str, Any], ...]) -> AccessRequest:
    values[5] = tuple(values[5])
    return replace(AccessRequest(*values), approvals=approvals)


def _approvals(connection: Connection[Any], request: str) -> tuple[Mapping[str, Any], ...]:
    rows = connection.execute("SELECT by, role, at FROM access.approvals WHERE request = %s ORDER BY at", (request,)).fetchall()
    return tuple({"by": by, "role": role, "at": int(at.timestamp())} for by, role, at in rows)
