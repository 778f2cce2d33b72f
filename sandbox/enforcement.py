"""k, l and prosecutor risk enforced on what is released: persons in classes too small or too alike go, or nothing is released."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from sandbox import risk
from sandbox.contracts import Class, Contract, Table
from sandbox.errors import KUnreachable

# Treatments after which a column no longer singles out a person by what is known outside: not counted into k.
UNLINKABLE = ("pseudonym", "shift-date", "suppress", "scrub")


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


def enforce(
    contract: Contract, frames: dict[str, pl.DataFrame], limits: Limits
) -> tuple[dict[str, pl.DataFrame], dict[str, Any]]:
    """The rows without the persons whose classes are too small or too alike, and the risk that is left.

    Raises KUnreachable when more than the contract's share would have to go.
    """
    before, tables = frames, [table for table in contract.tables if _quasi(table)]
    while True:  # who goes for one table's sake may leave too few in another's class, so all are looked at till nobody goes
        rows = sum(frame.height for frame in frames.values())
        for table in tables:
            frames, kept = _suppress(contract, table, frames, limits)
            _require_enough(contract, table, before[table.name], kept, limits)
        if sum(frame.height for frame in frames.values()) == rows:
            return frames, _facts(tables, before, frames)


def _require_enough(contract: Contract, table: Table, before: pl.DataFrame, kept: pl.DataFrame, limits: Limits) -> None:
    gone = before.height - kept.height
    if not kept.height or gone > contract.max_suppressed * before.height:
        raise KUnreachable(_sentence(table, before, _quasi(table), gone, limits, contract.max_suppressed))


def _facts(tables: Sequence[Table], before: Mapping[str, pl.DataFrame], after: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    """The risk of what is released, by table and at its worst, and the rows that went."""
    measured = {table.name: risk.measure(after[table.name], _quasi(table), _sensitive(table)) for table in tables}
    told = {
        table.name: measured[table.name].as_json() | {"quasi": _quasi(table), "sensitive": _sensitive(table)} for table in tables
    }
    return {
        "k": min((one.k for one in measured.values()), default=None),
        "l": min((one.l for one in measured.values() if one.l is not None), default=None),
        "tables": told,
        "suppressed_rows": {table.name: before[table.name].height - after[table.name].height for table in tables},
    }


def _suppress(
    contract: Contract, table: Table, frames: Mapping[str, pl.DataFrame], limits: Limits
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """All tables without the persons in bad classes of `table`, and `table` itself."""
    frame, quasi, person = frames[table.name], _quasi(table), contract.person_column(table)
    size = pl.col(person).n_unique().over(quasi) if person else pl.len().over(quasi)
    good = size >= limits.k
    for name in _sensitive(table):
        good &= pl.col(name).n_unique().over(quasi) >= limits.min_l
    kept = frame.filter(good)
    if person is None:
        return {**frames, table.name: kept}, kept
    gone = set(frame.filter(~good)[person].cast(pl.String).to_list())
    left = {}
    for other in contract.tables:
        column = contract.person_column(other)
        rows = frames[other.name]
        left[other.name] = rows.filter(~pl.col(column).cast(pl.String).is_in(gone)) if column and gone else rows
    return left, left[table.name]


def _sentence(table: Table, before: pl.DataFrame, quasi: Sequence[str], gone: int, limits: Limits, share: float) -> str:
    measured = risk.measure(before, quasi) if before.height else None
    now = f"k is {measured.k} over {measured.classes:,} classes of {', '.join(quasi)}" if measured else "it has no rows"
    part = f"{gone:,} of {before.height:,} rows ({gone / max(before.height, 1):.0%})"
    return (
        f"k of {limits.k} and l of {limits.min_l} cannot be reached for table {table.name} without suppressing {part}; its"
        f" contract allows {share:.0%}. As treated, {now}. Generalise more in the contract, or bring more rows."
    )


def _quasi(table: Table) -> list[str]:
    return [c.name for c in table.columns if c.class_ is Class.QUASI and c.treatment not in UNLINKABLE]


def _sensitive(table: Table) -> list[str]:
    return [c.name for c in table.columns if c.class_ is Class.SENSITIVE and c.treatment not in UNLINKABLE]
