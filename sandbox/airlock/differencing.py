"""Whether tables, each safe alone, tell of a few people when one is subtracted from another.

A cell is a group (conditions on columns) with its count. Unsafe is a difference of fewer people than the threshold between:
the same group at two times; a group and one inside it; a group and the sum of one table's groups inside it; an interval and
those within; and whatever else the counts of all tables, taken as equations, settle. All earlier releases of the
project count, whenever they were made.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from sandbox.airlock.groups import Counted, Group, interval
from sandbox.airlock.solving import newly_told

# Conditions of more columns than this are compared with the whole and with groups of one condition less only.
MOST_COLUMNS = 8


@dataclass(frozen=True, slots=True)
class Difference:
    """Fewer people than the threshold are told by `table` (of the request looked at) and a table of `with_request`."""

    table: str
    with_table: str
    with_request: str | None
    how: str


def differences(new: Sequence[Counted], earlier: Sequence[Counted], *, min_count: int) -> list[Difference]:
    """Every way found in which `new` together with `earlier`, or by itself, tells of fewer than `min_count`; each once."""
    aliases = _aliases(new, earlier)
    every = [*(_renamed(cell, aliases) for cell in new), *earlier]
    index: dict[Group, list[Counted]] = defaultdict(list)
    for cell in every:
        index[cell.group].append(cell)
    found: dict[Difference, None] = {}
    ways = {
        "same group": _same(index),
        "group inside a group": _inside(every, index),
        "sum of groups inside a group": _sums(every, index),
        "interval inside an interval": _intervals(every),
    }
    for how, pairs in ways.items():
        for a, b, difference in pairs:
            if 0 < abs(difference) < min_count and (a.request is None or b.request is None):
                mine, other = (a, b) if a.request is None else (b, a)
                found[Difference(mine.table, other.table, other.request, how)] = None
    if not found:  # what the ways above see needs no equations
        for mine, other in newly_told([cell for cell in every if cell.request is None], earlier, min_count=min_count):
            found[Difference(mine.table, other.table, other.request, "sums and differences of several groups")] = None
    return list(found)


Pairs = Iterable[tuple[Counted, Counted, int]]


def _same(index: Mapping[Group, Sequence[Counted]]) -> Pairs:
    for cells in index.values():
        for a, b in combinations(cells, 2):
            yield a, b, a.n - b.n


def _larger(group: Group) -> Iterable[Group]:
    """The groups that hold this one, by leaving conditions out."""
    conditions = sorted(group)
    sizes = range(len(conditions)) if len(conditions) <= MOST_COLUMNS else (0, 1, len(conditions) - 1)
    for size in sizes:
        yield from map(frozenset, combinations(conditions, size))


def _inside(every: Sequence[Counted], index: Mapping[Group, Sequence[Counted]]) -> Pairs:
    for cell in every:
        for larger in _larger(cell.group):
            for whole in index.get(larger, ()):
                yield whole, cell, whole.n - cell.n


def _sums(every: Sequence[Counted], index: Mapping[Group, Sequence[Counted]]) -> Pairs:
    """A group against all groups of one table that lie in it and are told apart by the same columns."""
    sums: dict[tuple[str | None, str, Group, tuple[str, ...]], list[Counted]] = defaultdict(list)
    for cell in every:
        columns = tuple(sorted(column for column, _ in cell.group))
        for larger in _larger(cell.group):
            if larger in index:
                sums[cell.request, cell.table, larger, columns].append(cell)
    for (_, _, larger, _), cells in sums.items():
        apart = {cell.group: cell for cell in cells}
        if _overlap(apart):
            continue
        total = sum(cell.n for cell in apart.values())
        for whole in index[larger]:
            yield whole, cells[0], whole.n - total


def _overlap(groups: Iterable[Group]) -> bool:
    """Some of the groups share people: their intervals cross."""
    by_rest: dict[tuple[str, Group], list[tuple[float, float]]] = defaultdict(list)
    for group in groups:
        for column, value in group:
            if (found := interval(value)) and found[0] != found[1]:
                by_rest[column, group - {(column, value)}].append(found)
    return any(a[0] < b[1] and b[0] < a[1] for spans in by_rest.values() for a, b in combinations(spans, 2))


def _intervals(every: Sequence[Counted]) -> Pairs:
    """Groups that differ in one interval only: one within another, and all of one table that lie in it."""
    by_rest: dict[tuple[str, Group], list[tuple[tuple[float, float], Counted]]] = defaultdict(list)
    for cell in every:
        for column, value in cell.group:
            if span := interval(value):
                by_rest[column, cell.group - {(column, value)}].append((span, cell))
    for cells in by_rest.values():
        for span, whole in cells:
            inside: dict[tuple[str | None, str], list[tuple[tuple[float, float], Counted]]] = defaultdict(list)
            for other, cell in cells:
                if cell is not whole and span[0] <= other[0] and other[1] <= span[1]:
                    inside[cell.request, cell.table].append((other, cell))
                    yield whole, cell, whole.n - cell.n
            for parts in inside.values():
                if not any(a[0] < b[1] and b[0] < a[1] for (a, _), (b, _) in combinations(parts, 2)):
                    yield whole, parts[0][1], whole.n - sum(cell.n for _, cell in parts)


def _values(cells: Iterable[Counted]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for cell in cells:
        for column, value in cell.group:
            found[column].add(value)
    return found


def _aliases(new: Sequence[Counted], earlier: Sequence[Counted]) -> dict[str, str]:
    """Columns that were renamed: another name, but values among those an earlier column had (yes and no alone do not count)."""
    mine, known = _values(new), _values(earlier)
    found = {}
    for column, values in mine.items():
        telling = values - {"yes", "no", "true", "false", "0", "1", "y", "n"}
        if column in known or not telling:
            continue
        same = [other for other, had in known.items() if telling <= had or (had <= telling and had - {"yes", "no", "0", "1"})]
        if len(same) == 1:
            found[column] = same[0]
    return found


def _renamed(cell: Counted, aliases: Mapping[str, str]) -> Counted:
    group = frozenset((aliases.get(column, column), value) for column, value in cell.group)
    return Counted(cell.table, group, cell.n, cell.request)
