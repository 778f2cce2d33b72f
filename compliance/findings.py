"""Findings: what somebody should look at, found by going through the entries in order, as often as one likes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

LEASE_GRACE = timedelta(minutes=5)  # the reconciler ends overdue leases every few seconds; after this it did not
REQUEST_AGE = timedelta(days=14)
ALERT_AGE = timedelta(days=7)
FINDING_AGE = timedelta(days=30)
ENDS = {
    "lease:opened": ("lease:revoked", "lease:expired", "lease:failed", "lease:orphan-removed"),
    "lease:opened-in-emergency": ("lease:revoked", "lease:expired", "lease:failed", "lease:orphan-removed"),
    "lease:opened-for-service": ("lease:revoked", "lease:expired", "lease:failed", "lease:orphan-removed"),
    "break-glass:review-due": ("break-glass:reviewed",),
    "access-request:created": ("grant:created", "access-request:rejected", "access-request:withdrawn"),
    "alert:raised": ("alert:over",),
    "access-review:asked": ("access-review:answered",),
    "promotion:waiver-needed": ("waiver:signed", "promotion:rejected", "promotion:refused", "promotion:approved"),
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
    """Goes through entries in order; `found` says what is to be looked at as of a moment.

    `whole` when it sees the ledger from its first entry on: only then can it tell that what something rests on is not there.
    """

    whole: bool = False
    _allowed: set[int] = field(default_factory=set)  # of decisions and approvals only hashes are kept: a year has many
    _approved: set[int] = field(default_factory=set)
    _unfounded: list[Finding] = field(default_factory=list)
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
        if self.whole:
            self._look_for_grounds(entry)

    @property
    def approvers(self) -> Collection[str]:
        """Everybody who approved something."""
        return self._approvers.keys()

    def _look_for_grounds(self, entry: Mapping[str, Any]) -> None:
        """A lease rests on an earlier decision that allowed it, a deployed model on an approval signed on its bytes."""
        event, refs, thing = entry["type"], entry["refs"], entry["object"]
        if event == "decision:made" and entry["outcome"] == "allow":
            self._allowed.add(hash(refs.get("decision_id")))
        elif event == "approval:signed":
            self._approved.add(hash((refs.get("promotion"), thing.get("digest"))))
        elif event in OPENED and not (refs.get("decision_id") and hash(refs["decision_id"]) in self._allowed):
            sentence = f"The lease {thing['id']} was opened, and no decision before it allowed that."
            self._unfounded.append(Finding("lease_without_decision", "high", sentence, entry["seq"]))
        elif event == "model:deployed" and hash((refs.get("promotion"), thing.get("digest"))) not in self._approved:
            sentence = f"The model {thing['id']} was put into production, and nobody had signed an approval of its bytes."
            self._unfounded.append(Finding("deployed_without_approval", "high", sentence, entry["seq"]))

    def _renew(self, entry: Mapping[str, Any]) -> None:
        """The lease lives as long as it was renewed for, from then on."""
        for begun in OPENED:
            key = (begun, _thing(entry, begun))
            if key in self._open:
                self._open[key] = (self._open[key][0], _moment(entry["recorded_at"]), entry["detail"])

    def found(self, now: datetime, *, present: Collection[str] | None = None) -> list[Finding]:
        """What is overdue at `now`; with `present`, who works here, also approvals by somebody who left. By entry."""
        findings = list(self._unfounded)
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
        case "promotion:waiver-needed" if age > FINDING_AGE:
            return Finding("finding_ageing", "medium", f"What a check found of {thing} is unanswered since {age.days} days.", seq)
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
        case "promotion:waiver-needed":
            return str(refs.get("promotion") or entry["object"]["id"])
        case _:
            return str(refs.get("alert") or entry["object"]["id"])
