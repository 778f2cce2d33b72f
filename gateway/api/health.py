"""Whether the gateway lives, and whether every part it needs answers."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from gateway.api.dependencies import Asking, Given

router = APIRouter(tags=["health"])


@router.get("/health/live")
def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "live"}


@router.get("/health/ready")
def ready(given: Given, response: Response) -> dict[str, Any]:
    """Every dependency answers; otherwise 503, and which one does not."""
    parts = given.health()
    well = all(state == "ok" for state in parts.values())
    response.status_code = 200 if well else 503
    return {"status": "ready" if well else "not ready", "parts": parts}


@router.get("/v1/whoami")
def whoami(asking: Asking) -> dict[str, Any]:
    """The subject as the token proves it."""
    return asking.policy_input()


@router.get("/v1/policy")
def policy(given: Given) -> dict[str, str]:
    """Which policies decide now."""
    return {"digest": given.policy.digest, "engine": given.settings_engine}
