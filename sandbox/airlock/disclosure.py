"""Whether a table of aggregates tells of single people: threshold, small numerators, extremes, dominance and p-percent.

The rules are those of statistical offices (Handbook on Statistical Disclosure Control, 4.2): a cell is unsafe when too few are in
it, when its largest contributors make up most of it, or when the second largest could work out the largest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.airlock.findings import Finding
from sandbox.airlock.tables import EXTREME, SHARE, TOTAL, Table

PERCENT = re.compile(r"pct|percent|%", re.I)
LARGEST, SECOND = "__largest", "__second"


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits: fewest people in a cell, share that the two largest may make up, and p of the p-percent rule."""

    min_count: int = 10
    dominance_share: float = 0.9
    p_percent: float = 0.1

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Rules:
        """From policy data; what is missing is as above."""
        return cls(**{name: given[name] for name in cls.__slots__ if name in given})


def judge(table: Table, evidence: Sequence[Mapping[str, float]] | None, rules: Rules) -> list[Finding]:
    """The findings of one table. `evidence` holds for each of its rows the largest contributions, by measure."""
    found = []
    small = sorted({cell.row for cell in table.cells if cell.n is not None and 0 < cell.n < rules.min_count})
    if small:
        found.append(_stop("below_threshold", table, small, f"Groups of fewer than {rules.min_count}; merge or suppress them."))
    empty = sorted({cell.row for cell in table.cells if cell.n == 0})
    if empty:
        found.append(
            Finding("empty_groups", "judge", table.name, _lines(empty), "Empty groups can tell that nobody has something.")
        )
    found += _measures(table, evidence, rules)
    return found


def _measures(table: Table, evidence: Sequence[Mapping[str, float]] | None, rules: Rules) -> list[Finding]:
    rows: dict[tuple[str, str], list[int]] = {}
    for row, column, value, n in table.measures:
        code = _measure(column, value, n, evidence[row - 2] if evidence and row - 2 < len(evidence) else None, rules)
        if code:
            rows.setdefault((code, column), []).append(row)
    sentences = {
        "extreme_value": "A smallest, largest or middle value is one person's value; give ranges or rounded means instead.",
        "small_numerator": f"A share together with its count tells of fewer than {rules.min_count} people.",
        "contributions_missing": "A sum or mean needs the two largest contributions of each group as evidence.",
        "dominance": "The two largest make up nearly all of a sum.",
        "p_percent": "The second largest could work out the largest too closely.",
    }
    return [
        _stop(code, table, sorted(set(lines)), f"Column {column[:60]}: {sentences[code]}")
        for (code, column), lines in rows.items()
    ]


def _measure(column: str, value: float, n: int, evidence: Mapping[str, float] | None, rules: Rules) -> str | None:
    if EXTREME.search(column):
        return "extreme_value"
    if SHARE.search(column):
        near = round(value * n / (100 if value > 1 or PERCENT.search(column) else 1))
        return "small_numerator" if 0 < near < rules.min_count or 0 < n - near < rules.min_count else None
    if not TOTAL.search(column):
        return None
    return _contributions(column, value, n, evidence, rules)


def _contributions(column: str, value: float, n: int, evidence: Mapping[str, float] | None, rules: Rules) -> str | None:
    """Dominance (n = 2, k) and p-percent, on the sum (a mean times its count)."""
    if not evidence or column + LARGEST not in evidence or column + SECOND not in evidence:
        return "contributions_missing"
    largest, second = abs(evidence[column + LARGEST]), abs(evidence[column + SECOND])
    total = abs(value) * (n if any(word in column.lower() for word in ("mean", "avg", "average")) else 1)
    if total and largest + second > rules.dominance_share * total:
        return "dominance"
    return "p_percent" if total - largest - second < rules.p_percent * largest else None


def _stop(code: str, table: Table, rows: Sequence[int], sentence: str) -> Finding:
    return Finding(code, "stop", table.name, _lines(rows), sentence)


def _lines(rows: Sequence[int]) -> str:
    shown = ", ".join(map(str, rows[:10]))
    return f"lines {shown}" + (f" and {len(rows) - 10} more" if len(rows) > 10 else "")
