"""Findings: what somebody should look at, found by going through the entries in order, as often as one likes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

LEASE_GRACE = timedelta(minutes=5)  # the reconciler ends overdue leases every few seconds; after this it did not
REQUEST_AGE = timedelta(days=14)
ALERT_AGE = timedelta(days=7)
ENDS = {
    "lease:opened": ("lease:revoked", "lease:expired", "lease:failed", "lease:orphan-removed"),
    "lease:opened-in-emergency": ("lease:revoked", "lease:expired", "lease:failed", "lease:orphan-removed"),
    "lease:opened-for-service": ("lease:revoked", "lease:expired", "lease:failed", "lease:orphan-removed"),
    "break-glass:review-due": ("break-glass:reviewed",),
    "access-request:created": ("grant:created", "access-request:rejected", "access-request:withdrawn"),
    "alert:raised": ("alert:over",),
    "access-review:asked": ("access-review:answered",),
}

OPENED = ("lease:opened", "lease:opened-in-emergency", "lease:opened-for-service")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to look at: a stable code, how much it matters, a sentence, and the entry it is about."""

    code: str
    severity: str
    sentence: str
    entry: int

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "severity": self.severity, "sentence": self.sentence, "entry": self.entry}


@dataclass(slots=True)
class Watch:
    """Goes through entries in order; `found` says what is to be looked at as of a moment."""

    _open: dict[tuple[str, str], tuple[int, datetime, Mapping[str, Any]]] = field(default_factory=dict)
    _approvers: dict[str, int] = field(default_factory=dict)

    def add(self, entry: Mapping[str, Any]) -> None:
        """What the entry begins is open, what it ends is not."""
        event = entry["type"]
        if event in ENDS:
            recorded = _moment(entry["recorded_at"])
            self._open[event, _thing(entry, event)] = (entry["seq"], recorded, entry["detail"])
        for begun, ends in ENDS.items():
            if event in ends:
                self._open.pop((begun, _thing(entry, begun)), None)
        if event == "lease:renewed":
            self._renew(entry)
        if event in ("approval:signed", "access-request:approved"):
            self._approvers.setdefault(entry["actor"]["id"], entry["seq"])

    def _renew(self, entry: Mapping[str, Any]) -> None:
        """The lease lives as long as it was renewed for, from then on."""
        for begun in OPENED:
            key = (begun, _thing(entry, begun))
            if key in self._open:
                self._open[key] = (self._open[key][0], _moment(entry["recorded_at"]), entry["detail"])

    def found(self, now: datetime, *, present: Collection[str] | None = None) -> list[Finding]:
        """What is overdue at `now`; with `present`, who works here, also approvals by somebody who left. By entry."""
        findings = []
        for (event, thing), (seq, since, detail) in self._open.items():
            finding = _overdue(event, thing, seq, now, since, detail)
            if finding:
                findings.append(finding)
        if present is not None:
            findings += [
                Finding("approver_left", "medium", f"{who} approved, and is no longer here: attest the approvals anew.", seq)
                for who, seq in self._approvers.items() if who not in present
            ]  # fmt: skip
        return sorted(findings, key=lambda finding: (finding.entry, finding.code))


def _overdue(event: str, thing: str, seq: int, now: datetime, since: datetime, detail: Mapping[str, Any]) -> Finding | None:
    age = now - since
    match event:
        case "lease:opened" | "lease:opened-in-emergency" | "lease:opened-for-service" if age > _life(detail) + LEASE_GRACE:
            return Finding("lease_not_ended", "high", f"The lease {thing} is past its end, and nothing says that it ended.", seq)
        case "break-glass:review-due" if now > _moment(str(detail.get("due"))):
            return Finding("break_glass_unreviewed", "high", f"The emergency access {thing} was not reviewed in time.", seq)
        case "access-request:created" if age > REQUEST_AGE:
            return Finding("request_ageing", "low", f"The request {thing} waits for an answer since {age.days} days.", seq)
        case "alert:raised" if age > ALERT_AGE:
            return Finding("alert_unread", "medium", f"The alert {thing} stands since {age.days} days.", seq)
        case "access-review:asked" if now > _moment(str(detail.get("due"))):
            return Finding("review_overdue", "high", f"The access review's question {thing} was not answered in time.", seq)
    return None


def _moment(text: str) -> datetime:
    """The time; the first there is for digits that are none, as somebody who changes entries may write them."""
    try:
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)


def _life(detail: Mapping[str, Any]) -> timedelta:
    seconds = detail.get("ttl_seconds")
    return timedelta(seconds=seconds) if type(seconds) is int and 0 <= seconds < 10**9 else timedelta(0)


def _thing(entry: Mapping[str, Any], begun: str) -> str:
    """What the entry is about, in the words in which its end refers to it."""
    refs = entry["refs"]
    match begun:
        case "break-glass:review-due":
            return str(refs.get("break_glass_id") or entry["object"]["id"])
        case "lease:opened" | "lease:opened-in-emergency" | "lease:opened-for-service":
            return str(refs.get("lease_id") or entry["object"]["id"])
        case "access-request:created":
            return str(refs.get("grant_id"))
        case _:
            return str(refs.get("alert") or entry["object"]["id"])
