"""Tables of aggregates as cells: which group, defined by what, and how many people are in it.

A column is the count when it is called so or declared; columns of words before it, and declared ones, define the group;
what else is numeric is a measure of the group.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

COUNT = re.compile(r"(n|count|counts|freq|frequency|cases|patients|persons|people|rows|size|records|encounters|subjects)", re.I)
PART = re.compile(r"(?:(?:n|count|num|number)[_ .](.+))|(?:(.+)[_ .](?:n|count))", re.I)
EXTREME = re.compile(r"(^|[_ .])(min|max|minimum|maximum|first|last|p\d\d?|percentile|mode|median|q[013]|iqr)([_ .]|$|\d)", re.I)
TOTAL = re.compile(r"(sum|total|mean|avg|average)", re.I)
SHARE = re.compile(r"(rate|pct|percent|percentage|share|proportion|prop|prevalence|%)", re.I)
HIDDEN = re.compile(r"\s*(|-|\*+|\.+|x|c|s|na|n/a|nan|none|null|suppressed|redacted|[<≤]\s*\d+)\s*", re.I)
WHOLE = re.compile(r"\s*(all|total|totals|overall|sum|any|grand total|\(all\))\s*", re.I)
MOST_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Declared:
    """What the author says of a table: its group columns, its count, conditions that hold for all of it, its evidence."""

    groups: tuple[str, ...] = ()
    count: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Declared:
        """From JSON; what is not of its type is left out, and so found undeclared."""
        groups, where, counts = given.get("groups") or (), given.get("where") or {}, given.get("counts") or {}
        return cls(
            tuple(map(str, groups)) if isinstance(groups, list) else (),
            str(given["count"]) if isinstance(given.get("count"), str) else None,
            {str(key): str(value) for key, value in where.items()} if isinstance(where, Mapping) else {},
            {str(c): {str(k): str(v) for k, v in w.items()} for c, w in counts.items() if isinstance(w, Mapping)}
            if isinstance(counts, Mapping) else {},
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One group: `where` holds column -> value, `n` how many are in it (None: suppressed), `row` its line in the table."""

    where: Mapping[str, str]
    n: int | None
    row: int


@dataclass(frozen=True, slots=True)
class Table:
    """A table as cells. `measures` holds for each row column -> number; None when no count can be told."""

    name: str
    cells: tuple[Cell, ...]
    measures: tuple[tuple[int, str, float, int], ...]  # row, column, value, n of the row


def parse_csv(text: str) -> list[list[str]]:
    """The rows of a delimited text, whatever of , ; tab | parts its columns."""
    first = text.lstrip("\ufeff").split("\n", 1)[0]
    delimiter = max(",;\t|", key=first.count)
    return [
        row for row in csv.reader(io.StringIO(text.lstrip("\ufeff")), delimiter=delimiter) if any(part.strip() for part in row)
    ]


def read(name: str, rows: Sequence[Sequence[str]], declared: Declared) -> Table | None:
    """The table, or None when what its groups and counts are cannot be told, and so not what it discloses."""
    if len(rows) < 2 or len(rows) > MOST_ROWS:
        return None
    header = [column.strip() for column in rows[0]]
    if any(part.strip() for row in rows[1:] for part in row[len(header) :]):
        return None
    body = [[*row, *[""] * (len(header) - len(row))] for row in rows[1:]]
    counts = _counts(header, body, declared)
    if not counts or len(set(header)) < len(header):
        return None
    main = next((column for column, where in counts.items() if not where), None)
    groups = declared.groups or _groups(header, body, counts, main)
    cells, measures = [], []
    for number, row in enumerate(body, 2):
        values = dict(zip(header, row, strict=False))
        where = dict(declared.where) | {column: values.get(column, "").strip() for column in groups}
        where = {_name(column): value.casefold() for column, value in where.items() if not WHOLE.fullmatch(value)}
        for column, more in counts.items():
            extra = {_name(key): value.casefold() for key, value in more.items()}
            cells.append(Cell(where | extra, _count(values[column]), number))
        n = _count(values[main]) if main else None
        for column in header:
            amount = _number(values[column])
            if column not in counts and column not in groups and amount is not None and n is not None:
                measures.append((number, column, amount, n))
    return Table(name, tuple(cells), tuple(measures))


def _counts(header: Sequence[str], body: Sequence[Sequence[str]], declared: Declared) -> dict[str, dict[str, str]]:
    """Count column -> conditions of its own beside those of the row."""
    found: dict[str, dict[str, str]] = {column: dict(where) for column, where in declared.counts.items() if column in header}
    if declared.count in header and declared.count is not None:
        found[declared.count] = {}
    if found:
        return found
    for place, column in enumerate(header):
        if not all(_count(row[place]) is not None or HIDDEN.fullmatch(row[place]) for row in body):
            continue
        part = PART.fullmatch(column)
        if COUNT.fullmatch(column) and {} not in found.values():
            found[column] = {}
        elif part:
            found[column] = {str(part[1] or part[2]): "yes"}
    if {} not in found.values():  # a count called n_patients stands for the row when nothing else does
        for column, where in found.items():
            if any(COUNT.fullmatch(key) for key in where):
                found[column] = {}
                break
    return found


def _groups(header: Sequence[str], body: Sequence[Sequence[str]], counts: Mapping[str, Any], main: str | None) -> tuple[str, ...]:
    """Columns before the count, and columns of words anywhere."""
    before = header.index(main) if main else 0
    words = [any(_number(row[i]) is None and not HIDDEN.fullmatch(row[i]) for row in body) for i in range(len(header))]
    return tuple(c for i, c in enumerate(header) if c not in counts and (i < before or words[i]))


def _name(column: str) -> str:
    return re.sub(r"[^a-z0-9]", "", column.casefold())


def _count(text: str) -> int | None:
    number = _number(text)
    return int(number) if number is not None and number == int(number) and number >= 0 else None


def _number(text: str) -> float | None:
    plain = (
        text.strip().rstrip("%").replace(",", "")
        if re.fullmatch(r"\s*-?\d{1,3}(,\d{3})+(\.\d+)?%?\s*", text)
        else text.strip().rstrip("%")
    )
    try:
        value = float(plain)
    except ValueError:
        return None
    return value if abs(value) < 1e15 else None
