"""The life cycle of an egress request: one table of what may follow what, and the event each step is in the ledger."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where a request stands."""

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
