"""A compiled definition: plain data and SQL, which is what is shared, signed and run; nobody else imports its code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from compliance.canonical import canonical_json, digest
from sandbox.errors import InvalidFeatures
from sandbox.features.definitions import COLUMN, NAME, VERSION

MOST_SQL = 200_000
DIALECTS = {"snapshot_sql": "duckdb", "live_sql": "postgres"}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A definition as SQL: for a snapshot's tables (DuckDB, with the label), and for live ones (PostgreSQL).

    `columns` maps each feature to its Ibis type; `reads` are the columns read, as table.column.
    """

    name: str
    version: str
    dataset: str
    reads: tuple[str, ...]
    columns: Mapping[str, str]
    snapshot_sql: str
    live_sql: str

    @property
    def digest(self) -> str:
        """The digest over all that the definition says."""
        return digest(canonical_json(self.as_json()))

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"reads": list(self.reads), "columns": dict(self.columns)}

    @classmethod
    def of(cls, given: Any) -> Compiled:
        """From JSON that anybody may have made. Raises InvalidFeatures where it is not one query over its own tables."""
        names = {one.name for one in fields(cls)}
        if not isinstance(given, Mapping) or set(given) != names:
            raise InvalidFeatures("A compiled definition has exactly the fields " + ", ".join(sorted(names)) + ".")
        reads, columns = given["reads"], given["columns"]
        texts = [given[name] for name in names - {"reads", "columns"}]
        if not all(isinstance(text, str) and len(text) <= MOST_SQL for text in texts):
            raise InvalidFeatures("A field of the compiled definition is no text, or too long.")
        if (
            not isinstance(reads, list)
            or not isinstance(columns, Mapping)
            or not all(_plain(name) for name in (*reads, *columns))
        ):
            raise InvalidFeatures("The compiled definition's columns have no plain names.")
        if not NAME.fullmatch(given["name"]) or not VERSION.fullmatch(given["version"]) or not NAME.fullmatch(given["dataset"]):
            raise InvalidFeatures("The compiled definition has no plain name, version or dataset.")
        made = cls(**{**given, "reads": tuple(reads), "columns": {str(k): str(v)[:60] for k, v in columns.items()}})
        for field, dialect in DIALECTS.items():
            require_query(given[field], dialect, {name.partition(".")[0].lower() for name in reads})
        return made


def require_query(text: str, dialect: str, tables: set[str]) -> None:
    """`text` is one SELECT over these tables and nothing else. Raises InvalidFeatures."""
    import sqlglot
    from sqlglot import expressions as sql

    try:
        statements = sqlglot.parse(text, dialect=dialect)
    except (sqlglot.errors.SqlglotError, RecursionError) as error:
        raise InvalidFeatures("The definition's SQL cannot be read.") from error
    if len(statements) != 1 or not isinstance(statements[0], sql.Select):
        raise InvalidFeatures("The definition's SQL is not one SELECT.")
    own = {one.alias_or_name for one in statements[0].find_all(sql.CTE)}
    for table in statements[0].find_all(sql.Table):
        plain = isinstance(table.this, sql.Identifier) and not table.args.get("db") and not table.args.get("catalog")
        if not plain or (table.name.lower() not in tables and table.name not in own):
            raise InvalidFeatures("The definition's SQL reads from something it does not name.")
    if statements[0].find(sql.Into, sql.Command, sql.Lock):
        raise InvalidFeatures("The definition's SQL does more than read.")


def _plain(name: Any) -> bool:
    return isinstance(name, str) and all(COLUMN.fullmatch(part) for part in name.split(".")) and name.count(".") <= 1
