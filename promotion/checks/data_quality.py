"""Data quality: the training snapshot and the live tables of today meet the dataset contract's rules (Great Expectations).

Only counts leave: no expectation gives back a failing value, and live rows are held in memory for as long as they are looked at.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from typing import Any

from promotion.checks.context import CheckContext, CheckResult, result
from promotion.checks.jailed import UNFIT
from promotion.errors import LiveRowsUnfit

COUNTS_ONLY = "BOOLEAN_ONLY"


def run(context: CheckContext) -> CheckResult:
    """Passes when every rule holds on every training snapshot and on the live tables, and there is at least one of each."""
    used = [digest for digest in (context.run.inputs if context.run else ()) if digest in context.snapshots]
    problems: list[str] = []
    rules = {"snapshot": 0, "live": 0}
    for where, words, tables in _places(context, used, problems):
        for table, rule, good in _results(context, tables):
            rules[where] += 1
            if not good:
                problems.append(f"Table {table}{words}: {rule} does not hold.")
    if not rules["snapshot"]:
        problems.append("There was no rule to check, or no snapshot to check it on.")
    if context.live is None:
        problems.append("There are no live tables to check the rules on.")
    evidence = {"rules": rules["snapshot"], "live_rules": rules["live"], "failed": len(problems), "snapshots": used}
    said = f"All {rules['snapshot']} rules hold, and {rules['live']} on live tables."
    return result(context, "data-quality", problems, said, evidence)


def _places(context: CheckContext, used: list[str], problems: list[str]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Kind, words and tables of all that the rules are checked on."""
    import pandas as pd

    for digest in used:
        files = sorted(context.snapshots[digest][0].glob("*.parquet"))
        yield "snapshot", "", {file.name.split("-")[0]: pd.read_parquet(file) for file in files}
    if context.live is not None:
        try:
            yield "live", " (live)", context.live.tables()
        except LiveRowsUnfit:
            problems.append(UNFIT)


def _results(context: CheckContext, tables: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    gx = great_expectations()
    for table, frame in tables.items():
        rules = [rule for rule in context.quality.get(table, ()) if rule.get("arguments", {}).get("column") in frame]
        yield table, "the table is not empty", bool(len(frame))
        batch = _batch(gx, table, frame)
        for rule in rules:
            for expectation in _expectations(gx, rule, frame):
                done = batch.validate(expectation, result_format=COUNTS_ONLY)
                yield table, f"{rule['arguments']['column']} {rule['metric']}", bool(done.success)


def _batch(gx: Any, table: str, frame: Any) -> Any:
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    asset = context.data_sources.add_pandas(table).add_dataframe_asset(table)
    return asset.add_batch_definition_whole_dataframe(table).get_batch(batch_parameters={"dataframe": frame})


def _expectations(gx: Any, rule: Mapping[str, Any], frame: Any) -> Iterator[Any]:
    """The Great Expectations form of an ODCS library metric that must be 0."""
    arguments = rule.get("arguments", {})
    column = arguments["column"]
    if rule.get("metric") == "nullValues":
        yield gx.expectations.ExpectColumnValuesToNotBeNull(column=column)
    if "validValues" in arguments:
        yield gx.expectations.ExpectColumnValuesToBeInSet(column=column, value_set=list(arguments["validValues"]))
    low, high = (_bound(arguments.get(name), frame[column]) for name in ("min", "max"))
    if low is not None or high is not None:
        yield gx.expectations.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high)


def _bound(value: Any, column: Any) -> Any:
    """The bound in the column's type; None where a treatment gave the column another (a year in place of a date)."""
    import pandas as pd

    if value is None or isinstance(value, int | float):
        return value if value is None or pd.api.types.is_numeric_dtype(column) else None
    if pd.api.types.is_datetime64_any_dtype(column):
        return pd.Timestamp(value, tz=getattr(column.dtype, "tz", None))
    return None if pd.api.types.is_numeric_dtype(column) else value


def great_expectations() -> Any:
    """The library, with its telemetry and progress bars off."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    os.environ.setdefault("TQDM_DISABLE", "1")
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    import great_expectations as library

    return library
