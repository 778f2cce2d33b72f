"""The life cycle of what asks out of the sandbox or into it: what may follow what, and each step's event in the ledger."""

from __future__ import annotations

from enum import StrEnum


class Direction(StrEnum):
    """Which way a request's files go: egress, or ingress."""

    OUT = "out"
    IN = "in"


class State(StrEnum):
    """Where a request stands. One that is to come in is `released` into the sandbox."""

    SUBMITTED = "submitted"
    CHECKING = "checking"
    IN_REVIEW = "in-review"
    APPROVED = "approved"
    RETURNED = "returned"
    RELEASED = "released"
    WITHDRAWN = "withdrawn"


TRANSITIONS: dict[State, tuple[State, ...]] = {
    State.SUBMITTED: (State.CHECKING, State.WITHDRAWN),
    State.CHECKING: (State.CHECKING, State.IN_REVIEW, State.RETURNED, State.WITHDRAWN),  # again, when a worker was killed
    State.IN_REVIEW: (State.APPROVED, State.RETURNED, State.SUBMITTED, State.WITHDRAWN),  # submitted: a file was changed
    State.APPROVED: (State.RELEASED, State.RETURNED, State.SUBMITTED, State.WITHDRAWN),
    State.RETURNED: (State.SUBMITTED, State.WITHDRAWN),
    State.RELEASED: (),
    State.WITHDRAWN: (),
}

EVENTS: dict[State, str] = {
    State.SUBMITTED: "egress:submitted",
    State.CHECKING: "egress:checks-started",
    State.IN_REVIEW: "egress:checks-passed",
    State.APPROVED: "egress:approved",
    State.RETURNED: "egress:returned",
    State.RELEASED: "egress:released",
    State.WITHDRAWN: "egress:withdrawn",
}

# The same steps of files and packages that are to come in.
INCOMING_EVENTS: dict[str, str] = {
    "egress:submitted": "ingress:submitted",
    "egress:checks-started": "ingress:checks-started",
    "egress:checks-passed": "ingress:checks-passed",
    "egress:approved": "ingress:approved",
    "egress:returned": "ingress:returned",
    "egress:released": "ingress:admitted",
    "egress:withdrawn": "ingress:withdrawn",
    "egress:voted": "ingress:voted",
    "egress:file-changed": "ingress:file-changed",
    "egress:file-viewed": "ingress:file-viewed",
    "egress:file-taken": "ingress:file-taken",
}


def following(state: State, direction: Direction) -> tuple[State, ...]:
    """What may come after `state`. What came in can be taken out of use again; what left cannot be called back."""
    if direction is Direction.IN and state is State.RELEASED:
        return (State.WITHDRAWN,)
    return TRANSITIONS[state]
