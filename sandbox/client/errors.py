"""What can go wrong in a notebook: each error says what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sandbox.errors import SandboxError

# What to do next, by reason of policy or problem code of the gateway.
NEXT_STEPS = {
    "not_authenticated": "Log in again: sallyport login USER.",
    "no_grant": "Ask for access: sp.request_access(dataset, columns=[...], purpose=..., why=...).",
    "grant_expired": "The grant has ended; ask again with sp.request_access(...).",
    "approvals_missing": "Wait for the approvals: sp.requests() shows who has approved.",
    "not_in_project": "Ask your data steward to make you a member of the project.",
    "training_expired": "Renew your training; then log in again.",
    "mfa_required": "Log in with a second factor.",
    "purpose_not_permitted": "Use one of the purposes of the dataset's contract.",
    "snapshot_not_found": "sp.snapshots() shows those that are.",
    "dataset_not_found": "sp.snapshots() shows the datasets you have snapshots of.",
}


class ClientError(SandboxError):
    """The call could not be made."""

    code: ClassVar[str] = "client_error"

    def __init__(self, sentence: str, next_step: str | None = None) -> None:
        super().__init__(f"{sentence}\n  What to do: {next_step}" if next_step else sentence)
        self.next_step = next_step


class NotConnected(ClientError):
    """There is no gateway, or no login."""

    code: ClassVar[str] = "not_connected"


class NotFound(ClientError):
    """There is no such snapshot or table."""

    code: ClassVar[str] = "not_found"


class NotHere(ClientError):
    """This works outside of the sandbox only, or inside only."""

    code: ClassVar[str] = "not_here"


class Refused(ClientError):
    """The gateway refused; `reasons` are the codes of policy."""

    code: ClassVar[str] = "refused"

    def __init__(self, problem: Mapping[str, Any], status: int) -> None:
        self.problem, self.status = dict(problem), status
        self.problem_code = str(problem.get("code", f"http_{status}"))
        self.reasons = tuple(map(str, problem.get("reasons", ())))
        steps = [NEXT_STEPS[code] for code in (*self.reasons, self.problem_code) if code in NEXT_STEPS]
        super().__init__(
            str(problem.get("detail") or problem.get("title") or "The gateway refused."), steps[0] if steps else None
        )
