"""Fairness: the model treats the contract's groups alike, as far as the live rows of so many held-back persons can show.

Selection rate, true positive rate and false positive rate by group, as fairlearn counts them, with 95 % intervals (Wilson,
Newcombe). Groups of fewer than 11 rows are left out; a group is named only if the snapshot, which its author has, holds the name.
"""

from __future__ import annotations

from typing import Any

from promotion import measures
from promotion.checks.context import CheckContext, CheckResult, Finding, result
from promotion.checks.jailed import FEWEST_OF_A_KIND, ask

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")


def run(context: CheckContext) -> CheckResult:
    """Passes when no rate differs between two groups by more than the contract's `max_difference`, beyond chance."""
    wanted = context.contract.fairness
    if wanted is None:
        return result(context, "fairness", ["The model contract names no groups for fairness."], "")
    measured = ask(context, "fairness", rows=("live", "snapshot"))
    if isinstance(measured, str):
        return result(context, "fairness", [measured], "")
    problems: list[str] = []
    notes: list[Finding] = []
    evidence: dict[str, dict[str, Any]] = {}
    for column, groups in measured["groups"].items():
        if len(groups) < 2:
            problems.append(f"Column {column} has not two groups that are large enough.")
        for rate in RATES:
            found = _compared(groups, rate)
            evidence.setdefault(column, {})[rate] = found
            sentence = f"{rate.replace('_', ' ')} differs by {found['difference']:.2f} between groups of {column}."
            if found["low"] > wanted.max_difference:
                problems.append(f"The {sentence}")
            elif found["difference"] > wanted.max_difference:
                notes.append(Finding(f"fairness-{column}-{rate}", "medium", f"The {sentence[:-1]}, which may be chance."))
    good = (
        f"No rate differs by more than {wanted.max_difference} between groups of {', '.join(measured['groups'])}, beyond chance."
    )
    return result(context, "fairness", problems, good, {"rows": measured["rows"], "columns": evidence}, notes)


def _compared(groups: dict[str, Any], rate: str) -> dict[str, Any]:
    """The rate of each group with its interval, and the difference of the highest and the lowest."""
    shares = {group: (rates[rate][0], rates[rate][1]) for group, rates in groups.items() if rates[rate][1] >= FEWEST_OF_A_KIND}
    described = {
        group: {"rate": round(hits / count, 4), "count": count, "interval": measures.rounded(measures.wilson(hits, count))}
        for group, (hits, count) in shares.items()
    }
    if len(shares) < 2:
        return {"groups": described, "difference": 0.0, "low": 0.0}
    ordered = sorted(shares.values(), key=lambda share: share[0] / share[1])
    apart, low = measures.difference(ordered[-1], ordered[0])
    return {"groups": described, "difference": round(apart, 4), "low": round(low, 4)}
