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
    facts: dict[str, Any] = {"k": None, "l": None, "tables": {}, "suppressed_rows": {}}
    for table in contract.tables:
        quasi, sensitive = _quasi(table), _sensitive(table)
        if not quasi:
            continue
        before = frames[table.name]
        frames, kept = _suppress(contract, table, frames, limits)
        gone = before.height - kept.height
        if not kept.height or gone > contract.max_suppressed * before.height:
            raise KUnreachable(_sentence(table, before, quasi, gone, limits, contract.max_suppressed))
        measured = risk.measure(kept, quasi, sensitive)
        facts["tables"][table.name] = measured.as_json() | {"quasi": quasi, "sensitive": sensitive}
        facts["suppressed_rows"][table.name] = gone
        facts["k"] = measured.k if facts["k"] is None else min(facts["k"], measured.k)
        if measured.l is not None:
            facts["l"] = measured.l if facts["l"] is None else min(facts["l"], measured.l)
    return frames, facts


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
