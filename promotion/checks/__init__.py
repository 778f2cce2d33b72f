"""The checks a model passes before people are asked: one module each, each a function of a CheckContext."""

from __future__ import annotations

from collections.abc import Iterable

from promotion.checks import artifact, data_quality, explanation, fairness, leakage, lineage, membership_inference, performance
from promotion.checks.context import Check, CheckContext, CheckResult, Finding

# In the order they run; `artifact` first, because nothing looks into bytes that were not scanned.
CHECKS: dict[str, Check] = {
    "artifact": artifact.run,
    "lineage": lineage.run,
    "data-quality": data_quality.run,
    "performance": performance.run,
    "leakage": leakage.run,
    "fairness": fairness.run,
    "membership-inference": membership_inference.run,
    "explanation": explanation.run,
}


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """The checks of these names in the order they run; `artifact` and `leakage` are made whatever is asked for."""
    wanted = {*names, "artifact", "leakage"}
    return tuple(name for name in CHECKS if name in wanted)


__all__ = ["CHECKS", "Check", "CheckContext", "CheckResult", "Finding", "in_order"]
