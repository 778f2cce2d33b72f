"""Questions to policy: one good one for each way through, and thousands that are almost as good."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

NOW = 1_795_500_000
DAY = 86_400
DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
COLUMNS = {"p.ssn": "direct", "p.birth": "quasi", "p.hiv": "sensitive", "p.site": "insensitive", 'p."é\x00😀\\': "quasi"}
DATASETS: dict[str, Any] = {
    "clinic": {
        "purposes": ["model-debugging", "re-identification"], "max_ttl": 7200,
        "row_filters": {"model-debugging": "consent"}, "columns": COLUMNS,
    },
    "bank": {"purposes": ["model-debugging"], "max_ttl": 100_000, "columns": {"a.b": "quasi", "p.birth": "insensitive"}},
}  # fmt: skip


def person(*roles: str, **changed: Any) -> dict[str, Any]:
    known = {"id": "dana", "type": "person", "roles": list(roles), "projects": ["readmission"]}
    return known | {"training_until": NOW + DAY, "mfa": True} | changed


def question(action: str, subject: Any, resource: Any, **context: Any) -> dict[str, Any]:
    return {"subject": subject, "action": action, "resource": resource, "context": {"now": NOW, **context}}


def dataset(zone: str, *columns: str) -> dict[str, Any]:
    return {"type": "dataset", "id": "clinic", "project": "readmission", "zone": zone, "columns": list(columns)}


def steward(by: str, role: str = "data-steward", **more: Any) -> dict[str, Any]:
    return {"by": by, "role": role, "at": NOW - 1000, **more}


def grant(*columns: str, purpose: str = "model-debugging", approvals: tuple[Any, ...] = ()) -> dict[str, Any]:
    return {
        "id": "g1", "subject": "dana", "dataset": "clinic", "purpose": purpose, "columns": list(columns),
        "not_before": NOW - 100, "expires": NOW + 10_000, "revoked": False, "approvals": list(approvals),
    }  # fmt: skip


def live(*columns: str, purpose: str = "model-debugging", approvals: tuple[Any, ...] | None = None) -> dict[str, Any]:
    columns = columns or ("p.birth", "p.ssn")
    approvals = (steward("sam"), steward("sue")) if approvals is None else approvals
    given = grant(*columns, purpose=purpose, approvals=approvals)
    return question("read", person("data-scientist"), dataset("live", *columns), purpose=purpose, grant=given)


def sandbox() -> dict[str, Any]:
    return question("read", person("model-validator"), dataset("sandbox", "p.birth"))


def re_identification() -> dict[str, Any]:
    approvals = (steward("sam"), steward("sue"), steward("pia", "privacy-officer"))
    return live("p.ssn", "p.birth", purpose="re-identification", approvals=approvals)


def break_glass() -> dict[str, Any]:
    told = {"justification": "pages are down", "incident": "INC-1"}
    resource = dataset("live", "p.birth", "p.ssn")
    return question("read", person("on-call", projects=[]), resource, purpose="incident-response", break_glass=told)


def service() -> dict[str, Any]:
    promotion = {
        "model": "readmission", "digest": DIGEST, "state": "deployed", "service": "scorer", "dataset": "clinic",
        "columns": ["p.birth", "p.hiv"],
    }  # fmt: skip
    return question("read", {"id": "scorer", "type": "service"}, dataset("live", "p.birth"), promotion=promotion)


def build() -> dict[str, Any]:
    return question("build", person("data-steward"), {"type": "snapshot", "id": "clinic", "unclassified": []})


CHECKS = ("artifact", "lineage", "data-quality", "performance", "leakage", "fairness", "membership-inference", "explanation")


def approval(by: str, role: str, **more: Any) -> dict[str, Any]:
    return {"by": by, "role": role, "digest": DIGEST, "at": NOW - DAY, "meaning": "approved", **more}


def promote(tier: str = "high") -> dict[str, Any]:
    resource = {
        "type": "model", "id": "readmission", "digest": DIGEST, "tier": tier, "author": "dana",
        "checks": [{"name": name, "outcome": "passed", "digest": DIGEST} for name in CHECKS],
        "findings": [{"id": "f1", "severity": "high", "open": False}, {"id": "f2", "severity": "low", "open": True}],
        "approvals": [
            approval("vera", "model-validator"), approval("sam", "data-steward"), approval("carl", "compliance-officer")
        ],
    }  # fmt: skip
    return question("promote", person("model-validator", id="vera"), resource)


def release() -> dict[str, Any]:
    resource = {
        "type": "egress", "id": "e1", "digest": DIGEST, "author": "dana",
        "findings": [{"id": "f", "severity": "low", "open": False}],
        "approvals": [approval("olga", "output-checker"), approval("otto", "output-checker")],
    }  # fmt: skip
    return question("release", person("output-checker", id="olga"), resource)


def admit() -> dict[str, Any]:
    asked = release()
    return asked | {"action": "admit", "resource": asked["resource"] | {"type": "ingress"}}


def export() -> dict[str, Any]:
    return question("export", person("compliance-officer"), {"type": "audit", "id": "ledger"})


def erase() -> dict[str, Any]:
    return question("erase", person("data-steward"), {"type": "dataset", "id": "clinic", "project": "readmission"})


def distribute() -> dict[str, Any]:
    return question("distribute", {"id": "opa", "type": "service"}, {"type": "policies", "id": "bundle"})


def step(action: str, role: str, **more: Any) -> dict[str, Any]:
    resource = {"type": "model", "id": "readmission/ranks", "project": "readmission", "author": "dana", **more}
    return question(action, person(role, id="vera"), resource)


def waive() -> dict[str, Any]:
    return step("waive", "model-validator", check="fairness")


def close() -> dict[str, Any]:
    return step("close", "compliance-officer")


def deploy() -> dict[str, Any]:
    return step("deploy", "operator")


def reject() -> dict[str, Any]:
    return step("reject", "data-steward")


def withdraw() -> dict[str, Any]:
    return step("withdraw", "model-validator")


def submit() -> dict[str, Any]:
    return step("submit", "data-scientist")


GOOD = {
    "sandbox": sandbox, "live": live, "re_identification": re_identification, "break_glass": break_glass, "service": service,
    "build": build, "promote": promote, "release": release, "admit": admit, "export": export, "erase": erase,
    "distribute": distribute, "waive": waive, "close": close, "deploy": deploy, "reject": reject, "withdraw": withdraw,
    "submit": submit,
}  # fmt: skip

WORDS = (
    "dana", "sam", "sue", "vera", "carl", "scorer", "snapshot-builder", "person", "service", "read", "build", "promote",
    "release", "admit", "export", "erase", "distribute", "opa", "waive", "close", "deploy", "reject", "withdraw", "submit",
    "live", "sandbox", "clinic", "bank",
    "readmission", "data-scientist", "data-steward", "model-validator",
    "on-call",
    "privacy-officer", "compliance-officer", "operator", "output-checker", "model-debugging", "re-identification",
    "incident-response", "deployed", "approved", "low", "medium", "high", "critical", "info", "passed", "failed", "waived",
    "skipped",
    "fairness", "explanation", "artifact", "leakage", "", " ", "~", "~61", "é", '"', "\\", "\n", "a\x00", "dana\x00",
    DIGEST, OTHER,
    *COLUMNS,
)  # fmt: skip
NUMBERS = (
    0, 1, -1, NOW, NOW - 1, NOW + 1, NOW - 30 * DAY, NOW - 30 * DAY - 1, NOW + 10_000, 2**53,
    2**53 - 1, -(2**53), 2**63, 2**64 + NOW, 10**30,
    0.5, float(NOW), NOW + 0.5, 1e300, 1e-300, -0.0,
)  # fmt: skip
words = st.sampled_from(WORDS)
numbers = st.sampled_from([n for n in NUMBERS if isinstance(n, int) and abs(n) < 2**53]) | st.sampled_from(NUMBERS)
anything = st.one_of(
    words, numbers, st.booleans(), st.none(), st.lists(words, max_size=3), st.just({}), st.just([]),
    st.lists(numbers, max_size=2),
    st.text(max_size=4).map(lambda text: text.encode("utf-8", "ignore").decode()),
    st.lists(st.dictionaries(words, words, max_size=2), max_size=2),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a question, outermost first."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def same_type(value: Any) -> st.SearchStrategy[Any]:
    """Another value of the same type, often one that means something somewhere."""
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, str):
        return words
    if isinstance(value, (int, float)):
        return numbers
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return st.lists(st.sampled_from(value) if value else words, max_size=4) | st.lists(words, max_size=4)
    return anything


@st.composite
def questions(draw: st.DrawFn) -> Any:
    """A good question, changed in up to four places: left out, doubled, or given another value of the same or any type."""
    asked = copy.deepcopy(GOOD[draw(st.sampled_from(sorted(GOOD)))]())
    if draw(st.integers(0, 9)) == 0:
        asked["context"] |= GOOD[draw(st.sampled_from(["live", "break_glass", "service"]))]()["context"]
    if asked["action"] == "promote":
        asked["resource"]["tier"] = draw(st.sampled_from(["low", "medium", "high"]))
    for _ in range(draw(st.integers(0, 4))):
        asked = changed(draw, asked)
    return asked


def changed(draw: st.DrawFn, asked: Any) -> Any:
    # Half the time deep inside, where the rules look: of all places most are near the surface, and spoil the whole question.
    every = places(asked)[1:] or [(None,)]
    *inner, last = draw(st.sampled_from([place for place in every if len(place) > 2] or every) | st.sampled_from(every))
    if last is None:
        return draw(anything)
    holder = asked
    for key in inner:
        holder = holder[key]
    how = draw(st.sampled_from(["out", "out", *["like"] * 6, "double", "any"]))
    if how == "out":
        del holder[last]
    elif how == "double" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[last]))
    elif how == "any":
        holder[last] = draw(anything)
    else:
        holder[last] = draw(same_type(holder[last]))
    return asked


@st.composite
def datasets(draw: st.DrawFn) -> Any:
    """Mostly the good datasets; sometimes a contract with something wrong in it."""
    given = copy.deepcopy(DATASETS)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        given = changed(draw, given)
    return given if isinstance(given, dict) else {}
