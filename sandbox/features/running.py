"""Compiled features on tables: Parquet files by DuckDB, live tables by PostgreSQL. Both give one typed frame."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from sandbox.errors import InvalidFeatures

KEYS = {"row_id": pl.String, "person": pl.String, "as_of": pl.Datetime("us")}
POLARS = {
    "string": pl.String, "boolean": pl.Boolean, "date": pl.Date, "float64": pl.Float64, "float32": pl.Float64,
}  # fmt: skip


def table_files(folder: Path) -> dict[str, list[str]]:
    """table -> its Parquet files in a snapshot's folder, or in any folder of them."""
    found: dict[str, list[str]] = {}
    for file in sorted(folder.rglob("*.parquet")):
        found.setdefault(file.name.split(".", 1)[0].split("-", 1)[0], []).append(str(file))
    return found


def on_files(sql: str, tables: Mapping[str, Sequence[str]], columns: Mapping[str, str]) -> pl.DataFrame:
    """The features of the rows in the files. The query sees these tables and nothing else. Raises InvalidFeatures."""
    import duckdb

    connection = duckdb.connect()
    try:
        for name, files in tables.items():
            connection.register(name, _arrow(files))
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        made = pl.from_arrow(connection.sql(sql).to_arrow_table())
    except duckdb.Error as error:
        raise InvalidFeatures(f"DuckDB cannot run the definition ({type(error).__name__}).") from error
    finally:
        connection.close()
    assert isinstance(made, pl.DataFrame)
    return typed(made, columns)


def _arrow(files: Sequence[str]) -> Any:
    from pyarrow import dataset

    return dataset.dataset(list(files), format="parquet")


def on_postgres(sql: str, connection: Any, columns: Mapping[str, str], entities: Sequence[str] | None = None) -> pl.DataFrame:
    """The features of the live rows a psycopg connection shows, of all or of those `entities`. Raises InvalidFeatures.

    The query runs in a transaction of its own that reads only.
    """
    from psycopg import Error
    from psycopg import sql as words

    query: words.Composable = words.SQL(sql)
    if entities is not None:
        # Literals of no type of their own, so that an index on the entity is used whatever its type is.
        chosen = words.SQL(", ").join(words.Literal(str(entity)) for entity in entities) if entities else words.NULL
        query = words.SQL("SELECT * FROM ({}) AS features WHERE row_id IN ({})").format(query, chosen)
    buffer = io.BytesIO()
    try:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute("SET LOCAL timezone = 'UTC'")
            with cursor.copy(words.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(query)) as copy:
                for part in copy:
                    buffer.write(part)
    except Error as error:
        raise InvalidFeatures(f"PostgreSQL cannot run the definition ({type(error).__name__}).") from error
    buffer.seek(0)
    return typed(pl.read_csv(buffer, infer_schema=False), columns)


def typed(frame: pl.DataFrame, columns: Mapping[str, str]) -> pl.DataFrame:
    """The frame in the types that keys and features have, whatever engine it is from, sorted by row."""
    made = [_cast(frame[name], _kind(name, columns.get(name))) for name in frame.columns]
    return pl.DataFrame(made).sort("row_id", nulls_last=True)


def _kind(name: str, said: str | None) -> Any:
    if name in KEYS:
        return KEYS[name]
    if said is None:
        return None
    if said.startswith(("int", "uint")):
        return pl.Int64
    return pl.Datetime("us") if said.startswith("timestamp") else POLARS.get(said)


def _cast(column: pl.Series, kind: Any) -> pl.Series:
    if kind is None:
        return column
    if column.dtype == pl.String and kind == pl.Boolean:
        return column.replace_strict({"t": True, "f": False}, default=None, return_dtype=pl.Boolean)
    if column.dtype == pl.String and isinstance(kind, pl.Datetime):
        return column.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us")
    if column.dtype == pl.String and kind == pl.Date:
        return column.str.to_date("%Y-%m-%d")
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column.cast(kind)
