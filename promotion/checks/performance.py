"""Performance: the model meets its contract's thresholds on persons that were held back from its author.

The model runs in the jail, on the rows of those persons, which came through the snapshot's treatments and never left the live
zone; a handful of numbers come out. Beside them stand the same metrics on the snapshot, and how far the inputs' distributions
differ. What the treatments themselves cost is not measured: both sides went through them.
"""

from __future__ import annotations

from typing import Any

from promotion.checks.context import CheckContext, CheckResult, Finding, result
from promotion.checks.jailed import FEWEST_OF_A_KIND, TOO_FEW, ask

HIGH_PSI = 0.25  # commonly read as a distribution that has changed
HIGH_GAP = 0.1


def run(context: CheckContext) -> CheckResult:
    """Passes when every metric of the contract is met on the held-back rows of the training snapshot."""
    measured = ask(context, "performance")
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
    good = ", ".join(f"{metric.name} {measured[metric.name]:.3f}" for metric in context.contract.metrics)
    evidence = measured | {"metric_gap": _gaps(measured)}
    return result(context, "performance", problems, f"{good} on {rows:,} held-back rows.", evidence, _skew(evidence))


def _gaps(measured: dict[str, Any]) -> dict[str, float]:
    """What is measured on the snapshot less what is measured on the held-back rows."""
    masked = measured["snapshot"]
    return {name: round((masked[name] or 0) - (measured[name] or 0), 4) for name in ("roc_auc", "accuracy")}


def _skew(evidence: dict[str, Any]) -> list[Finding]:
    """A difference from the snapshot is seen by people and stops nobody: the metrics on held-back rows count."""
    found = [
        Finding(
            f"performance-psi-{name}", "medium", f"Input {name} is distributed otherwise than in the snapshot (PSI {value:.2f})."
        )
        for name, value in evidence["psi"].items()
        if value is not None and value > HIGH_PSI
    ]
    gap = evidence["metric_gap"]["roc_auc"]
    if gap > HIGH_GAP:
        found.append(
            Finding("performance-gap", "medium", f"The model does better on the snapshot it saw (ROC AUC by {gap:.2f}).")
        )
    return found
