"""Live rows looked at before anything is made of them: columns, types, keys and references are as the contract says.

Of keys and references only digests are kept, of 64 bits seeded anew each time, in a DuckDB that spills to disk.
"""

# ruff: noqa: S608 - queries hold names and numbers of our own alone
from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from sandbox.contracts import Contract, Table
from sandbox.counting import counting
from sandbox.errors import SourceMismatch
from sandbox.sources import Source
from sandbox.typing_rows import Typing

KEY = "key"


class Survey:
    """What was seen of a dataset's rows: `rows` and `digests` by table once all of them were looked at."""

    def __init__(self, contract: Contract, duck: Any) -> None:
        self._contract, self._duck = contract, duck
        self._seed = secrets.randbits(64)
        self.rows: dict[str, int] = {}
        self.digests: dict[str, str] = {}

    def look(self, table: Table, source: Source) -> Iterator[pl.DataFrame]:
        """The table's rows, typed; once they were all taken its columns, types and key are right. Raises SourceMismatch."""
        typing, sha, missing = Typing(table), hashlib.sha256(), 0
        keys = [column.name for column in table.columns if column.primary_key]
        self._duck.execute(f"CREATE TABLE {self._name(table)} ({', '.join(f'{c} UBIGINT' for c in self._noted(table))})")
        for number, texts in enumerate(source.batches(table)):
            rows = typing.typed(texts)
            sha.update(rows.write_csv(include_header=number == 0).encode())
            missing += int(rows.select(pl.any_horizontal(pl.col(keys).is_null())).to_series().sum()) if keys else 0
            self._note(table, keys, rows)
            yield rows
        typing.require_right()
        self.rows[table.name], self.digests[table.name] = typing.rows, f"sha256:{sha.hexdigest()}"
        named = f"Table {table.name}: the key {', '.join(keys)}"
        if missing:
            raise SourceMismatch(f"{named} is missing in {missing:,} rows.")
        if keys and (repeated := typing.rows - self._count(f"SELECT DISTINCT {KEY} FROM {self._name(table)}")):
            raise SourceMismatch(f"{named} is repeated in {repeated:,} rows.")

    def require_references(self) -> None:
        """Every reference is to a row that is there. Raises SourceMismatch."""
        for table in self._contract.tables:
            for column in table.columns:
                if not column.references:
                    continue
                home, _, key = column.references.partition(".")
                there = self._contract.table(home)
                here, other = self._place(table, column.name), self._place(there, key)
                orphans = self._count(
                    f"SELECT h.{here} FROM {self._name(table)} h ANTI JOIN {self._name(there)} t ON h.{here} = t.{other}"
                    f" WHERE h.{here} IS NOT NULL"
                )
                if orphans:
                    raise SourceMismatch(f"{table.name}.{column.name}: {orphans:,} rows refer to no row of {home}.")

    def _count(self, query: str) -> int:
        return int(self._duck.execute(f"SELECT count(*) FROM ({query})").fetchone()[0])

    def _name(self, table: Table) -> str:
        return f"seen_{self._contract.tables.index(table)}"

    def _place(self, table: Table, column: str) -> str:
        return f"c{[c.name for c in table.columns].index(column)}"

    def _noted(self, table: Table) -> list[str]:
        """The columns kept of a table: its key's digest, each reference, and what is referred to."""
        wanted = {c.references for t in self._contract.tables for c in t.columns if c.references}
        told = [c.name for c in table.columns if c.references or f"{table.name}.{c.name}" in wanted]
        return [KEY, *(self._place(table, name) for name in told)]

    def _note(self, table: Table, keys: list[str], rows: pl.DataFrame) -> None:
        def hashed(told: pl.Expr) -> pl.Expr:
            return told.hash(self._seed)

        key = hashed(pl.struct(pl.col(keys).cast(pl.String))) if keys else pl.lit(None, dtype=pl.UInt64)
        columns = [key.alias(KEY)]
        for place in self._noted(table)[1:]:
            text = pl.col(table.columns[int(place[1:])].name).cast(pl.String)
            columns.append(pl.when(text.is_not_null()).then(hashed(text)).alias(place))
        noted = rows.select(columns)  # noqa: F841 - DuckDB reads it by its name
        self._duck.execute(f"INSERT INTO {self._name(table)} SELECT * FROM noted")


def read_tables(contract: Contract, source: Source) -> dict[str, pl.DataFrame]:
    """Table -> all its rows, typed and checked as `Survey` says.

    Raises SourceMismatch naming table, column and row count, never a value.
    """
    with surveying(contract) as survey:
        frames = {table.name: pl.concat(list(survey.look(table, source))) for table in contract.tables}
        survey.require_references()
    return frames


@contextmanager
def surveying(contract: Contract, folder: Path | None = None) -> Iterator[Survey]:
    """A survey of its own, which spills into `folder`, else into a temporary one."""
    with counting(folder) as duck:
        yield Survey(contract, duck)
