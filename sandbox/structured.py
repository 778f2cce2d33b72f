"""The treatments of a table's columns; each looks at one row alone, so part of the rows gives that part of the outcome."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from sandbox.contracts import Table
from sandbox.errors import SourceMismatch
from sandbox.treatments import TREATMENTS, Keyed

# Gives what a function of rows gives for the whole frame, wherever it is run.
Spread = Callable[[pl.DataFrame, Callable[[pl.DataFrame], pl.DataFrame]], pl.DataFrame]


def whole(frame: pl.DataFrame, function: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
    """The function's outcome, made here and at once."""
    return function(frame)


def treat_rows(table: Table, person: str | None, key: bytes, total: int, rows: pl.DataFrame) -> pl.DataFrame:
    """The columns that a treatment leaves, free text aside; `total` is how many rows the table has.

    Raises SourceMismatch naming table, column and that count.
    """
    persons = rows[person] if person else None
    columns = []
    for column in table.columns:
        apply = TREATMENTS[str(column.treatment)]
        if apply is None:
            continue
        try:
            made = apply(rows[column.name], column.options, Keyed(key, column.kind, persons))
        except (pl.exceptions.PolarsError, ValueError, TypeError, OverflowError) as error:
            where = f"{table.name}.{column.name}"
            raise SourceMismatch(f"{where}: treatment {column.treatment} fails on its {total:,} rows.") from error
        columns.append(made.alias(column.name))
    return pl.DataFrame(columns)
