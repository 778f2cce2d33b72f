"""Each rule of POLICY.md: when it permits, when it denies, what a missing field and a value of a wrong type give."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import questions as q

from policies.bundle import Bundle
from policies.client import PolicyClient
from policies.embedded import EmbeddedEngine

OUT = object()
CLIENT = PolicyClient(EmbeddedEngine(Bundle.load()))


def changed(good: Callable[[], Any], changes: dict[str, Any]) -> Any:
    """The good question with the value at each dotted place replaced, or left OUT."""
    asked = copy.deepcopy(good())
    for place, value in changes.items():
        *inner, last = place.split(".")
        holder = asked
        for key in inner:
            holder = holder[int(key)] if isinstance(holder, list) else holder.setdefault(key, {})
        key = int(last) if isinstance(holder, list) else last
        if value is OUT:
            del holder[key]
        elif isinstance(holder, list) and key == len(holder):
            holder.append(value)
        else:
            holder[key] = value
    return asked


def reasons(asked: Any, datasets: Any = q.DATASETS) -> list[str]:
    decision = CLIENT.decide(asked, datasets=datasets)
    assert decision.allow is (not decision.reasons)
    assert decision.allow or decision.obligations == {}
    return list(decision.reasons)


LIVE = {"columns": {"p.birth": "generalise", "p.ssn": "pseudonym"}, "row_filter": "consent", "ttl_seconds": 7200,
        "log_statements": True, "review_within_seconds": None}  # fmt: skip
PERMITS: list[tuple[Callable[[], Any], dict[str, Any], dict[str, Any]]] = [
    (q.sandbox, {}, {"columns": {"p.birth": "clear"}, "row_filter": None, "ttl_seconds": 28_800, "log_statements": False,
                     "review_within_seconds": None}),
    (q.live, {}, LIVE),
    (q.live, {"subject.roles": ["data-steward", "operator"]}, LIVE),
    (q.live, {"context.grant.expires": q.NOW + 61}, LIVE | {"ttl_seconds": 61}),
    (q.live, {"resource.columns": ["p.birth", "p.birth"]}, LIVE | {"columns": {"p.birth": "generalise"}}),
    (q.live, {"context.promotion": {"state": "deployed"}}, LIVE),
    (q.live, {"context.grant.note": 1, "extra": [1], "subject.email": None}, LIVE),
    (lambda: q.live("p.hiv", "p.site"), {}, LIVE | {"columns": {"p.hiv": "clear", "p.site": "clear"}}),
    (lambda: q.live("p.birth", approvals=(q.steward("sam"),)), {}, LIVE | {"columns": {"p.birth": "generalise"}}),
    (lambda: q.live('p."é\x00😀\\', approvals=(q.steward("sam"),)), {}, LIVE | {"columns": {'p."é\x00😀\\': "generalise"}}),
    (q.re_identification, {}, LIVE | {"columns": {"p.ssn": "clear", "p.birth": "generalise"}, "row_filter": None}),
    (q.break_glass, {}, LIVE | {"row_filter": None, "ttl_seconds": 900, "review_within_seconds": 86_400}),
    (q.break_glass, {"context.grant": {"revoked": True}}, LIVE | {"row_filter": None, "ttl_seconds": 900,
                                                                  "review_within_seconds": 86_400}),
    (q.service, {}, LIVE | {"columns": {"p.birth": "clear"}, "row_filter": None, "ttl_seconds": 3_600}),
    (q.build, {}, {"min_k": 11, "min_l": 2, "max_prosecutor_risk": 0.09}),
    (q.build, {"subject": {"id": "snapshot-builder", "type": "service"}}, {"min_k": 11, "min_l": 2, "max_prosecutor_risk": 0.09}),
    (q.promote, {}, {}),
    (q.promote, {"resource.checks.5.outcome": "waived", "resource.checks.7.outcome": "waived"}, {}),
    (q.promote, {"resource.approvals.0.at": q.NOW - 30 * q.DAY, "resource.findings.0.severity": "critical"}, {}),
    (lambda: q.promote("low"), {"resource.checks.4": OUT, "resource.approvals.2": OUT, "resource.approvals.1": OUT}, {}),
    (q.release, {}, {}),
    (q.export, {}, {}),
    (q.export, {"context": OUT}, {}),
    (q.waive, {}, {"roles": ["model-validator"]}),
    (q.waive, {"subject.roles": ["operator", "compliance-officer", "model-validator"]},
     {"roles": ["model-validator", "compliance-officer"]}),
    (q.waive, {"resource.check": "explanation"}, {"roles": ["model-validator"]}),
    (q.close, {}, {"roles": ["compliance-officer"]}),
    (q.deploy, {}, {"roles": ["operator"]}),
    (q.deploy, {"subject.mfa": False, "subject.training_until": OUT}, {"roles": ["operator"]}),
    (q.reject, {"resource.author": OUT}, {"roles": ["data-steward"]}),
    (q.withdraw, {"resource.author": OUT}, {"roles": ["model-validator"]}),
    (q.submit, {"subject.id": "dana"}, {"roles": ["data-scientist"]}),
    (q.submit, {"subject.type": "service", "resource.author": OUT}, {"roles": ["data-scientist"]}),
]  # fmt: skip


@pytest.mark.parametrize(("good", "changes", "obligations"), PERMITS)
def test_what_meets_every_condition_is_allowed_on_exactly_these_terms(
    good: Callable[[], Any], changes: dict[str, Any], obligations: dict[str, Any]
) -> None:
    decision = CLIENT.decide(changed(good, changes), datasets=q.DATASETS)
    assert (decision.allow, decision.reasons, decision.obligations) == (True, (), obligations)


G, R, S, C = "context.grant.", "resource.", "subject.", "context."
DENIES: list[tuple[Callable[[], Any], dict[str, Any], list[str]]] = [
    # the question itself
    (lambda: {}, {}, ["unknown_action"]),
    (lambda: None, {}, ["invalid_input"]),
    (lambda: [], {}, ["invalid_input"]),
    (q.live, {"action": "drop"}, ["unknown_action"]),
    (q.live, {"action": OUT}, ["unknown_action"]),
    (q.live, {"action": "drop", S + "mfa": "yes"}, ["invalid_input"]),
    (q.live, {R + "zone": "attic", R + "id": "nowhere"}, ["unknown_zone"]),
    (q.live, {R + "zone": OUT}, ["unknown_zone"]),
    (q.live, {R + "type": "model"}, ["invalid_input"]),
    (q.live, {S + "id": OUT}, ["invalid_input"]),
    (q.live, {S + "type": "robot"}, ["invalid_input"]),
    (q.live, {C + "now": OUT}, ["invalid_input"]),
    # the sandbox
    (q.sandbox, {S + "roles": ["compliance-officer", "operator"]}, ["role_not_permitted"]),
    (q.sandbox, {S + "roles": OUT}, ["role_not_permitted"]),
    (q.sandbox, {S + "type": "service"}, ["role_not_permitted"]),
    (q.sandbox, {S + "training_until": q.NOW}, ["training_expired"]),
    (q.sandbox, {S + "training_until": OUT}, ["training_expired"]),
    (q.sandbox, {R + "project": "other"}, ["not_in_project"]),
    (q.sandbox, {R + "project": OUT}, ["not_in_project"]),
    (q.sandbox, {S + "projects": OUT, S + "roles": []}, ["not_in_project", "role_not_permitted"]),
    # live, the person
    (q.live, {S + "roles": ["model-validator"]}, ["role_not_permitted"]),
    (q.live, {S + "training_until": q.NOW}, ["training_expired"]),
    (q.live, {S + "training_until": OUT}, ["training_expired"]),
    (q.live, {S + "mfa": False}, ["mfa_required"]),
    (q.live, {S + "mfa": OUT}, ["mfa_required"]),
    (q.live, {S + "projects": []}, ["not_in_project"]),
    (q.live, {R + "project": OUT}, ["not_in_project"]),
    # live, dataset, columns, purpose
    (q.live, {R + "id": "nowhere"}, ["grant_mismatch", "unknown_dataset"]),
    (q.live, {R + "id": OUT}, ["unknown_dataset"]),
    (q.live, {R + "id": "nowhere", G + "dataset": "nowhere", C + "purpose": OUT, R + "columns": []}, ["unknown_dataset"]),
    (q.live, {R + "columns.2": "p.nosuch"}, ["column_not_granted", "unknown_column"]),
    (q.live, {R + "columns": ["*"], G + "columns": ["*"]}, ["unknown_column"]),
    (q.live, {R + "columns": [""], G + "columns": [""]}, ["unknown_column"]),
    (q.live, {R + "columns": []}, ["no_columns"]),
    (q.live, {R + "columns": OUT}, ["no_columns"]),
    (q.live, {C + "purpose": OUT}, ["purpose_missing"]),
    (q.live, {C + "purpose": ""}, ["purpose_missing"]),
    (q.live, {C + "purpose": "curiosity"}, ["grant_mismatch", "purpose_not_permitted"]),
    (q.live, {C + "purpose": "incident-response", G + "purpose": "incident-response"}, ["purpose_not_permitted"]),
    # live, the grant
    (q.live, {C + "grant": OUT}, ["no_grant"]),
    (q.live, {C + "grant": OUT, C + "promotion": q.service()["context"]["promotion"]}, ["no_grant"]),
    (q.live, {G + "subject": "sam"}, ["grant_mismatch"]),
    (q.live, {G + "subject": OUT}, ["grant_mismatch"]),
    (q.live, {G + "dataset": "bank"}, ["grant_mismatch"]),
    (q.live, {G + "purpose": OUT}, ["grant_mismatch"]),
    (q.live, {G + "columns": ["p.birth"]}, ["column_not_granted"]),
    (q.live, {G + "columns": OUT}, ["column_not_granted"]),
    (q.live, {G + "not_before": q.NOW + 1}, ["grant_not_yet_valid"]),
    (q.live, {G + "not_before": OUT}, ["grant_not_yet_valid"]),
    (q.live, {G + "expires": q.NOW}, ["grant_expired"]),
    (q.live, {G + "expires": OUT}, ["grant_expired"]),
    (q.live, {G + "revoked": True}, ["grant_revoked"]),
    (q.live, {G + "revoked": OUT}, ["grant_revoked"]),
    (q.live, {C + "grant": {}}, ["approvals_missing", "column_not_granted", "grant_expired", "grant_mismatch",
                                 "grant_not_yet_valid", "grant_revoked"]),
    (q.live, {G + "approvals": OUT}, ["approvals_missing"]),
    (q.live, {G + "approvals.1": OUT}, ["approvals_missing"]),
    (q.live, {G + "approvals.1.by": "sam"}, ["approvals_missing"]),
    (q.live, {G + "approvals.1.by": ""}, ["approvals_missing"]),
    (q.live, {G + "approvals.1.role": "operator"}, ["approvals_missing"]),
    (q.live, {G + "approvals.1.by": "dana"}, ["approvals_missing", "self_approval"]),
    (q.live, {G + "approvals.2": q.steward("dana")}, ["self_approval"]),
    (q.live, {G + "approvals.2": {"by": "dana"}}, ["self_approval"]),
    (lambda: q.live("p.hiv", approvals=(q.steward("sam"),)), {}, ["approvals_missing"]),
    (lambda: q.live("p.birth", approvals=()), {}, ["approvals_missing"]),
    (q.re_identification, {G + "approvals.2": OUT}, ["privacy_officer_missing"]),
    (q.re_identification, {G + "approvals.2.by": "dana"}, ["privacy_officer_missing", "self_approval"]),
    (q.re_identification, {C + "grant": OUT}, ["no_grant"]),
    (q.re_identification, {R + "id": "bank", G + "dataset": "bank", R + "columns": ["p.birth"]}, ["purpose_not_permitted"]),
    # break-glass
    (q.break_glass, {S + "roles": ["data-scientist"]}, ["role_not_permitted"]),
    (q.break_glass, {S + "training_until": OUT, S + "mfa": OUT}, ["mfa_required", "training_expired"]),
    (q.break_glass, {C + "purpose": "model-debugging"}, ["purpose_not_permitted"]),
    (q.break_glass, {C + "purpose": OUT}, ["purpose_missing"]),
    (q.break_glass, {R + "id": "nowhere", C + "purpose": OUT}, ["unknown_dataset"]),
    (q.break_glass, {R + "columns": ["p.nosuch"]}, ["unknown_column"]),
    (q.break_glass, {R + "columns": []}, ["no_columns"]),
    (q.break_glass, {C + "break_glass": {}}, ["justification_missing"]),
    (q.break_glass, {C + "break_glass.incident": ""}, ["justification_missing"]),
    (q.break_glass, {C + "break_glass.justification": "  "}, ["justification_missing"]),
    (q.break_glass, {C + "break_glass": True}, ["invalid_input"]),
    (q.break_glass, {C + "break_glass": None}, ["invalid_input"]),
    # services
    (q.service, {C + "promotion": OUT}, ["no_promotion"]),
    (q.service, {C + "promotion": OUT, C + "grant": q.grant("p.birth")}, ["no_promotion"]),
    (q.service, {C + "promotion": OUT, C + "break_glass": {"justification": "x", "incident": "y"}}, ["no_promotion"]),
    (q.service, {C + "promotion.state": "approved"}, ["not_deployed"]),
    (q.service, {C + "promotion.state": OUT}, ["not_deployed"]),
    (q.service, {C + "promotion.service": "other"}, ["promotion_mismatch"]),
    (q.service, {C + "promotion.dataset": OUT}, ["promotion_mismatch"]),
    (q.service, {C + "promotion.columns": ["p.hiv"]}, ["column_not_granted"]),
    (q.service, {C + "promotion.columns": OUT}, ["column_not_granted"]),
    (q.service, {R + "columns": OUT}, ["no_columns"]),
    (q.service, {R + "id": "nowhere", C + "promotion.dataset": "nowhere"}, ["unknown_dataset"]),
    # build
    (q.build, {S + "roles": ["data-scientist"]}, ["role_not_permitted"]),
    (q.build, {S + "roles": [], S + "id": "snapshot-builder"}, ["role_not_permitted"]),
    (q.build, {R + "unclassified": ["p.x"]}, ["unclassified_column"]),
    (q.build, {R + "unclassified": OUT}, ["unclassified_column"]),
    (q.build, {R + "type": "dataset"}, ["invalid_input"]),
    # promote
    (q.promote, {R + "tier": "huge", R + "digest": OUT}, ["unknown_tier"]),
    (q.promote, {R + "tier": OUT}, ["unknown_tier"]),
    (q.promote, {R + "author": OUT}, ["invalid_input"]),
    (q.promote, {R + "checks.0": OUT}, ["check_missing"]),
    (q.promote, {R + "checks": OUT}, ["check_missing"]),
    (q.promote, {R + "checks.0.name": OUT}, ["check_missing"]),
    (q.promote, {R + "checks.0.outcome": "failed"}, ["check_failed"]),
    (q.promote, {R + "checks.0.outcome": "skipped"}, ["check_failed"]),
    (q.promote, {R + "checks.0.outcome": "waived"}, ["check_failed"]),
    (q.promote, {R + "checks.0.outcome": OUT}, ["check_failed"]),
    (q.promote, {R + "checks.8": {"name": "artifact", "outcome": "failed", "digest": q.DIGEST}}, ["check_failed"]),
    (q.promote, {R + "checks.0.digest": q.OTHER}, ["digest_mismatch"]),
    (q.promote, {R + "checks.0.digest": OUT}, ["digest_mismatch"]),
    (q.promote, {R + "digest": OUT}, ["approvals_missing", "digest_mismatch"]),
    (q.promote, {R + "findings.0.open": True}, ["open_findings"]),
    (q.promote, {R + "findings.0.open": OUT}, ["open_findings"]),
    (q.promote, {R + "findings.1.severity": "apocalyptic"}, ["open_findings"]),
    (q.promote, {R + "findings.1.severity": OUT}, ["open_findings"]),
    (q.promote, {R + "findings": OUT}, ["open_findings"]),
    (q.promote, {R + "approvals": OUT}, ["approvals_missing"]),
    (q.promote, {R + "approvals.2": OUT}, ["approvals_missing"]),
    (q.promote, {R + "approvals.2.by": "sam"}, ["approvals_missing"]),
    (q.promote, {R + "approvals.2.at": OUT}, ["approvals_missing"]),
    (q.promote, {R + "approvals.2.at": q.NOW - 30 * q.DAY - 1}, ["approvals_missing"]),
    (q.promote, {R + "approvals.2.at": q.NOW + 1}, ["approvals_missing"]),
    (q.promote, {R + "approvals.2.digest": q.OTHER}, ["approvals_missing", "digest_mismatch"]),
    (q.promote, {R + "approvals.3": q.approval("zoe", "operator", digest=q.OTHER)}, ["digest_mismatch"]),
    (q.promote, {R + "approvals.3": q.approval("dana", "operator")}, ["self_approval"]),
    (q.promote, {R + "author": "sam"}, ["approvals_missing", "self_approval"]),
    (lambda: q.promote("medium"), {R + "approvals.1.by": "vera"}, ["approvals_missing"]),
    # release
    (q.release, {R + "approvals.1": OUT}, ["approvals_missing"]),
    (q.release, {R + "approvals.1.by": "olga"}, ["approvals_missing"]),
    (q.release, {R + "approvals.1.role": "data-steward"}, ["approvals_missing"]),
    (q.release, {R + "author": "olga"}, ["approvals_missing", "self_approval"]),
    (q.release, {R + "approvals.1.digest": q.OTHER}, ["approvals_missing", "digest_mismatch"]),
    (q.release, {R + "approvals.2": q.approval("ola", "output-checker", digest=q.OTHER)}, ["digest_mismatch"]),
    (q.release, {R + "findings.0.open": True}, ["open_findings"]),
    (q.release, {R + "findings": OUT}, ["open_findings"]),
    (q.release, {R + "digest": OUT}, ["approvals_missing", "digest_mismatch"]),
    (q.release, {R + "author": ""}, ["invalid_input"]),
    # export
    (q.export, {S + "roles": ["data-steward"]}, ["role_not_permitted"]),
    (q.export, {S + "roles": OUT}, ["role_not_permitted"]),
    (q.export, {R + "type": OUT}, ["invalid_input"]),
    # steps on a model's way
    (q.waive, {S + "roles": ["data-steward", "operator", "data-scientist"]}, ["role_not_permitted"]),
    (q.waive, {S + "type": "service"}, ["role_not_permitted"]),
    (q.waive, {S + "id": "dana"}, ["self_approval"]),
    (q.waive, {R + "author": OUT}, ["invalid_input"]),
    (q.waive, {R + "check": "artifact"}, ["check_not_waivable"]),
    (q.waive, {R + "check": OUT}, ["check_not_waivable"]),
    (q.waive, {R + "project": "other"}, ["not_in_project"]),
    (q.close, {S + "roles": ["operator"], S + "id": "dana"}, ["role_not_permitted", "self_approval"]),
    (q.close, {R + "author": ""}, ["invalid_input"]),
    (q.deploy, {S + "roles": ["data-scientist", "data-steward", "compliance-officer"]}, ["role_not_permitted"]),
    (q.deploy, {S + "roles": OUT}, ["role_not_permitted"]),
    (q.deploy, {S + "id": "dana"}, ["self_approval"]),
    (q.deploy, {S + "projects": OUT}, ["not_in_project"]),
    (q.deploy, {R + "type": "dataset"}, ["invalid_input"]),
    (q.reject, {S + "roles": ["data-scientist", "operator"]}, ["role_not_permitted"]),
    (q.reject, {S + "type": "service"}, ["role_not_permitted"]),
    (q.withdraw, {S + "roles": ["data-scientist", "operator"]}, ["role_not_permitted"]),
    (q.withdraw, {R + "project": OUT}, ["not_in_project"]),
    (q.submit, {S + "roles": ["model-validator"]}, ["role_not_permitted"]),
    (q.submit, {R + "project": "other"}, ["not_in_project"]),
]  # fmt: skip


@pytest.mark.parametrize(("good", "changes", "expected"), DENIES)
def test_what_fails_a_condition_is_denied_with_exactly_these_reasons(
    good: Callable[[], Any], changes: dict[str, Any], expected: list[str]
) -> None:
    assert reasons(changed(good, changes) if changes else good()) == expected


WRONG = {str: 5, int: "5", bool: "true", list: "x", dict: []}


@pytest.mark.parametrize("name", sorted(q.GOOD))
def test_a_value_of_a_wrong_type_anywhere_is_the_only_reason(name: str) -> None:
    places = [place for place in q.places(q.GOOD[name]()) if place]
    for place in places:
        asked = q.GOOD[name]()
        holder = asked
        for key in place[:-1]:
            holder = holder[key]
        for wrong in (WRONG[type(holder[place[-1]])], None):
            holder[place[-1]] = wrong
            assert reasons(asked) == ["invalid_input"], (place, wrong)


@pytest.mark.parametrize(
    "value", [True, False, q.NOW + 0.5, float("inf"), float("nan"), 10**30, 2**53, "1795500000", None, [q.NOW]]
)
def test_a_time_is_a_whole_number_and_nothing_else(value: Any) -> None:
    assert reasons(changed(q.live, {"context.now": value})) == ["invalid_input"]


@pytest.mark.parametrize("name", sorted(q.GOOD))
def test_a_good_question_with_any_one_field_left_out_is_never_an_error(name: str) -> None:
    known = {code for _, _, codes in DENIES for code in codes}
    for place in [place for place in q.places(q.GOOD[name]()) if place]:
        asked = q.GOOD[name]()
        holder = asked
        for key in place[:-1]:
            holder = holder[key]
        del holder[place[-1]]
        assert set(reasons(asked)) <= known


def test_a_large_integer_is_not_taken_for_its_low_bits() -> None:
    assert reasons(changed(q.live, {"subject.training_until": 2**64 + q.NOW + q.DAY})) == ["invalid_input"]


def test_a_text_with_nul_is_not_taken_for_what_stands_before_it() -> None:
    assert reasons(changed(q.live, {"subject.roles": ["data-scientist\x00"]})) == ["role_not_permitted"]


@pytest.mark.parametrize(
    "contract",
    [
        5, None, {}, {"max_ttl": 0}, {"max_ttl": -1}, {"max_ttl": "7200"}, {"max_ttl": True}, {"max_ttl": 1.5}, {"max_ttl": OUT},
        {"purposes": OUT}, {"purposes": [1]}, {"columns": OUT}, {"columns": []}, {"row_filters": []}, {"row_filters": {"x": 1}},
    ],
)  # fmt: skip
def test_a_contract_that_lacks_what_a_decision_needs_describes_no_dataset(contract: Any) -> None:
    if isinstance(contract, dict) and contract:
        base = q.DATASETS["clinic"] | contract
        contract = {name: value for name, value in base.items() if value is not OUT}
    assert reasons(q.live(), {"clinic": contract}) == ["unknown_dataset"]


@pytest.mark.parametrize("kind", ["secret", "", None, 5, [], {}])
def test_a_column_of_an_unknown_class_is_an_unknown_column(kind: Any) -> None:
    datasets = {"clinic": q.DATASETS["clinic"] | {"columns": q.COLUMNS | {"p.birth": kind}}}
    assert reasons(q.live(), datasets) == ["unknown_column"]


def test_a_contract_without_row_filters_gives_none() -> None:
    contract = {name: value for name, value in q.DATASETS["clinic"].items() if name != "row_filters"}
    assert CLIENT.decide(q.live(), datasets={"clinic": contract}).obligations["row_filter"] is None


def test_the_shortest_of_the_three_times_to_live_counts_however_many_digits_it_has() -> None:
    for max_ttl, remaining, expected in [(7200, 10_000, 7200), (100_000, 10_000, 10_000), (100_000, 90_000, 14_400), (5, 40, 5)]:
        datasets = {"clinic": q.DATASETS["clinic"] | {"max_ttl": max_ttl}}
        decision = CLIENT.decide(changed(q.live, {"context.grant.expires": q.NOW + remaining}), datasets=datasets)
        assert decision.obligations["ttl_seconds"] == expected


def test_every_reason_code_of_the_policies_is_given_by_some_case_here() -> None:
    from policies.explain import OF_THE_CLIENT, sentences

    given = {code for _, _, codes in DENIES for code in codes}
    assert sentences().keys() - given == {"engine_unavailable", "invalid_answer"} <= OF_THE_CLIENT.keys()
