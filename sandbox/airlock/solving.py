"""Whether the counts of several tables, taken as linear equations, settle how many people are in a small group no table names.

The unknowns are the finest groups that the tables' conditions tell apart (atoms). An atom's count is settled when its unit vector
lies in the row space of the equations; the least-squares solution then holds its value. That people are not negative and not
halves, which can settle more, is not made use of, nor are tables that contradict each other because people came and went.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import inf, prod
from typing import Any

from sandbox.airlock.groups import Counted, interval

MOST_ATOMS, MOST_EQUATIONS = 500, 1_500
NEAR = 1e-6
OTHER = "\0any other value"
Cells = Sequence[Counted]


def newly_told(new: Cells, earlier: Cells, *, min_count: int) -> Iterator[tuple[Counted, Counted]]:
    """For each group of 1 to min_count - 1 that `new` settles and `earlier` alone did not: a cell of each that it takes."""
    for columns in _systems(new, earlier):
        mine, known = ([cell for cell in cells if {c for c, _ in cell.group} <= columns] for cells in (new, earlier))
        if len(mine) + len(known) < 3 or len(mine) + len(known) > MOST_EQUATIONS:
            continue
        settled = _settled([*mine, *known], columns, min_count)
        before = _settled(known, columns, min_count, as_in=[*mine, *known]) if settled else set()
        if settled - before:
            yield mine[0], known[0] if known else mine[-1]


def _systems(new: Cells, earlier: Cells) -> Iterator[frozenset[str]]:
    """Sets of columns to look at together: as many as keep the atoms few, beginning with those of each new table."""
    every = [*new, *earlier]
    columns = sorted({column for cell in every for column, _ in cell.group})
    sizes = {column: len(_parts(every, column)) + 1 for column in columns}
    seen: set[frozenset[str]] = set()
    for start in dict.fromkeys(frozenset(column for column, _ in cell.group) for cell in new):
        chosen = set(start)
        for column in sorted(columns, key=lambda one: sizes[one]):
            if prod(sizes[one] for one in chosen | {column}) <= MOST_ATOMS:
                chosen.add(column)
        if prod(sizes[one] for one in chosen) <= MOST_ATOMS and frozenset(chosen) not in seen:
            seen.add(frozenset(chosen))
            yield frozenset(chosen)


def _parts(cells: Cells, column: str) -> list[Any]:
    """The values, or pieces of intervals, that conditions on the column tell apart, beside any other."""
    values = sorted({value for cell in cells for name, value in cell.group if name == column})
    spans = [interval(value) for value in values]
    if not all(spans):
        return list(values)
    ends = sorted({end for span in spans if span for end in span} - {inf, -inf})
    return [*zip([-inf, *ends], [*ends, inf], strict=True)]


def _settled(cells: Cells, columns: frozenset[str], min_count: int, as_in: Cells | None = None) -> set[tuple[Any, ...]]:
    """The atoms of few people whose count is settled, taking a column's other values for empty wherever the tables allow it."""
    order = sorted(columns)
    parts = {column: _parts(as_in or cells, column) for column in order}
    open_columns = {column for column in order if not isinstance(parts[column][0], tuple)} if cells else set()
    found: set[tuple[Any, ...]] = set()
    for open_now in dict.fromkeys(
        (frozenset[str](), *(frozenset({one}) for one in sorted(open_columns)), frozenset(open_columns))
    ):
        found |= _few(cells, {one: [*parts[one], *([OTHER] if one in open_now else [])] for one in order}, min_count)
    return found


def _few(cells: Cells, parts: dict[str, list[Any]], min_count: int) -> set[tuple[Any, ...]]:
    """The atoms of these parts whose count is settled and of few people; none when the counts contradict each other."""
    import numpy as np

    atoms = list(product(*parts.values()))
    if not cells or len(atoms) > MOST_ATOMS:
        return set()
    matrix, counts = _equations(cells, parts)
    _, sizes, rows = np.linalg.svd(matrix, full_matrices=False)
    solution = np.linalg.lstsq(matrix, counts, rcond=None)[0]
    told = np.linalg.norm(rows[sizes > NEAR * max(sizes[0], 1.0)], axis=0) > 1 - NEAR
    if np.abs(matrix @ solution - counts).max() > 0.01 or (solution[told] < -0.5).any():
        return set()
    few = told & (solution > 0.5) & (solution < min_count - 0.5)
    return {atoms[place] for place in np.flatnonzero(few)}


def _equations(cells: Cells, parts: dict[str, list[Any]]) -> tuple[Any, Any]:
    """A row of ones and zeros for each different equation, one column an atom; and the counts."""
    import numpy as np

    where = dict(zip(parts, np.indices([len(one) for one in parts.values()]).reshape(len(parts), -1), strict=True))
    held = {
        (column, value): np.array([_holds(part, value) for part in parts[column]], dtype=float)
        for column, value in {condition for cell in cells for condition in cell.group}
    }
    equations = list(dict.fromkeys((cell.group, cell.n) for cell in cells))
    matrix = np.ones((len(equations), prod(len(one) for one in parts.values())))
    for number, (group, _) in enumerate(equations):
        for column, value in group:
            matrix[number] *= held[column, value][where[column]]
    return matrix, np.array([n for _, n in equations], dtype=float)


def _holds(part: Any, value: str) -> bool:
    """The part of a column lies in what the value stands for."""
    if not isinstance(part, tuple):
        return bool(part == value)
    span = interval(value)
    return span is not None and span[0] <= part[0] and part[1] <= span[1]
