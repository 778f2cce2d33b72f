"""What can go wrong with policies."""

from __future__ import annotations

from typing import ClassVar


class PoliciesError(Exception):
    """Policies could not be loaded or asked."""

    code: ClassVar[str] = "policies_error"


class InvalidPolicies(PoliciesError):
    """The policy files cannot be loaded."""

    code: ClassVar[str] = "invalid_policies"


class UnlistedBuiltin(InvalidPolicies):
    """A policy calls a built-in that is not on the declared list."""

    code: ClassVar[str] = "unlisted_builtin"


class EngineFailed(PoliciesError):
    """The policy engine gave no answer."""

    code: ClassVar[str] = "engine_unavailable"
