"""Performance: the model meets its contract's thresholds on persons that were held back from its author.

The model runs in the jail, on rows that never left the live zone; a handful of numbers come out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from promotion.checks.context import CheckContext, CheckResult, result

SCORER = Path(__file__).with_name("score_in_jail.py")
FEWEST_ROWS = 11  # as for k: no metric over fewer
SECONDS = 300


def run(context: CheckContext) -> CheckResult:
    """Passes when every metric of the contract is met on the held-back rows of the training snapshots."""
    used = [digest for digest in (context.run.inputs if context.run else ()) if digest in context.holdouts]
    if not used:
        return result(context, "performance", ["No rows were held back from the training snapshot."], "")
    measured = _score(context, context.holdouts[used[0]])
    if measured is None:
        return result(context, "performance", ["The model could not be scored on the held-back rows."], "")
    if measured["rows"] < FEWEST_ROWS:
        return result(context, "performance", ["Too few rows were held back."], "")
    problems = [
        f"{metric.name} is {measured[metric.name]:.3f}, under the contract's {metric.at_least:.3f}."
        for metric in context.contract.metrics
        if not measured[metric.name] >= metric.at_least
    ]
    good = ", ".join(f"{metric.name} {measured[metric.name]:.3f}" for metric in context.contract.metrics)
    return result(context, "performance", problems, f"{good} on {measured['rows']:,} held-back rows.", measured)


def _score(context: CheckContext, holdout: Path) -> dict[str, float] | None:
    """Aggregate metrics, or None when there are none; nothing else the model wrote is looked at."""
    work = context.work / "performance"
    work.mkdir(parents=True, exist_ok=True)
    (work / "contract.json").write_text(context.contract.model_dump_json(), "utf-8")
    ended = context.run_isolated(
        [sys.executable, "/sallyport/code/score_in_jail.py"],
        read_only={context.folder: "/sallyport/model", holdout: "/sallyport/holdout", SCORER.parent: "/sallyport/code"},
        writable={work: "/sallyport/work"},
        timeout=SECONDS,
    )
    try:
        found = json.loads((work / "metrics.json").read_text("utf-8"))
    except (OSError, ValueError):
        found = {}
    if ended.exit_code or not isinstance(found, dict):
        return None
    return {name: float(found[name]) for name in ("rows", "roc_auc", "accuracy")}
