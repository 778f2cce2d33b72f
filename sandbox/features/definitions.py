"""What a feature definition is: which rows, as of when, what lies beside them, what came before, and the values made of it.

A definition is Ibis expressions over tables it names. What came before a row is given to it already cut at that row's time, so a
definition cannot look ahead; and a row's own columns are those the definition says are known then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.errors import InvalidFeatures

NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
COLUMN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
VERSION = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4}){0,2}")
TAKEN = ("as_of", "known", "row_id", "person", "label")

# An Ibis table in, Ibis values out: feature name -> expression.
Values = Callable[[Any], Mapping[str, Any]]


def _nothing(table: Any) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class Rows:
    """One row of features for each row of `table`, named by `entity`, as of the time in `as_of`.

    `columns` are those known at that time; `person` is the column that says whose row it is.
    """

    table: str
    entity: str
    as_of: str
    person: str
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Beside:
    """Columns of the one row of `table` whose `by` equals the row's; known at any time, such as a year of birth."""

    table: str
    by: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class History:
    """Values over the rows of `table` with the row's `by` whose `known` lies strictly before the row's time.

    `values` is given those rows as `columns`, `known` and `as_of`, and returns aggregates; a count of none is 0, all else null.
    """

    table: str
    by: str
    known: str
    values: Values
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Definition:
    """A feature definition, known by name and version. `values` sees a row with all that is beside it and came before.

    `label` is the column of the rows' table that a model learns; it is given for training and never to `values`.
    """

    name: str
    version: str
    dataset: str
    rows: Rows
    values: Values = _nothing
    beside: tuple[Beside, ...] = ()
    history: tuple[History, ...] = ()
    label: str | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or not VERSION.fullmatch(self.version) or not NAME.fullmatch(self.dataset):
            raise InvalidFeatures("A definition's name and dataset are of a-z, 0-9 and _; its version is like 1.0.0.")
        if any(not COLUMN.fullmatch(part) for name in self.reads for part in name.split(".")):
            raise InvalidFeatures(f"{self.name}: tables and columns have plain names.")
        shown = [*self.rows.columns, *(column for one in self.beside for column in one.columns)]
        if len(set(shown)) < len(shown):
            raise InvalidFeatures(f"{self.name}: a column stands in a row twice; leave it out of `beside` or `rows`.")
        if self.label is not None and self.label in self.rows.columns:
            raise InvalidFeatures(f"{self.name}: the label {self.label} is not known at the row's time, so not a column of it.")

    def tables(self) -> dict[str, tuple[str, ...]]:
        """table -> the columns that are read of it, sorted."""
        read: dict[str, set[str]] = {}
        for table, columns in self._read():
            read.setdefault(table, set()).update(columns)
        return {table: tuple(sorted(columns)) for table, columns in sorted(read.items())}

    @property
    def reads(self) -> tuple[str, ...]:
        """All that is read, as table.column, sorted."""
        return tuple(f"{table}.{column}" for table, columns in self.tables().items() for column in columns)

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns of the rows' table by which other tables are joined."""
        return (*(one.by for one in self.beside), *(one.by for one in self.history))

    def _read(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        rows = self.rows
        label = [self.label] if self.label else []
        yield rows.table, (rows.entity, rows.as_of, rows.person, *rows.columns, *self.keys, *label)
        for one in self.beside:
            yield one.table, (one.by, *one.columns)
        for past in self.history:
            yield past.table, (past.by, past.known, *past.columns)
