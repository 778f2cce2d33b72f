"""Artifact: every file of the model is of a format that cannot run code, and what it is made of is written down."""

from __future__ import annotations

from typing import Any

from promotion.bill_of_materials import bill_of_materials
from promotion.checks.context import CheckContext, CheckResult, result
from promotion.runtimes import unserved
from promotion.scan import scan_model
from promotion.tree import tree_digest


def run(context: CheckContext) -> CheckResult:
    """Passes when the scan accepts the model, its bytes are those submitted, and something here serves its format.

    Its bill of materials is evidence.
    """
    report = scan_model(context.folder)
    problems = [f"{finding.file}: {finding.detail}" for finding in report.findings]
    if not problems and tree_digest(context.folder) != context.digest:
        problems.append("The bytes are not those that were submitted.")
    if not problems and (why := unserved(report.formats)):
        problems.append(why)
    evidence: dict[str, Any] = {"formats": list(report.formats), "codes": sorted({finding.code for finding in report.findings})}
    if not problems:
        evidence["bill_of_materials"] = bill_of_materials(context.folder, digest=context.digest, formats=report.formats)
    return result(context, "artifact", problems, f"No file can run code ({', '.join(report.formats)}).", evidence)
