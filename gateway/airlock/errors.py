"""What can go wrong at the airlock."""

from __future__ import annotations

from typing import ClassVar

from gateway.errors import GatewayError


class EgressNotFound(GatewayError):
    """There is no such egress request."""

    code: ClassVar[str] = "egress_not_found"


class WrongState(GatewayError):
    """The request is not in a state from which this step is possible."""

    code: ClassVar[str] = "wrong_state"


class VoteRefused(GatewayError):
    """The vote cannot be taken as it is."""

    code: ClassVar[str] = "vote_refused"


class InvalidUpload(GatewayError):
    """What was sent are not files that can be asked out."""

    code: ClassVar[str] = "invalid_upload"


class DisclosureFound(GatewayError):
    """Beside what left in the meantime the tables would tell of single people; the request was returned."""

    code: ClassVar[str] = "disclosure_found"
