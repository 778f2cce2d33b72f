"""Explanation: what the model looks at, and a model card that says so.

Permutation importance on live rows held back, and whether the score rises and falls as the contract says it may; the card
(Mitchell et al. 2019) is made from the contract and what was measured.
"""

from __future__ import annotations

from typing import Any

from compliance.canonical import digest
from promotion.checks.context import CheckContext, CheckResult, Finding, result
from promotion.checks.jailed import ask

MOST_AGAINST = 0.01  # of the rows
TELLS_ALL = 0.99  # an input that alone predicts so well is the label in another form


def run(context: CheckContext) -> CheckResult:
    """Passes when every input's worth is known, none is the label in disguise, and the score rises and falls as expected."""
    measured = ask(context, "explanation", rows=("live", "snapshot"))
    if isinstance(measured, str):
        return result(context, "explanation", [measured], "")
    worth = measured["importance"]
    problems = [
        f"Input {name} alone predicts the label (ROC AUC {value:.3f})."
        for name, value in measured["alone"].items()
        if value and value > TELLS_ALL
    ]
    if any(value is None for value in worth.values()):
        problems.append("The worth of an input could not be measured.")
    problems += [
        f"The score does not only go with {one.name} ({one.monotonic}): in {share:.1%} of the rows it goes against it somewhere."
        for one in context.contract.inputs
        if (share := measured["against"].get(one.name) or 0) > MOST_AGAINST
    ]
    idle = [name for name, value in worth.items() if value is not None and abs(value) < 0.0005]
    notes = [Finding("explanation-idle", "low", f"The model makes little of {', '.join(idle)}.")] if idle else []
    card = model_card(context, measured)
    first = max(worth, key=lambda name: worth[name] or 0.0)
    evidence = {**measured, "model_card": card, "model_card_digest": digest(card.encode())}
    return result(context, "explanation", problems, f"{first} counts most of {len(worth)} inputs.", evidence, notes)


def model_card(context: CheckContext, measured: dict[str, Any]) -> str:
    """The model card in Markdown: the contract's words, the measured numbers, nothing else."""
    contract = context.contract
    lines = [
        f"# Model card: {contract.name}", "",
        f"- Project: {context.project}", f"- Digest: {context.digest}", f"- Tier: {contract.tier}", f"- Owner: {contract.owner}",
        f"- Training run: {context.run.run_id if context.run else 'none'}",
        f"- Dataset: {contract.dataset}", "",
        "## Intended use", "", contract.intended_use, "",
        "## Measured on live rows held back", "",
        f"{measured['rows']:,} rows: ROC AUC {_said(measured['roc_auc'])}, accuracy {_said(measured['accuracy'])}.", "",
        "## What it looks at", "", "| input | type | ROC AUC lost without it |", "| --- | --- | --- |",
        *(f"| {one.name} | {one.type} | {_said(measured['importance'].get(one.name))} |" for one in contract.inputs), "",
        "## Limits", "",
        *(f"- {metric.name} at least {metric.at_least}" for metric in contract.metrics),
        *(f"- the score may only go with {column.name}: {column.monotonic}" for column in contract.inputs if column.monotonic),
        *(f"- {column.name} from {column.min} to {column.max}" for column in contract.inputs if column.min is not None),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _said(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"
