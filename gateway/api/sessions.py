"""`/v1/sessions`: who is logged in, and ending it, by the person or an operator."""

from __future__ import annotations

from typing import Any, ClassVar

from fastapi import APIRouter
from pydantic import BaseModel, Field

from gateway.api.dependencies import Asking, Given
from gateway.errors import GatewayError
from gateway.identity import Subject
from gateway.problems import Denied
from gateway.web import sessions
from policies.decisions import Decision

router = APIRouter(tags=["sessions"])

OPERATOR = "operator"


class SessionNotFound(GatewayError):
    """There is no such open session that you may end."""

    code: ClassVar[str] = "session_not_found"


class Whose(BaseModel):
    """Whose logins are to end; named, also when they are the caller's own, so that nothing ends by mistake."""

    subject: str = Field(min_length=1, max_length=120)


@router.get("/sessions")
def every(given: Given, asking: Asking) -> dict[str, Any]:
    """The caller's open browser sessions; for an operator everybody's."""
    with given.pool.connection() as connection:
        return {"items": sessions.listed(connection, given.clock(), None if _anybodys(asking) else asking.id), "next": None}


@router.delete("/sessions/{name}")
def end(name: str, given: Given, asking: Asking) -> dict[str, Any]:
    """The session has ended: its cookie opens nothing any more. Its person and operators may do this."""
    with given.pool.connection() as connection:
        if not sessions.end_named(connection, name, given.clock(), by=asking, anybodys=_anybodys(asking)):
            raise SessionNotFound("There is no such open session of yours; `sallyport sessions list` shows those that are.")
    return {"id": name, "state": "ended"}


@router.post("/sessions/end-all")
def end_all(body: Whose, given: Given, asking: Asking) -> dict[str, Any]:
    """No session of theirs is open and no token they have counts any more; they can log in anew, if their issuer lets them."""
    subject, now = body.subject, given.clock()
    with given.pool.connection() as connection:
        if subject != asking.id and not _anybodys(asking):
            sessions.record(
                connection, "session:ending-refused", asking.actor(), subject, now, detail={"why": "role_not_permitted"},
                holder=subject, outcome="refused",
            )  # fmt: skip
            connection.commit()
            raise Denied(Decision(False, ("role_not_permitted",), "", given.policy.digest), "end another's logins")
        return {"subject": subject, "sessions": sessions.end_all(connection, subject, now, by=asking)}


def _anybodys(asking: Subject) -> bool:
    return asking.kind == "person" and OPERATOR in asking.roles
