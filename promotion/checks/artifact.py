"""Artifact: every file of the model is of a format that cannot run code."""

from __future__ import annotations

from promotion.checks.context import CheckContext, CheckResult, result
from promotion.scan import scan_model
from promotion.tree import tree_digest


def run(context: CheckContext) -> CheckResult:
    """Passes when the scan accepts the model and its bytes are those submitted."""
    report = scan_model(context.folder)
    problems = [f"{finding.file}: {finding.detail}" for finding in report.findings]
    if not problems and tree_digest(context.folder) != context.digest:
        problems.append("The bytes are not those that were submitted.")
    evidence = {"formats": list(report.formats), "codes": sorted({finding.code for finding in report.findings})}
    return result(context, "artifact", problems, f"No file can run code ({', '.join(report.formats)}).", evidence)
