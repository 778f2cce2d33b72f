"""Text columns in the types their contract gives them; what cannot be cast is counted, never shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import polars as pl

from sandbox.contracts import Table
from sandbox.errors import SourceMismatch

POLARS_TYPES: dict[str, Any] = {
    "string": pl.String,
    "integer": pl.Int64,
    "number": pl.Float64,
    "boolean": pl.Boolean,
    "date": pl.Date,
    "timestamp": pl.Datetime("us", "UTC"),
}
TRUE, FALSE = ["true", "t", "1", "yes"], ["false", "f", "0", "no"]


@dataclass(slots=True)
class Typing:
    """What was seen of a table's rows so far: their number, the columns there were, and by column the values of another type."""

    table: Table
    rows: int = 0
    there: set[str] = field(default_factory=set)
    wrong: dict[str, int] = field(default_factory=dict)

    def typed(self, texts: pl.DataFrame) -> pl.DataFrame:
        """`texts` with exactly the contract's columns, in its order and types. Raises SourceMismatch for a column too many."""
        described = {column.name for column in self.table.columns}
        if texts.columns and not described & set(texts.columns):  # no line of names, then, and it may tell of somebody
            raise SourceMismatch(f"The file of table {self.table.name} does not begin with the names of the contract's columns.")
        if new := sorted(set(texts.columns) - described):
            raise SourceMismatch(f"Table {self.table.name} has columns the contract does not describe: {', '.join(new)}.")
        self.rows += texts.height
        # A file of no lines says nothing about its columns.
        self.there |= set(texts.columns) if texts.columns or self.rows else described
        columns = []
        for column in self.table.columns:
            if column.name not in texts.columns:
                columns.append(pl.Series(column.name, [None] * texts.height, dtype=POLARS_TYPES[column.logical_type]))
                continue
            given = texts[column.name]
            made = cast(given, column.logical_type)
            if wrong := made.null_count() - given.null_count():
                self.wrong[column.name] = self.wrong.get(column.name, 0) + wrong
            columns.append(made)
        return pl.DataFrame(columns)

    def require_right(self) -> None:
        """Every required column was there, and every value of its type. Raises SourceMismatch."""
        for column in self.table.columns:
            if column.required and column.name not in self.there:
                raise SourceMismatch(f"Table {self.table.name} lacks column {column.name}.")
            if wrong := self.wrong.get(column.name):
                where = f"{self.table.name}.{column.name}"
                raise SourceMismatch(f"{where}: {wrong:,} of {self.rows:,} values are no {column.logical_type}.")


def one_zero(numbers: pl.Expr) -> pl.Expr:
    """The columns without the negative zero, so that equal rows have one order. Polars takes `+ 0.0` for nothing."""
    return pl.when(numbers == 0).then(0.0).otherwise(numbers).name.keep()


def cast(column: pl.Series, logical_type: str) -> pl.Series:
    """The column in its type; null where a value is none of it."""
    if logical_type == "boolean":
        lower = column.str.to_lowercase()
        made = pl.DataFrame({"lower": lower}).select(
            pl.when(pl.col("lower").is_in(TRUE)).then(True).when(pl.col("lower").is_in(FALSE)).then(False).alias(column.name)
        ).to_series()  # fmt: skip
    elif logical_type == "timestamp":
        made = column.str.replace(r"([+-]\d\d)$", "${1}:00").str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    elif logical_type == "date":
        made = column.str.to_date("%Y-%m-%d", strict=False)
    else:
        made = column.cast(POLARS_TYPES[logical_type], strict=False)
    if logical_type == "number":
        made = made.to_frame().select(one_zero(pl.all())).to_series()
    return made.alias(column.name)
