"""What a page offers to whom, by role. It is a courtesy: what is allowed, policy says when it is tried."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gateway.access.service import APPROVING_ROLES
from gateway.identity import Subject


def offers(asking: Subject, data: Mapping[str, Any]) -> frozenset[str]:
    """The names of what the holder of these roles has a use for; `data` is the policies' own."""
    roles, steps = data.get("roles", {}), data.get("steps", {})
    by_role = {
        "audit": _names(roles.get("export_audit")),
        "ask": _names(roles.get("read_live")),
        "build": _names(roles.get("build_snapshot")),
        "review": _names(roles.get("check_output")),
        "decide": set(APPROVING_ROLES),
        "sign": {role for tier in data.get("tiers", {}).values() for role in tier.get("approvals", ())},
        "reject": _names(steps.get("reject")),
        "deploy": _names(steps.get("deploy")),
        "submit": _names(steps.get("submit")),
    }
    return frozenset(name for name, wanted in by_role.items() if wanted & set(asking.roles))


def signing_roles(asking: Subject, data: Mapping[str, Any], tier: str) -> tuple[str, ...]:
    """The roles of `asking` in which the tier wants a signature."""
    wanted: Iterable[str] = data.get("tiers", {}).get(tier, {}).get("approvals", ())
    return tuple(role for role in wanted if role in asking.roles)


def _names(value: Any) -> set[str]:
    return {value} if isinstance(value, str) else set(value or ())
