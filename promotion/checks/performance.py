"""Performance: the model meets its contract's thresholds on live rows of persons who were held back from its author.

The rows are read live and unmasked by the checks' own service identity, and the model runs on them in the jail, inside the live
zone; a handful of numbers come out. Beside them stand the same persons' rows masked as the snapshot is, which shows what masking
costs (masking skew), and the snapshot itself, which shows what the model knows by heart.
"""

from __future__ import annotations

from typing import Any

from promotion.checks.context import CheckContext, CheckResult, Finding, result
from promotion.checks.jailed import FEWEST_OF_A_KIND, TOO_FEW, ask
from promotion.drift import is_profile

HIGH_PSI = 0.25  # commonly read as a distribution that has changed
HIGH_GAP = 0.1
HIGH_COST = 0.05
NO_PROFILE = "The contract asks for drift, but the training rows are too few to compare with."
COMPARED = ("roc_auc", "accuracy", "calibration")


def run(context: CheckContext) -> CheckResult:
    """Passes when every metric of the contract is met on the live rows of the persons held back."""
    measured = ask(context, "performance", rows=("live", "holdout", "snapshot"))
    if isinstance(measured, str):
        return result(context, "performance", [measured], "")
    rows, positives = measured["rows"], measured["positives"]
    if min(positives, rows - positives) < FEWEST_OF_A_KIND:
        return result(context, "performance", [TOO_FEW], "")
    problems = [
        f"{metric.name} is {measured[metric.name]:.3f}, under the contract's {metric.at_least:.3f}."
        for metric in context.contract.metrics
        if not (measured[metric.name] or 0) >= metric.at_least
    ]
    if context.contract.watches_drift and not is_profile(measured.get("training"), context.contract):
        problems.append(NO_PROFILE)
    good = ", ".join(f"{metric.name} {measured[metric.name]:.3f}" for metric in context.contract.metrics)
    evidence = measured | {
        "metric_gap": _apart(measured["snapshot"], measured), "masking_cost": _apart(measured["masked"], measured)
    }  # fmt: skip
    return result(context, "performance", problems, f"{good} on {rows:,} live rows held back.", evidence, _skew(evidence))


def _apart(other: dict[str, Any], live: dict[str, Any]) -> dict[str, float | None]:
    """What is measured on the other rows less what is measured on live ones; None where one of them is of too few."""
    return {
        name: None if other[name] is None or live[name] is None else round(other[name] - live[name], 4) for name in COMPARED
    }  # fmt: skip


def _skew(evidence: dict[str, Any]) -> list[Finding]:
    """What differs is seen by people and stops nobody: the metrics on live rows count."""
    found = [
        Finding(f"performance-{kind}-{name}", "medium", f"Input {name} is distributed otherwise {where} (PSI {value:.2f}).")
        for kind, where, differences in (
            ("psi", "than in the snapshot", evidence["psi"]),
            ("masking", "for the same persons masked", evidence["masked"]["psi"]),
        )
        for name, value in differences.items()
        if value is not None and value > HIGH_PSI
    ]
    if (evidence["metric_gap"]["roc_auc"] or 0) > HIGH_GAP:
        said = f"The model does better on the snapshot it saw (ROC AUC by {evidence['metric_gap']['roc_auc']:.2f})."
        found.append(Finding("performance-gap", "medium", said))
    if abs(evidence["masking_cost"]["roc_auc"] or 0) > HIGH_COST:
        said = f"Masking the same persons' rows changes ROC AUC by {evidence['masking_cost']['roc_auc']:+.2f}."
        found.append(Finding("performance-masking-cost", "medium", said))
    return found
