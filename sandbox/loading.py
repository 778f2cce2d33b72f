"""Live tables in PostgreSQL: filled from a source, all of them or none, and rid of a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
from psycopg import Connection, sql
from psycopg import Error as PostgresError

from sandbox.contracts import Contract, Table
from sandbox.errors import SourceMismatch
from sandbox.sources import Source
from sandbox.survey import surveying

POSTGRES_TYPES = {
    "string": "text",
    "integer": "bigint",
    "number": "double precision",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamptz",
}


def load_into_postgres(contract: Contract, source: Source, connection: Connection[Any]) -> dict[str, int]:
    """The live schema named after the dataset holds exactly the source's rows; returns the rows of each table.

    All tables are replaced in the caller's transaction, as role live_owner. Raises SourceMismatch.
    """
    connection.execute("SET LOCAL ROLE live_owner")
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(contract.id)))
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(contract.id)))
    with surveying(contract) as survey:
        for table in contract.tables:
            _create(connection, contract.id, table)
            _copy(connection, contract.id, table, survey.look(table, source))
            _require_one_key(connection, contract.id, table)
        survey.require_references()
        return dict(survey.rows)


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
    connection.execute(
        sql.SQL("CREATE TABLE {} ({})").format(sql.Identifier(schema, table.name.lower()), sql.SQL(", ").join(columns))
    )


def _copy(connection: Connection[Any], schema: str, table: Table, batches: Iterator[pl.DataFrame]) -> None:
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(sql.Identifier(schema, table.name.lower()))
    rows = 0
    try:
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for batch in batches:
                rows += batch.height
                copy.write(batch.write_csv(include_header=False, quote_style="necessary").encode())
    except PostgresError:  # its own words repeat values
        raise SourceMismatch(f"The first {rows:,} rows of table {table.name} cannot be loaded.") from None


def _require_one_key(connection: Connection[Any], schema: str, table: Table) -> None:
    """The key is declared once the rows are there and were found right, which also is the faster way."""
    if keys := [sql.Identifier(column.name.lower()) for column in table.columns if column.primary_key]:
        connection.execute(
            sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(
                sql.Identifier(schema, table.name.lower()), sql.SQL(", ").join(keys)
            )
        )
