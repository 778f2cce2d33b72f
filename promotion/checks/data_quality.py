"""Data quality: the training snapshot meets the dataset contract's rules, as Great Expectations sees it.

Only counts leave: no expectation gives back a failing value.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from promotion.checks.context import CheckContext, CheckResult, result

COUNTS_ONLY = "BOOLEAN_ONLY"


def run(context: CheckContext) -> CheckResult:
    """Passes when every rule holds on every training snapshot, and there is at least one rule and one snapshot."""
    used = [digest for digest in (context.run.inputs if context.run else ()) if digest in context.snapshots]
    problems, checked = [], 0
    for digest in used:
        for table, rule, good in _results(context, context.snapshots[digest][0]):
            checked += 1
            if not good:
                problems.append(f"Table {table}: {rule} does not hold.")
    if not checked:
        problems.append("There was no rule to check, or no snapshot to check it on.")
    evidence = {"rules": checked, "failed": len(problems), "snapshots": used}
    return result(context, "data-quality", problems, f"All {checked} rules hold.", evidence)


def _results(context: CheckContext, folder: Path) -> Iterator[tuple[str, str, bool]]:
    import pandas as pd

    gx = _great_expectations()
    for file in sorted(folder.glob("*.parquet")):
        table = file.name.split("-")[0]
        frame = pd.read_parquet(file)
        rules = [rule for rule in context.quality.get(table, ()) if rule.get("arguments", {}).get("column") in frame]
        batch = _batch(gx, table, frame)
        yield table, "the table is not empty", bool(len(frame))
        for rule in rules:
            for expectation in _expectations(gx, rule):
                done = batch.validate(expectation, result_format=COUNTS_ONLY)
                yield table, f"{rule['arguments']['column']} {rule['metric']}", bool(done.success)


def _batch(gx: Any, table: str, frame: Any) -> Any:
    context = gx.get_context(mode="ephemeral")
    asset = context.data_sources.add_pandas(table).add_dataframe_asset(table)
    return asset.add_batch_definition_whole_dataframe(table).get_batch(batch_parameters={"dataframe": frame})


def _expectations(gx: Any, rule: Mapping[str, Any]) -> Iterator[Any]:
    """The Great Expectations form of an ODCS library metric that must be 0."""
    arguments = rule.get("arguments", {})
    column = arguments["column"]
    if rule.get("metric") == "nullValues":
        yield gx.expectations.ExpectColumnValuesToNotBeNull(column=column)
    if "validValues" in arguments:
        yield gx.expectations.ExpectColumnValuesToBeInSet(column=column, value_set=list(arguments["validValues"]))
    if "min" in arguments or "max" in arguments:
        yield gx.expectations.ExpectColumnValuesToBeBetween(
            column=column, min_value=arguments.get("min"), max_value=arguments.get("max")
        )


def _great_expectations() -> Any:
    """The library, with its telemetry and progress bars off."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("TQDM_DISABLE", "1")
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    import great_expectations

    return great_expectations
