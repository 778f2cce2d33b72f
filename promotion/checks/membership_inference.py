"""Membership inference: the model does not tell which persons it was trained on.

A ladder of attacks; the dearer is tried only on what the cheaper did not break. *Structural*: a model with more parameters than
training rows can hold them (a note). *Loss*: each row's loss against a threshold (Yeom et al. 2018). *LiRA*: the likelihood ratio
against shadow models (Carlini et al. 2022), trained in the jail within a time that policy sets, and kept. Rows of the training
snapshot stand against rows held back, masked alike. Limits are policy's: an attacker who guesses has AUC 0.5, and a true positive
rate as low as the false positive rate he allows himself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promotion.checks.context import CheckContext, CheckResult, Finding, result
from promotion.checks.jailed import ask, used_snapshot
from promotion.checks.shadowing import shadows_for
from promotion.kinds import kind_of

DEFAULTS = {"highest_auc": 0.6, "highest_ratio": 5.0, "shadow_models": 16, "seconds": 20.0}


def run(context: CheckContext) -> CheckResult:
    """Passes when no attack does much better than guessing. An excess must be beyond chance to fail a model."""
    limits = DEFAULTS | dict(context.limits)
    measured = ask(context, "membership")
    if isinstance(measured, str):
        return result(context, "membership-inference", [measured], "")
    kind = kind_of(context.folder)
    tried = ["loss"]
    problems = _beaten("loss", measured["loss"], limits)
    snapshot = used_snapshot(context)
    shadows = None
    if not problems and snapshot:
        tried.append("lira")
        shadows = shadows_for(context, snapshot, kind, models=int(limits["shadow_models"]), seconds=float(limits["seconds"]))
        again = ask(context, "membership", shadows=shadows) if shadows else None
        if not isinstance(again, dict) or not again["lira"]:
            return result(context, "membership-inference", ["Too few shadow models could be trained in the time."], "")
        measured = again
        problems = _beaten("lira", measured["lira"], limits)
    evidence = measured | {"attacks": tried, "model": kind, "limits": limits}
    best = max(measured[name]["auc"] for name in tried)
    good = f"The best of {len(tried)} attacks has AUC {best:.2f}; guessing has 0.5."
    return result(context, "membership-inference", problems, good, evidence, _structural(kind, measured["members"]))


def _beaten(attack: str, found: Mapping[str, Any], limits: Mapping[str, Any]) -> list[str]:
    problems = []
    if found["auc"] > limits["highest_auc"] and found["auc_low"] > 0.5:
        problems.append(
            f"The {attack} attack tells trained rows from others with AUC {found['auc']:.2f}, over {limits['highest_auc']}."
        )
    if found["tpr_low"] > limits["highest_ratio"] * found["fpr"]:
        problems.append(f"The {attack} attack finds {found['tpr']:.1%} of the trained rows at {found['fpr']:.1%} false alarms.")
    return problems


def _structural(kind: Mapping[str, Any], members: int) -> list[Finding]:
    if kind["parameters"] <= members:
        return []
    said = f"The model has {kind['parameters']:,} parameters or leaves and {members:,} training rows: it could hold them."
    return [Finding("membership-inference-size", "medium", said)]
