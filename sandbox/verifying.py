"""A snapshot judged from its own files: signature, bytes, what each treatment leaves of a column, k and l measured again.

Nothing but the folder and the public key is needed; a contract, where one is given, must be the one that the manifest names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from compliance.attestations import Statement
from sandbox import risk
from sandbox.contracts import Contract
from sandbox.errors import InvalidSnapshot
from sandbox.manifests import PREDICATE_TYPE, files_of, signed_statement, snapshot_digest, table_of
from sandbox.treatments.zip3 import SPARSE

PSEUDONYM, ZIP3 = r"^[0-9a-f]{32}$", r"^\d{3}$"
DROPPED = "suppress"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked: `code` names it, `where` the file, table or column, `detail` what is wrong with it."""

    code: str
    where: str
    passed: bool
    detail: str = ""

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "where": self.where, "passed": self.passed, "detail": self.detail}


def verify(folder: Path, public_keys: Mapping[str, str], contract: Contract | None = None) -> tuple[str, list[Check]]:
    """The snapshot's digest, and every check with its outcome. Raises InvalidSnapshot where nothing is signed."""
    statement = signed_statement(folder, public_keys)
    checks = [Check("signature", "manifest", passed=True)]
    if statement.predicate_type != PREDICATE_TYPE:
        raise InvalidSnapshot("What was signed is no snapshot's manifest.")
    checks += _bytes(folder, statement)
    if contract is not None:
        same = contract.digest == statement.predicate["contract"]["digest"]
        checks.append(Check("contract", contract.id, same, "" if same else "the manifest names another contract"))
    if all(check.passed for check in checks):
        checks += _contents(folder, statement)
    return snapshot_digest(statement), checks


def _bytes(folder: Path, statement: Statement) -> Iterator[Check]:
    here, named = files_of(folder), {subject.name: subject.digest for subject in statement.subjects}
    for name in sorted({*here, *named}):
        wrong = "is missing" if name not in here else "is not in the manifest" if name not in named else "has other bytes"
        passed = here.get(name) == named.get(name)
        yield Check("bytes", name, passed, "" if passed else wrong)


def _contents(folder: Path, statement: Statement) -> Iterator[Check]:
    recipe, facts = statement.predicate["recipe"], statement.predicate["risk"]
    for subject in statement.subjects:
        table = table_of(subject.name)
        try:
            frame = pl.read_parquet(folder / subject.name)
        except pl.exceptions.PolarsError:
            yield Check("table", table, passed=False, detail="cannot be read as Parquet")
            continue
        told = {name.partition(".")[2]: str(t) for name, t in recipe["treatments"].items() if name.partition(".")[0] == table}
        yield _same_columns(table, frame, told)
        for name in frame.columns:
            if name in told:
                yield _treated(table, frame[name], told[name], recipe.get("options", {}).get(f"{table}.{name}", {}))
        if table in facts["tables"]:
            yield from _risk(table, frame, facts["tables"][table], statement.predicate["limits"])


def _same_columns(table: str, frame: pl.DataFrame, told: Mapping[str, str]) -> Check:
    wrong = sorted(set(frame.columns) ^ {name for name, treatment in told.items() if treatment != DROPPED})
    return Check("columns", table, not wrong, f"not as the treatments leave them: {', '.join(wrong)}" if wrong else "")


def _treated(table: str, column: pl.Series, treatment: str, options: Mapping[str, Any]) -> Check:
    """No value of the column is one that its treatment cannot give."""
    holds = SHAPES.get(treatment)
    given = column.drop_nulls()
    where = f"{table}.{column.name}"
    try:
        wrong = int((~holds(given, options)).sum()) if holds and len(given) else 0
    except (pl.exceptions.PolarsError, TypeError, ValueError):
        return Check("treatment", where, passed=False, detail=f"is of a type that {treatment} does not give")
    return Check(
        "treatment", where, not wrong, f"{wrong:,} of {len(column):,} values cannot come of {treatment}" if wrong else ""
    )


def _risk(table: str, frame: pl.DataFrame, told: Mapping[str, Any], limits: Mapping[str, Any]) -> Iterator[Check]:
    """k and l, measured from the file, are those the manifest states, and within its limits."""
    measured = risk.measure(frame, told["quasi"], told["sensitive"])
    for name, least in (("k", limits["k"]), ("l", limits["min_l"])):
        found = getattr(measured, name)
        wrong = "" if found == told[name] else f"the manifest states {told[name]}, the file has {found}"
        if not wrong and found is not None and found < least:
            wrong = f"is {found}, below the limit of {least}"
        yield Check(name, table, not wrong, wrong)


def _year(column: pl.Series, options: Mapping[str, Any]) -> pl.Series:
    width = int(options.get("width", 1))
    oldest = (int(options["oldest"]) // width) * width if "oldest" in options else -9_999
    return (column % width == 0) & (column >= oldest) & (column <= 9_999)


def _zip3(column: pl.Series, options: Mapping[str, Any]) -> pl.Series:
    return column.str.contains(ZIP3) & ~column.is_in(sorted(SPARSE))


def _bin(column: pl.Series, options: Mapping[str, Any]) -> pl.Series:
    if "groups" in options:
        return column.is_in([*map(str, options["groups"]), "other"])
    width = options.get("width", 1)
    multiple: pl.Series = ((column / width).round() * width - column).abs() < 1e-9 * max(1.0, abs(float(width)))
    low = options["lowest"] // width * width if "lowest" in options else None
    return _within(column, low, options.get("highest")) & multiple


def _round(column: pl.Series, options: Mapping[str, Any]) -> pl.Series:
    to = options.get("to", 1)
    if not isinstance(to, str):
        multiple: pl.Series = ((column / to).round() * to - column).abs() < 1e-9 * max(1.0, abs(float(to)))
        return multiple
    first: pl.Series = column.dt.day() == 1
    months = {"month": 1, "quarter": 3, "year": 12}[to]
    return first & ((column.dt.month() - 1) % months == 0)


def _within(column: pl.Series, low: float | None, high: float | None) -> pl.Series:
    least = column >= low if low is not None else column == column  # noqa: PLR0124 - true for every value
    return least & (column <= high) if high is not None else least


# What of a value shows that its treatment was applied; of the others (keep, shift-date, scrub) a value alone tells nothing.
SHAPES: Mapping[str, Callable[[pl.Series, Mapping[str, Any]], pl.Series]] = {
    "pseudonym": lambda column, options: column.str.contains(PSEUDONYM),
    "zip3": _zip3,
    "year": _year,
    "bin": _bin,
    "round": _round,
    "noise": lambda column, options: _within(column, options.get("lowest"), options.get("highest")),
}
