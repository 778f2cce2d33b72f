"""Lineage: the model was trained on signed snapshots of this project, and the run says with which code and parameters."""

from __future__ import annotations

from promotion.checks.context import CheckContext, CheckResult, result

REVISION_TAGS = ("sallyport.code_digest", "sallyport.code_revision", "mlflow.source.git.commit")


def run(context: CheckContext) -> CheckResult:
    """Passes when every input of the training run is a verified snapshot of this project and dataset."""
    tracked = context.run
    if tracked is None:
        return result(context, "lineage", ["The model names no training run."], "")
    problems = []
    if not tracked.inputs:
        problems.append("The training run logged no snapshot as its input.")
    for digest in tracked.inputs:
        known = context.snapshots.get(digest)
        if known is None:
            problems.append("An input of the training run is no signed, unchanged snapshot of this project.")
        elif known[1].predicate.get("project") != context.project:
            problems.append("An input of the training run is a snapshot of another project.")
        elif known[1].predicate.get("dataset") != context.contract.dataset:
            problems.append("An input of the training run is a snapshot of another dataset than the contract names.")
    if not any(tracked.tags.get(tag) for tag in REVISION_TAGS):
        problems.append("The training run does not say which code trained the model.")
    if not tracked.params:
        problems.append("The training run recorded no parameters.")
    evidence = {"run_id": tracked.run_id, "inputs": list(tracked.inputs), "params": len(tracked.params)}
    return result(context, "lineage", problems, f"Trained on {len(tracked.inputs)} signed snapshot(s).", evidence)
