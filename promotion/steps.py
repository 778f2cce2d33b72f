"""What policy is asked about a step that one person takes on a model's way: waive, close, reject, deploy, withdraw, submit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from policies.decisions import Decision
from promotion.requests import Promotion

Decide = Callable[[Mapping[str, Any]], Decision]


def question(
    promotion: Promotion, action: str, subject: Mapping[str, Any], now: datetime, *, check: str | None = None
) -> dict[str, Any]:
    """May `subject` take that step with these bytes, for a waiver with that check (policies/rego/sallyport/steps.rego)."""
    return {
        "subject": dict(subject),
        "action": action,
        "resource": resource(promotion) | ({} if check is None else {"check": check}),
        "context": {"now": int(now.timestamp())},
    }


def resource(promotion: Promotion) -> dict[str, Any]:
    """The promotion as policy knows a model."""
    return {
        "type": "model", "id": f"{promotion.project}/{promotion.name}", "project": promotion.project,
        "digest": promotion.digest, "tier": promotion.tier, "author": promotion.author,
    }  # fmt: skip
