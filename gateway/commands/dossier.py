"""A promotion's dossier for people: what was checked, found, waived and signed, and what comes next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from gateway.console import say, table

NEXT = {
    "submitted": "its checks have not begun",
    "checking": "its checks run",
    "refused": "it is over: submit a better model",
    "awaiting-approval": "sign it with `sallyport promote approve`",
    "approved": "deploy it with `sallyport promote deploy`",
    "rejected": "it is over: submit a better model",
    "deployed": "it is in production",
    "superseded": "`sallyport promote rollback` brings it back",
}


def dossier(found: dict[str, Any]) -> None:
    """A person reading standard error has seen what there is to know of the promotion before signing."""
    say(f"{found['project']}/{found['name']} version {found['version']}, tier {found['tier']}, by {found['author']}")
    say(f"  bytes {found['digest']}")
    say(f"  state {found['state']}: {NEXT.get(found['state'], '')}")
    checks = [(one["name"], one["outcome"], f"{one['seconds']:.1f}", one["summary"]) for one in found["checks"]]
    table("Checks", ("check", "outcome", "seconds", "what was measured"), checks)
    findings = [
        (one["id"], one["severity"], _state(one), one["owner"], one["due"] or "", one["detail"]) for one in found["findings"]
    ]
    table("Findings", ("finding", "severity", "is", "owner", "due", "what was found"), findings)
    if found["waivers"]:
        waivers = [(one["check"], one["by"], one["role"], _day(one["until"] - 1), one["why"]) for one in found["waivers"]]
        table("Waivers", ("check", "by", "role", "until", "why"), waivers)
    approvals = [(one["by"], one["role"], _day(one["at"]), one["meaning"]) for one in found["approvals"]]
    table("Approvals", ("by", "role", "on", "meaning"), approvals)
    if found.get("drift"):
        drifts = [(one["of"], one["window"], str(one["rows"]), f"{one['psi']:.3f}") for one in found["drift"]]
        table("Drift from the training rows", ("of", "window", "rows", "PSI"), drifts)
    needed = [one["name"] for one in found["checks"] if one["outcome"] == "failed"]
    if needed and found["state"] == "awaiting-approval":
        say(f"  failed, and may be waived with `sallyport promote waive`: {', '.join(needed)}")


def _state(finding: dict[str, Any]) -> str:
    if not finding["open"]:
        return "closed"
    return "overdue" if finding["due"] and finding["due"] < datetime.now(UTC).date().isoformat() else "open"


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
