"""POLICY.md once more, in plain Python and from the text alone: what the Rego is compared with. No code is shared with it.

Readings of what the text leaves open are those of docs/decisions/0002-policy-readings.md.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

DAY = 86_400
TREATMENT = {"direct": "pseudonym", "quasi": "generalise", "sensitive": "clear", "insensitive": "clear"}
KINDS = {
    "read": "dataset", "build": "snapshot", "erase": "dataset", "distribute": "policies",
    "promote": "model", "release": "egress", "admit": "ingress", "export": "audit",
    "submit": "model", "waive": "model", "close": "model", "reject": "model", "deploy": "model", "withdraw": "model",
}  # fmt: skip
CHECKS = {"low": {"artifact", "lineage", "data-quality", "performance"}}
CHECKS["medium"] = CHECKS["low"] | {"leakage", "fairness"}
CHECKS["high"] = CHECKS["medium"] | {"membership-inference", "explanation"}
APPROVERS = {
    "low": ["model-validator"],
    "medium": ["model-validator", "data-steward"],
    "high": ["model-validator", "data-steward", "compliance-officer"],
}
# Not in POLICY.md: who may take which step on a model's way, in the order in which a role is signed with.
OFFICERS = ["model-validator", "compliance-officer"]
STEPS = {
    "submit": ["data-scientist"], "waive": OFFICERS, "close": OFFICERS, "deploy": ["model-validator", "operator"],
    "reject": ["model-validator", "data-steward", "compliance-officer"],
    "withdraw": ["model-validator", "data-steward", "compliance-officer"],
}  # fmt: skip
AUTHORED = ("promote", "release", "admit", "waive", "close", "deploy")

TEXT, TIME, FLAG, TEXTS = "text", "time", "flag", "texts"
ROW = {"at": TIME, "open": FLAG}
CHECK = ROW | {"name": TEXT, "outcome": TEXT, "digest": TEXT}
FINDING = ROW | {"id": TEXT, "severity": TEXT}
APPROVAL = ROW | {"by": TEXT, "role": TEXT}
GRANT = {
    "id": TEXT, "subject": TEXT, "dataset": TEXT, "purpose": TEXT, "columns": TEXTS, "not_before": TIME, "expires": TIME,
    "revoked": FLAG, "approvals": [APPROVAL],
}  # fmt: skip
PROMOTION = {"model": TEXT, "digest": TEXT, "state": TEXT, "service": TEXT, "dataset": TEXT, "columns": TEXTS}
SHAPE = {
    "action": TEXT,
    "subject": {"id": TEXT, "type": TEXT, "roles": TEXTS, "projects": TEXTS, "training_until": TIME, "mfa": FLAG},
    "resource": {
        "type": TEXT, "id": TEXT, "project": TEXT, "zone": TEXT, "columns": TEXTS, "unclassified": TEXTS, "digest": TEXT,
        "tier": TEXT, "author": TEXT, "check": TEXT, "checks": [CHECK], "findings": [FINDING],
        "approvals": [APPROVAL | {"digest": TEXT, "meaning": TEXT}],
    },
    "context": {
        "now": TIME, "purpose": TEXT, "grant": GRANT, "break_glass": {"justification": TEXT, "incident": TEXT},
        "promotion": PROMOTION,
    },
}  # fmt: skip


def decide(question: Any, datasets: Any) -> dict[str, Any]:
    """allow, reasons and obligations as POLICY.md gives them."""
    answer = judge(question, datasets)
    if isinstance(answer, dict):
        return {"allow": True, "reasons": [], "obligations": answer}
    return {"allow": False, "reasons": sorted(set(answer)), "obligations": {}}


def judge(q: Any, datasets: Any) -> list[str] | dict[str, Any]:
    """Obligations, or the reasons against."""
    if not fits(q, SHAPE):
        return ["invalid_input"]
    action, s, r, c = q.get("action"), q.get("subject", {}), q.get("resource", {}), q.get("context", {})
    if action not in KINDS:
        return ["unknown_action"]
    if action == "read" and r.get("zone") not in ("sandbox", "live"):
        return ["unknown_zone"]
    if action == "promote" and r.get("tier") not in CHECKS:
        return ["unknown_tier"]
    if not s.get("id") or s.get("type") not in ("person", "service") or r.get("type") != KINDS[action]:
        return ["invalid_input"]
    if (action in ("read", "promote") and "now" not in c) or (action in AUTHORED and not r.get("author")):
        return ["invalid_input"]
    if action == "read":
        return read(s, r, c, datasets if isinstance(datasets, dict) else {})
    if action == "promote":
        return promote(r, c) or {}
    if action in ("release", "admit"):  # admit: not in POLICY.md; files that come in, judged as those that leave
        return release(r) or {}
    if action == "distribute":
        return distribute(s) or {}
    if action == "erase":
        return erase(s, r) or {}
    if action in STEPS:
        return step(action, s, r)
    if action == "export":
        return {} if "compliance-officer" in s.get("roles", []) else ["role_not_permitted"]
    return build(s, r)


def fits(value: Any, shape: Any) -> bool:
    """Each known field that is present has its type."""
    if shape == TEXT:
        return isinstance(value, str)
    if shape == FLAG:
        return isinstance(value, bool)
    if shape == TIME:
        return is_time(value)
    if shape == TEXTS:
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if isinstance(shape, list):
        return isinstance(value, list) and all(fits(item, shape[0]) for item in value)
    return isinstance(value, dict) and all(fits(value[name], kind) for name, kind in shape.items() if name in value)


def is_time(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 2**53 and value == int(value)


def read(s: Any, r: Any, c: Any, datasets: Any) -> list[str] | dict[str, Any]:
    asked = r.get("columns", [])
    if r["zone"] == "sandbox":
        reasons = person(s, r, c, {"data-scientist", "model-validator", "data-steward"}, mfa=False, member=True)
        if s["type"] != "person":
            reasons.append("role_not_permitted")
        return reasons or terms(dict.fromkeys(asked, "clear"), None, 28_800, log=False)
    dataset = found(datasets, r.get("id"))
    purpose = c.get("purpose") or None
    if s["type"] == "service":
        reasons = about_dataset(dataset, asked) + about_promotion(s, r, c.get("promotion"), asked)
        return reasons or terms(dict.fromkeys(asked, "clear"), None, 3_600)
    if "break_glass" in c:
        return break_glass(s, r, c, dataset, purpose)
    reasons = person(s, r, c, {"data-scientist", "data-steward"}, mfa=True, member=True)
    reasons += about_dataset(dataset, asked)
    if dataset and not purpose:
        reasons.append("purpose_missing")
    if dataset and purpose and purpose not in dataset["purposes"]:
        reasons.append("purpose_not_permitted")
    reasons += about_grant(s, r, c, dataset, purpose)
    if reasons or dataset is None:
        return reasons
    treated = {name: TREATMENT[dataset["columns"][name]] for name in asked}
    if purpose == "re-identification":
        treated = {name: "clear" if dataset["columns"][name] == "direct" else how for name, how in treated.items()}
    ttl = min(dataset["max_ttl"], c["grant"]["expires"] - c["now"], 14_400)
    return terms(treated, dataset.get("row_filters", {}).get(purpose), ttl)


def terms(columns: dict[str, str], row_filter: Any, ttl: int, *, log: bool = True, review: int | None = None) -> dict[str, Any]:
    return {
        "columns": columns, "row_filter": row_filter, "ttl_seconds": ttl, "log_statements": log, "review_within_seconds": review
    }  # fmt: skip


def found(datasets: Any, name: Any) -> Any:
    """The dataset, if its contract says what a decision needs."""
    dataset = datasets.get(name) if name is not None else None
    if not isinstance(dataset, dict):
        return None
    filters = dataset.get("row_filters", {})
    good = (
        fits(dataset.get("purposes"), TEXTS)
        and is_time(dataset.get("max_ttl"))
        and dataset["max_ttl"] > 0
        and isinstance(dataset.get("columns"), dict)
        and isinstance(filters, dict)
        and all(isinstance(item, str) for item in filters.values())
    )
    return dataset if good else None


def person(s: Any, r: Any, c: Any, roles: set[str], *, mfa: bool, member: bool) -> list[str]:
    reasons = []
    if not roles & set(s.get("roles", [])):
        reasons.append("role_not_permitted")
    if "training_until" not in s or s["training_until"] <= c["now"]:
        reasons.append("training_expired")
    if mfa and s.get("mfa") is not True:
        reasons.append("mfa_required")
    if member and ("project" not in r or r["project"] not in s.get("projects", [])):
        reasons.append("not_in_project")
    return reasons


def about_dataset(dataset: Any, asked: list[str]) -> list[str]:
    if dataset is None:
        return ["unknown_dataset"]
    if not asked:
        return ["no_columns"]
    known = {name for name, kind in dataset["columns"].items() if isinstance(kind, str) and kind in TREATMENT}
    return [] if set(asked) <= known else ["unknown_column"]


def about_grant(s: Any, r: Any, c: Any, dataset: Any, purpose: str | None) -> list[str]:
    if "grant" not in c:
        return ["no_grant"]
    grant, now, asked = c["grant"], c["now"], r.get("columns", [])
    reasons = []
    compared = {"subject": s["id"], "dataset": r.get("id"), "purpose": purpose}
    if any(value is not None and grant.get(name) != value for name, value in compared.items()):
        reasons.append("grant_mismatch")
    if not set(asked) <= set(grant.get("columns", [])):
        reasons.append("column_not_granted")
    if "not_before" not in grant or now < grant["not_before"]:
        reasons.append("grant_not_yet_valid")
    if "expires" not in grant or now >= grant["expires"]:
        reasons.append("grant_expired")
    if grant.get("revoked") is not False:
        reasons.append("grant_revoked")
    approvals = grant.get("approvals", [])
    if any(approval.get("by") == s["id"] for approval in approvals):
        reasons.append("self_approval")
    others = [approval for approval in approvals if approval.get("by") and approval["by"] != s["id"]]
    classes = [dataset["columns"].get(name) for name in asked] if dataset else []
    needed = 2 if "direct" in classes or "sensitive" in classes else 1
    if len({approval["by"] for approval in others if approval.get("role") == "data-steward"}) < needed:
        reasons.append("approvals_missing")
    if purpose == "re-identification" and not any(approval.get("role") == "privacy-officer" for approval in others):
        reasons.append("privacy_officer_missing")
    return reasons


def about_promotion(s: Any, r: Any, promotion: Any, asked: list[str]) -> list[str]:
    if promotion is None:
        return ["no_promotion"]
    reasons = []
    if promotion.get("state") != "deployed":
        reasons.append("not_deployed")
    if promotion.get("service") != s["id"] or ("id" in r and promotion.get("dataset") != r["id"]):
        reasons.append("promotion_mismatch")
    if not set(asked) <= set(promotion.get("columns", [])):
        reasons.append("column_not_granted")
    return reasons


def break_glass(s: Any, r: Any, c: Any, dataset: Any, purpose: str | None) -> list[str] | dict[str, Any]:
    asked, told = r.get("columns", []), c["break_glass"]
    reasons = person(s, r, c, {"on-call"}, mfa=True, member=False) + about_dataset(dataset, asked)
    if dataset and purpose != "incident-response":
        reasons.append("purpose_not_permitted" if purpose else "purpose_missing")
    if not told.get("justification", "").strip(" ") or not told.get("incident", "").strip(" "):
        reasons.append("justification_missing")
    if reasons or dataset is None:
        return reasons
    treated = {name: TREATMENT[dataset["columns"][name]] for name in asked}
    row_filter = dataset.get("row_filters", {}).get(purpose)
    return terms(treated, row_filter, min(dataset["max_ttl"], 900), review=DAY)


def build(s: Any, r: Any) -> list[str] | dict[str, Any]:
    reasons = []
    if "data-steward" not in s.get("roles", []) and (s["type"], s["id"]) != ("service", "snapshot-builder"):
        reasons.append("role_not_permitted")
    if r.get("unclassified") != []:
        reasons.append("unclassified_column")
    return reasons or {"min_k": 11, "min_l": 2, "max_prosecutor_risk": 0.09}


def distribute(s: Any) -> list[str]:
    """Not in POLICY.md: whoever may read evidence, and the service that decides by the policies."""
    permitted = "compliance-officer" in s.get("roles", []) or (s["type"], s["id"]) == ("service", "opa")
    return [] if permitted else ["role_not_permitted"]


def erase(s: Any, r: Any) -> list[str]:
    """Not in POLICY.md: a person who is a steward of the project, with a second factor."""
    reasons = []
    if s["type"] != "person" or "data-steward" not in s.get("roles", []):
        reasons.append("role_not_permitted")
    if s.get("mfa") is not True:
        reasons.append("mfa_required")
    if r.get("project") is None or r["project"] not in s.get("projects", []):
        reasons.append("not_in_project")
    return reasons


def step(action: str, s: Any, r: Any) -> list[str] | dict[str, Any]:
    """Not in POLICY.md: by role, a person of the project, nobody on their own model, and of checks only two can be waived."""
    reasons = []
    held = [role for role in STEPS[action] if role in s.get("roles", [])]
    if not held or (s["type"] != "person" and action != "submit"):
        reasons.append("role_not_permitted")
    if r.get("project") is None or r["project"] not in s.get("projects", []):
        reasons.append("not_in_project")
    if action in AUTHORED and r["author"] == s["id"]:
        reasons.append("self_approval")
    if action == "waive" and r.get("check") not in ("fairness", "explanation"):
        reasons.append("check_not_waivable")
    return reasons or {"roles": held}


def promote(r: Any, c: Any) -> list[str]:
    digest, reasons = r.get("digest") or None, []
    checks, approvals = r.get("checks", []), r.get("approvals", [])
    for name in CHECKS[r["tier"]]:
        outcomes = [check.get("outcome") for check in checks if check.get("name") == name]
        good = {"passed", "waived"} if name in ("fairness", "explanation") else {"passed"}
        if not outcomes:
            reasons.append("check_missing")
        elif not set(outcomes) <= good:
            reasons.append("check_failed")
    if digest is None or any(item.get("digest") != digest for item in checks + approvals):
        reasons.append("digest_mismatch")
    harmless = ("info", "low", "medium")
    if "findings" not in r or any(f.get("open") is not False and f.get("severity") not in harmless for f in r["findings"]):
        reasons.append("open_findings")
    if any(approval.get("by") == r["author"] for approval in approvals):
        reasons.append("self_approval")
    counting = [
        (approval["by"], approval.get("role"))
        for approval in approvals
        if approval.get("by") and approval["by"] != r["author"] and digest and approval.get("digest") == digest
        and "at" in approval and 0 <= c["now"] - approval["at"] <= 30 * DAY
    ]  # fmt: skip
    needed, people = APPROVERS[r["tier"]], sorted({by for by, _ in counting})
    if not any(all(pair in counting for pair in zip(some, needed, strict=True)) for some in permutations(people, len(needed))):
        reasons.append("approvals_missing")
    return reasons


def release(r: Any) -> list[str]:
    digest, votes, reasons = r.get("digest") or None, r.get("approvals", []), []
    counting = {
        vote["by"]
        for vote in votes
        if vote.get("by") and vote["by"] != r["author"] and digest and vote.get("digest") == digest
        and vote.get("role") == "output-checker"
    }  # fmt: skip
    if len(counting) < 2:
        reasons.append("approvals_missing")
    if any(vote.get("by") == r["author"] for vote in votes):
        reasons.append("self_approval")
    if digest is None or any(vote.get("digest") != digest for vote in votes):
        reasons.append("digest_mismatch")
    if "findings" not in r or any(finding.get("open") is not False for finding in r["findings"]):
        reasons.append("open_findings")
    return reasons
