"""The life cycle of a promotion: one table of what may follow what, and the event each step is in the ledger."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a promotion stands."""

    SUBMITTED = "submitted"
    CHECKING = "checking"
    REFUSED = "refused"
    AWAITING_APPROVAL = "awaiting-approval"
    APPROVED = "approved"
    REJECTED = "rejected"
    DEPLOYED = "deployed"
    SUPERSEDED = "superseded"


TRANSITIONS: dict[State, tuple[State, ...]] = {
    State.SUBMITTED: (State.CHECKING,),
    State.CHECKING: (State.CHECKING, State.REFUSED, State.AWAITING_APPROVAL),  # again, when a worker was killed
    State.AWAITING_APPROVAL: (State.APPROVED, State.REJECTED),
    State.APPROVED: (State.DEPLOYED, State.REJECTED),
    State.DEPLOYED: (State.SUPERSEDED,),
    State.SUPERSEDED: (State.DEPLOYED,),
    State.REFUSED: (),
    State.REJECTED: (),
}

EVENTS: dict[State, str] = {
    State.SUBMITTED: "promotion:submitted",
    State.CHECKING: "promotion:checks-started",
    State.REFUSED: "promotion:refused",
    State.AWAITING_APPROVAL: "promotion:checks-passed",
    State.APPROVED: "promotion:approved",
    State.REJECTED: "promotion:rejected",
    State.DEPLOYED: "model:deployed",
    State.SUPERSEDED: "model:superseded",
}
