"""The checks a model passes before people are asked: one module each, each a function of a CheckContext."""

from __future__ import annotations

from promotion.checks import artifact, data_quality, leakage, lineage, performance
from promotion.checks.context import Check, CheckContext, CheckResult, Finding

# In the order they run; `artifact` first, because nothing looks into bytes that were not scanned.
CHECKS: dict[str, Check] = {
    "artifact": artifact.run,
    "lineage": lineage.run,
    "data-quality": data_quality.run,
    "performance": performance.run,
    "leakage": leakage.run,
}

__all__ = ["CHECKS", "Check", "CheckContext", "CheckResult", "Finding"]
