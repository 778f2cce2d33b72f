"""The questions the boundary map is made of: everything met that can be met, and the same with one condition taken away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

NOW = 1_800_000_000
HOUR = 3_600
MOST_APPROVALS = 4
ANY_OTHER = "any other role"

# What can be taken away, by the way in. Each name is what the map calls the condition.
PERSON = ("valid training", "second factor", "member of the project")
CONDITIONS: dict[str, tuple[str, ...]] = {
    "sandbox": (*PERSON, "purpose"),
    "grant": (
        *PERSON, "purpose", "grant", "grant for this subject", "grant for this dataset", "grant for this purpose",
        "grant for this column", "grant has begun", "grant not expired", "grant not revoked", "a privacy officer's approval",
        "nobody approves their own request",
    ),
    "break-glass": (*PERSON, "purpose", "justification", "incident"),
    "promotion": (
        "purpose", "promotion", "promotion deployed", "promotion for this service", "promotion for this dataset",
        "promotion for this column",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Condition:
    """Something without which the answer is a denial, and the reasons it is then given."""

    name: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """A way in, who takes it, for what, to which columns; and what is taken away."""

    way: str
    role: str
    purpose: str
    dataset: str
    columns: tuple[str, ...]
    missing: str = ""
    approvals: int = MOST_APPROVALS

    @property
    def zone(self) -> str:
        return "sandbox" if self.way == "sandbox" else "live"

    def of(self, columns: tuple[str, ...]) -> Case:
        return replace(self, columns=columns)

    def without(self, condition: str) -> Case:
        return replace(self, missing=condition)

    def approved_by(self, count: int) -> Case:
        return replace(self, approvals=count)


def approval_counts(case: Case) -> Iterator[int]:
    """How many approvals are tried, ascending, each with one fewer."""
    return iter(range(1, MOST_APPROVALS + 1) if case.way == "grant" else ())


def roles_of(data: Mapping[str, Any]) -> list[str]:
    """Every role the policies' data names, sorted."""
    found: set[str] = set()
    for value in (*data.get("roles", {}).values(), *data.get("steps", {}).values()):
        found |= {value} if isinstance(value, str) else set(value)
    for tier in data.get("tiers", {}).values():
        found |= set(tier.get("approvals", ()))
    return sorted(found)


def question(case: Case, data: Mapping[str, Any]) -> dict[str, Any]:
    """The policy input for `case` (POLICY.md, Input)."""
    resource = {
        "type": "dataset", "id": case.dataset, "project": "project", "zone": case.zone, "columns": list(case.columns)
    }  # fmt: skip
    context: dict[str, Any] = {"now": NOW}
    if case.missing != "purpose":
        context["purpose"] = case.purpose
    if case.way == "grant" and case.missing != "grant":
        context["grant"] = _grant(case, data.get("roles", {}))
    if case.way == "break-glass":
        told = {"justification": "justified", "incident": "incident"}
        context["break_glass"] = {name: "" if name == case.missing else text for name, text in told.items()}
    if case.way == "promotion" and case.missing != "promotion":
        context["promotion"] = _promotion(case)
    return {"subject": _subject(case), "action": "read", "resource": resource, "context": context}


def _subject(case: Case) -> dict[str, Any]:
    if case.way == "promotion":
        return {"id": "subject", "type": "service"}
    return {
        "id": "subject", "type": "person", "roles": [case.role],
        "projects": [] if case.missing == "member of the project" else ["project"],
        "training_until": NOW if case.missing == "valid training" else NOW + HOUR,
        "mfa": case.missing != "second factor",
    }  # fmt: skip


def _grant(case: Case, roles: Mapping[str, Any]) -> dict[str, Any]:
    missing, steward, officer = case.missing, roles.get("approve_access", ""), roles.get("approve_re_identification", "")
    approvals = [{"by": f"approver {number}", "role": steward, "at": NOW} for number in range(case.approvals)]
    if missing != "a privacy officer's approval":
        approvals.append({"by": "officer", "role": officer, "at": NOW})
    if missing == "nobody approves their own request":
        approvals.append({"by": "subject", "role": steward, "at": NOW})
    return {
        "id": "grant",
        "subject": "another" if missing == "grant for this subject" else "subject",
        "dataset": "another" if missing == "grant for this dataset" else case.dataset,
        "purpose": "another" if missing == "grant for this purpose" else case.purpose,
        "columns": [] if missing == "grant for this column" else list(case.columns),
        "not_before": NOW + 1 if missing == "grant has begun" else NOW,
        "expires": NOW if missing == "grant not expired" else NOW + 24 * HOUR,
        "revoked": missing == "grant not revoked",
        "approvals": approvals,
    }


def _promotion(case: Case) -> dict[str, Any]:
    missing = case.missing
    return {
        "model": "model", "digest": "sha256:" + "0" * 64,
        "state": "approved" if missing == "promotion deployed" else "deployed",
        "service": "another" if missing == "promotion for this service" else "subject",
        "dataset": "another" if missing == "promotion for this dataset" else case.dataset,
        "columns": [] if missing == "promotion for this column" else list(case.columns),
    }  # fmt: skip
