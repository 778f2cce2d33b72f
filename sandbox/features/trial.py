"""The same tables in a PostgreSQL of their own, to see that a definition gives the same rows there as on the files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from sandbox.errors import InvalidFeatures
from sandbox.features.compiling import ibis_type

BATCH = 200_000
POSTGRES = {
    "string": "text", "boolean": "boolean", "date": "date", "int8": "smallint", "int16": "smallint", "int32": "integer",
    "int64": "bigint", "float32": "real", "float64": "double precision",
}  # fmt: skip


def schemas(tables: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    """table -> column -> Ibis type, of Parquet files."""
    return {
        name: {column: ibis_type(kind) for column, kind in pl.scan_parquet(list(files)).collect_schema().items()}
        for name, files in tables.items()
    }


def load(address: str, tables: Mapping[str, Sequence[str]], reads: Iterable[Sequence[str]], *, reader: str) -> None:
    """What `reads` name (table.column) stands in the database at `address`, in lower case, and `reader` may read it."""
    import psycopg
    from psycopg import sql

    wanted: dict[str, list[str]] = {}
    for name in sorted({name for names in reads for name in names}):
        table, _, column = name.partition(".")
        wanted.setdefault(table, []).append(column)
    known = schemas(tables)
    with psycopg.connect(address) as connection:
        for table, columns in wanted.items():
            _load(connection, table, {column: known[table][column] for column in columns}, tables[table])
            grant = sql.SQL("GRANT SELECT ON {} TO {}")
            connection.execute(grant.format(sql.Identifier(table.lower()), sql.Identifier(reader)))


def _load(connection: Any, table: str, columns: Mapping[str, str], files: Sequence[str]) -> None:
    from psycopg import sql

    kinds = [
        sql.SQL("{} {}").format(sql.Identifier(name.lower()), sql.SQL(_postgres(table, name, kind)))
        for name, kind in columns.items()
    ]
    name = sql.Identifier(table.lower())
    connection.execute(sql.SQL("CREATE TABLE {} ({})").format(name, sql.SQL(", ").join(kinds)))
    frame = pl.scan_parquet(list(files)).select(list(columns)).collect()
    copy = sql.SQL("COPY {} FROM STDIN (FORMAT csv, NULL '')").format(name)
    with connection.cursor() as cursor, cursor.copy(copy) as copying:
        for part in frame.iter_slices(BATCH):
            # Quoted words, so that an empty text is not a missing one.
            copying.write(part.write_csv(include_header=False, quote_style="non_numeric", null_value="").encode())
    connection.execute(sql.SQL("ANALYZE {}").format(name))


def _postgres(table: str, column: str, kind: str) -> str:
    plain = kind.removeprefix("!")
    if plain.startswith("timestamp"):
        return "timestamptz" if "'" in plain else "timestamp"
    if plain not in POSTGRES:
        raise InvalidFeatures(f"{table}.{column} is of type {plain[:40]}, which is not compared.")
    return POSTGRES[plain]
