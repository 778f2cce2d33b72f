"""k, l and prosecutor risk enforced on what is released: persons in classes too small or too alike go, or nothing is released."""

# ruff: noqa: S608 - queries hold names and numbers of our own alone
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox.contracts import Table
from sandbox.errors import KUnreachable
from sandbox.risk import Risk
from sandbox.risk_tables import measure_files
from sandbox.staging import PERSON, Stage, quasi, same, sensitive

DIGITS = 9  # of distances, since the order in which cores add them is not always the same


@dataclass(frozen=True, slots=True)
class Limits:
    """What policy asks of a snapshot (POLICY.md, `build`)."""

    min_k: int
    min_l: int
    max_prosecutor_risk: float

    @property
    def k(self) -> int:
        """The smallest class that meets both the least k and the largest prosecutor risk (1/k)."""
        by_risk = math.ceil(1 / self.max_prosecutor_risk - 1e-9) if self.max_prosecutor_risk > 0 else math.inf
        return int(max(self.min_k, by_risk))


def enforce(stage: Stage, limits: Limits) -> dict[str, Any]:
    """The persons whose classes are too small or too alike are gone from the stage's released rows; the risk that is left.

    Raises KUnreachable when more than the contract's share would have to go.
    """
    tables = [table for table in stage.contract.tables if quasi(table)]
    before = {table.name: stage.count(stage.candidates(table)) for table in tables}
    while True:  # who goes for one table's sake may leave too few in another's class, so all are looked at till nobody goes
        gone = 0
        for table in tables:
            gone += _suppress(stage, table, limits)
            _require_enough(stage, table, before[table.name], limits)
        if not gone:
            return _facts(stage, tables, before)


def _require_enough(stage: Stage, table: Table, before: int, limits: Limits) -> None:
    kept = stage.count(stage.released(table))
    gone = before - kept
    if not kept or gone > stage.contract.max_suppressed * before:
        raise KUnreachable(_sentence(stage, table, before, gone, limits))


def _facts(stage: Stage, tables: Sequence[Table], before: Mapping[str, int]) -> dict[str, Any]:
    """The risk of what is released, by table and at its worst, and the rows that went."""
    measured = {table.name: _risk(stage, table) for table in tables}
    told = {
        table.name: measured[table.name].as_json() | {"quasi": quasi(table), "sensitive": sensitive(table)} for table in tables
    }
    return {
        "k": min((one.k for one in measured.values()), default=None),
        "l": min((one.l for one in measured.values() if one.l is not None), default=None),
        "tables": told,
        "suppressed_rows": {name: rows - measured[name].rows for name, rows in before.items()},
    }


def _risk(stage: Stage, table: Table) -> Risk:
    """The risk of the rows that are released."""
    stage.duck.execute(f"CREATE OR REPLACE VIEW given AS SELECT * FROM {stage.released(table)}")
    found = measure_files(stage.duck, stage.quasi_of(table), stage.places(table, sensitive(table)))
    t, entropy_l = (None if value is None else round(value, DIGITS) for value in (found.t, found.entropy_l))
    return replace(found, t=t, entropy_l=entropy_l)


def _suppress(stage: Stage, table: Table, limits: Limits) -> int:
    """Nobody is released any more whose class of `table` is bad; how many persons, or classes of no person, that adds."""
    by, rows = stage.quasi_of(table), stage.released(table)
    named, person = ", ".join(by), stage.contract.person_column(table)
    counted = f"SELECT DISTINCT {named}, {PERSON} FROM {rows}" if person else f"SELECT {named} FROM {rows}"
    bad = [f"SELECT {named} FROM ({counted}) GROUP BY {named} HAVING count(*) < {limits.k}"]
    for place in stage.places(table, sensitive(table)):
        different = f"SELECT DISTINCT {named}, {place} FROM {rows}" if place not in by else f"SELECT DISTINCT {named} FROM {rows}"
        bad.append(f"SELECT {named} FROM ({different}) GROUP BY {named} HAVING count(*) < {limits.min_l}")
    classes = " UNION ".join(bad)
    whose = f"SELECT DISTINCT r.{PERSON} FROM {rows} r SEMI JOIN ({classes}) b ON {same(by, 'r', 'b')}"
    found = whose if person else classes
    stage.duck.execute(f"CREATE OR REPLACE TEMP TABLE found AS {found}")
    return int(stage.duck.execute(f"INSERT INTO {stage.gone(table)} SELECT * FROM found").fetchone()[0])


def _sentence(stage: Stage, table: Table, before: int, gone: int, limits: Limits) -> str:
    by = ", ".join(stage.quasi_of(table))
    k, classes = stage.duck.execute(
        f"SELECT min(n), count(*) FROM (SELECT count(*) AS n FROM {stage.candidates(table)} GROUP BY {by})"
    ).fetchone()
    now = f"k is {k} over {classes:,} classes of {', '.join(quasi(table))}" if before else "it has no rows"
    part = f"{gone:,} of {before:,} rows ({gone / max(before, 1):.0%})"
    return (
        f"k of {limits.k} and l of {limits.min_l} cannot be reached for table {table.name} without suppressing {part}; its"
        f" contract allows {stage.contract.max_suppressed:.0%}. As treated, {now}. Generalise more in the contract, or bring more"
        " rows."
    )
