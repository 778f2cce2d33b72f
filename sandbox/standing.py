"""Whether live rows of one person stand today, and which of the contract's row filters would let them be seen; never a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection, sql
from psycopg import Error as PostgresError

from sandbox.contracts import Contract, RowFilter, Table
from sandbox.errors import SourceMismatch
from sandbox.loading import POSTGRES_TYPES


@dataclass(frozen=True, slots=True)
class Standing:
    """`tables` that name persons -> whether a row of the person stands there; `filters` by name -> whether they show it."""

    tables: Mapping[str, bool]
    filters: Mapping[str, bool]


def person_stands(contract: Contract, person: str, connection: Connection[Any]) -> Standing:
    """Where rows of the person stand now. As role live_owner in the caller's transaction. Raises SourceMismatch."""
    connection.execute("SET LOCAL ROLE live_owner")
    named = {table.name: column for table in contract.tables if (column := contract.person_column(table))}
    tables = {name: _any(connection, contract, contract.table(name), column, person, None) for name, column in named.items()}
    filters = {
        one.name: _any(connection, contract, contract.table(home), named[home], person, one)
        for one in contract.row_filters.values() if (home := one.column.partition(".")[0]) in named
    }  # fmt: skip
    return Standing(tables, filters)


def _any(
    connection: Connection[Any], contract: Contract, table: Table, column: str, person: str, let_through: RowFilter | None
) -> bool:
    there = connection.execute("SELECT to_regclass(format('%%I.%%I', %s::text, %s::text))", (contract.id, table.name.lower()))
    if (there.fetchone() or (None,))[0] is None:
        return False  # no rows were loaded yet
    named = table.column(column)
    kind = POSTGRES_TYPES[named.logical_type if named else "string"]
    statement = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE {} = CAST(%s AS {})").format(
        sql.Identifier(contract.id, table.name.lower()), sql.Identifier(column.lower()), sql.SQL(kind)
    )
    if let_through is not None:
        condition = sql.SQL(" AND {} = {}").format(
            sql.Identifier(let_through.column.partition(".")[2].lower()), sql.Literal(let_through.equals)
        )
        statement += condition
    try:
        row = connection.execute(statement + sql.SQL(")"), (person,)).fetchone()
    except PostgresError:  # its own words repeat the key, so they are not passed on
        raise SourceMismatch(f"The key is not of the kind that names persons in table {table.name}.") from None
    return bool(row and row[0])
