"""Where live rows come from: a folder of table files, or a PostgreSQL schema. Both give frames typed as the contract says."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import polars as pl
from psycopg import Connection, sql
from psycopg import Error as PostgresError

from sandbox.contracts import Contract, Table
from sandbox.errors import SourceMismatch

ENDINGS = (".csv", ".csv.gz", ".jsonl", ".parquet")
POLARS_TYPES: dict[str, Any] = {
    "string": pl.String,
    "integer": pl.Int64,
    "number": pl.Float64,
    "boolean": pl.Boolean,
    "date": pl.Date,
    "timestamp": pl.Datetime("us", "UTC"),
}
POSTGRES_TYPES = {
    "string": "text",
    "integer": "bigint",
    "number": "double precision",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamptz",
}
TRUE, FALSE = ["true", "t", "1", "yes"], ["false", "f", "0", "no"]


class Source(Protocol):
    """Gives a table's rows as text columns; what a column means is the contract's to say."""

    def read(self, table: Table) -> pl.DataFrame: ...


class FolderSource:
    """Table files in a folder, one a table, named after it: CSV (also .gz), JSON Lines or Parquet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, table: Table) -> pl.DataFrame:
        """The table's rows, every column as text. Raises SourceMismatch."""
        path = next((p for e in ENDINGS if (p := self._folder / f"{table.name}{e}").is_file()), None)
        if path is None:
            raise SourceMismatch(f"The source has no file for table {table.name} ({', '.join(ENDINGS)}).")
        return texts_of(path)


class PostgresSource:
    """The tables of one schema of the live database; all as of one moment where the connection repeats its reads."""

    def __init__(self, connection: Connection[Any], schema: str) -> None:
        self._connection, self._schema = connection, schema

    def read(self, table: Table) -> pl.DataFrame:
        """The table's rows, every column as text. Raises SourceMismatch."""
        key = [sql.Identifier(column.name.lower()) for column in table.columns if column.primary_key]
        order = sql.SQL(" ORDER BY {}").format(sql.SQL(", ").join(key)) if key else sql.SQL("")
        query = sql.SQL("COPY (SELECT * FROM {}{}) TO STDOUT (FORMAT csv, HEADER)").format(
            sql.Identifier(self._schema, table.name.lower()), order
        )
        buffer = io.BytesIO()
        try:
            with self._connection.cursor() as cursor, cursor.copy(query) as copy:
                for part in copy:
                    buffer.write(part)
        except PostgresError as error:
            raise SourceMismatch(f"Table {table.name} cannot be read from the live database.") from error
        buffer.seek(0)
        frame = pl.read_csv(buffer, infer_schema=False)
        names = {column.name.lower(): column.name for column in table.columns}
        return frame.rename({name: names[name] for name in frame.columns if name in names})


def read_tables(contract: Contract, source: Source) -> dict[str, pl.DataFrame]:
    """Table -> rows, typed and checked: columns, types, keys and references are as the contract says.

    Raises SourceMismatch naming table, column and row count, never a value.
    """
    frames = {table.name: typed(table, source.read(table)) for table in contract.tables}
    for table in contract.tables:
        _require_keys(table, frames[table.name])
    _require_references(contract, frames)
    return frames


def typed(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` (all text) with exactly the contract's columns, in its order and types."""
    if not frame.columns:  # a file of no lines says nothing about its columns
        frame = pl.DataFrame(schema=dict.fromkeys((column.name for column in table.columns), pl.String))
    described = {column.name for column in table.columns}
    if new := sorted(set(frame.columns) - described):
        raise SourceMismatch(f"Table {table.name} has columns the contract does not describe: {', '.join(new)}.")
    columns = []
    for column in table.columns:
        if column.name not in frame.columns:
            if column.required:
                raise SourceMismatch(f"Table {table.name} lacks column {column.name}.")
            columns.append(pl.Series(column.name, [None] * frame.height, dtype=POLARS_TYPES[column.logical_type]))
            continue
        columns.append(_cast(table.name, frame[column.name], column.logical_type))
    return pl.DataFrame(columns)


def load_into_postgres(contract: Contract, source: Source, connection: Connection[Any]) -> dict[str, int]:
    """The live schema named after the dataset holds exactly the source's rows; returns the rows of each table.

    All tables are replaced in the caller's transaction, as role live_owner. Raises SourceMismatch.
    """
    frames = read_tables(contract, source)
    connection.execute("SET LOCAL ROLE live_owner")
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(contract.id)))
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(contract.id)))
    for table in contract.tables:
        _create(connection, contract.id, table)
        _copy(connection, contract.id, table, frames[table.name])
    return {name: frame.height for name, frame in frames.items()}


def persons_in(contract: Contract, connection: Connection[Any]) -> list[str]:
    """The keys of the persons that the live tables hold, as role live_owner. Raises SourceMismatch."""
    if contract.person_key is None:
        raise SourceMismatch("The contract says of no column that it names a person.")
    connection.execute("SET LOCAL ROLE live_owner")
    found: set[str] = set()
    for table in contract.tables:
        column = table.column(contract.person_column(table) or "")
        if column is None:
            continue
        name, home = sql.Identifier(column.name.lower()), sql.Identifier(contract.id, table.name.lower())
        statement = sql.SQL("SELECT DISTINCT CAST({} AS text) FROM {} WHERE {} IS NOT NULL").format(name, home, name)
        try:
            found |= {person for (person,) in connection.execute(statement)}
        except PostgresError:
            raise SourceMismatch(f"The persons of table {table.name} cannot be read.") from None
    return sorted(found)


def delete_person(contract: Contract, person: str, connection: Connection[Any]) -> dict[str, int]:
    """No live table holds a row of the person any more; returns the rows of each that went.

    As role live_owner in the caller's transaction, tables that refer to the person first. Raises SourceMismatch.
    """
    if contract.person_key is None:
        raise SourceMismatch("The contract says of no column that it names a person.")
    connection.execute("SET LOCAL ROLE live_owner")
    home, gone = contract.person_key.partition(".")[0], {}
    for table in sorted(contract.tables, key=lambda t: t.name == home):
        column = table.column(contract.person_column(table) or "")
        if column is None:
            continue
        statement = sql.SQL("DELETE FROM {} WHERE {} = CAST(%s AS {})").format(
            sql.Identifier(contract.id, table.name.lower()), sql.Identifier(column.name.lower()),
            sql.SQL(POSTGRES_TYPES[column.logical_type]),
        )  # fmt: skip
        try:
            gone[table.name] = connection.execute(statement, (person,)).rowcount
        except PostgresError:  # its own words repeat the key, so they are not passed on
            raise SourceMismatch(f"The rows of a person cannot be deleted from table {table.name}.") from None
    return gone


def _create(connection: Connection[Any], schema: str, table: Table) -> None:
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(column.name.lower()), sql.SQL(POSTGRES_TYPES[column.logical_type]))
        for column in table.columns
    ]
    if keys := [sql.Identifier(column.name.lower()) for column in table.columns if column.primary_key]:
        columns.append(sql.SQL("PRIMARY KEY ({})").format(sql.SQL(", ").join(keys)))
    connection.execute(
        sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(schema, table.name.lower()), sql.SQL(", ").join(columns))
    )


def _copy(connection: Connection[Any], schema: str, table: Table, frame: pl.DataFrame) -> None:
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(sql.Identifier(schema, table.name.lower()))
    try:
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(frame.write_csv(include_header=False, quote_style="necessary").encode())
    except PostgresError as error:
        raise SourceMismatch(f"The {frame.height:,} rows of table {table.name} cannot be loaded.") from error


def texts_of(path: Path) -> pl.DataFrame:
    """The rows of a table file, every column as text. Raises SourceMismatch."""
    try:
        return _texts(path)
    except (pl.exceptions.PolarsError, ValueError, OSError) as error:
        table = path.name.partition(".")[0]
        raise SourceMismatch(f"The file of table {table} cannot be read as {path.suffix[1:]} in UTF-8.") from error


def _texts(path: Path) -> pl.DataFrame:
    if path.name.endswith((".csv", ".csv.gz")):
        return pl.read_csv(path, infer_schema=False)
    if path.suffix == ".parquet":
        return pl.read_parquet(path).select(pl.all().cast(pl.String))
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pl.DataFrame({name: [_text(row, name) for row in rows] for name in names}, schema=dict.fromkeys(names, pl.String))


def _text(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _cast(table: str, column: pl.Series, logical_type: str) -> pl.Series:
    """The column in its type; what cannot be cast is counted, never shown."""
    target = POLARS_TYPES[logical_type]
    if logical_type == "boolean":
        lower = column.str.to_lowercase()
        cast = pl.DataFrame({"lower": lower}).select(
            pl.when(pl.col("lower").is_in(TRUE)).then(True).when(pl.col("lower").is_in(FALSE)).then(False).alias(column.name)
        ).to_series()  # fmt: skip
    elif logical_type == "timestamp":
        cast = column.str.replace(r"([+-]\d\d)$", "${1}:00").str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    elif logical_type == "date":
        cast = column.str.to_date("%Y-%m-%d", strict=False)
    else:
        cast = column.cast(target, strict=False)
    if wrong := cast.null_count() - column.null_count():
        raise SourceMismatch(f"{table}.{column.name}: {wrong:,} of {len(column):,} values are no {logical_type}.")
    return cast.alias(column.name)


def _require_keys(table: Table, frame: pl.DataFrame) -> None:
    keys = [column.name for column in table.columns if column.primary_key]
    if not keys:
        return
    if missing := frame.select(pl.any_horizontal(pl.col(keys).is_null())).to_series().sum():
        raise SourceMismatch(f"Table {table.name}: the key {', '.join(keys)} is missing in {missing:,} rows.")
    if repeated := frame.height - frame.select(keys).n_unique():
        raise SourceMismatch(f"Table {table.name}: the key {', '.join(keys)} is repeated in {repeated:,} rows.")


def _require_references(contract: Contract, frames: Mapping[str, pl.DataFrame]) -> None:
    for table in contract.tables:
        for column in table.columns:
            if not column.references:
                continue
            home, _, key = column.references.partition(".")
            given = frames[table.name][column.name].drop_nulls()
            if orphans := int((~given.is_in(frames[home][key].implode())).sum()):
                raise SourceMismatch(f"{table.name}.{column.name}: {orphans:,} rows refer to no row of {home}.")
