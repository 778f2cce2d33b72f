"""Where live rows come from: a folder of table files, or a PostgreSQL schema. Both give a table's rows some at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import polars as pl
from psycopg import Connection, sql
from psycopg import Error as PostgresError

from sandbox.contracts import Table
from sandbox.errors import SourceMismatch
from sandbox.table_files import ROWS, batches_of, table_files

BATCH_BYTES = 16 * 1024 * 1024


class Source(Protocol):
    """Gives a table's rows as text columns, at least one frame; what a column means is the contract's to say."""

    def batches(self, table: Table) -> Iterator[pl.DataFrame]: ...


class FolderSource:
    """Table files in a folder: one a table, named after it, or a folder of them, named after it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def batches(self, table: Table) -> Iterator[pl.DataFrame]:
        """The table's rows, every column as text. Raises SourceMismatch."""
        for path in table_files(self._folder, table.name):
            yield from batches_of(table.name, path)


class PostgresSource:
    """The tables of one schema of the live database; all as of one moment where the connection repeats its reads."""

    def __init__(self, connection: Connection[Any], schema: str) -> None:
        self._connection, self._schema = connection, schema

    def batches(self, table: Table) -> Iterator[pl.DataFrame]:
        """The table's rows in the order of its key, every column as text. Raises SourceMismatch."""
        names = {column.name.lower(): column.name for column in table.columns}
        for text in self._texts(table):
            frame = pl.read_csv(text, infer_schema=False)
            yield frame.rename({name: names[name] for name in frame.columns if name in names})

    def _texts(self, table: Table) -> Iterator[bytes]:
        """CSV with its header, some rows at a time: PostgreSQL sends each row as a message of its own."""
        key = [sql.Identifier(column.name.lower()) for column in table.columns if column.primary_key]
        order = sql.SQL(" ORDER BY {}").format(sql.SQL(", ").join(key)) if key else sql.SQL("")
        query = sql.SQL("COPY (SELECT * FROM {}{}) TO STDOUT (FORMAT csv, HEADER)").format(
            sql.Identifier(self._schema, table.name.lower()), order
        )
        try:
            with self._connection.cursor() as cursor, cursor.copy(query) as copy:
                messages = iter(copy)
                header = bytes(next(messages))
                buffer, rows = io.BytesIO(header), 0
                buffer.seek(0, io.SEEK_END)
                for message in messages:
                    buffer.write(message)
                    rows += 1
                    if rows == ROWS or buffer.tell() > BATCH_BYTES:
                        yield buffer.getvalue()
                        buffer, rows = io.BytesIO(header), 0
                        buffer.seek(0, io.SEEK_END)
                yield buffer.getvalue()
        except PostgresError as error:
            raise SourceMismatch(f"Table {table.name} cannot be read from the live database.") from error
