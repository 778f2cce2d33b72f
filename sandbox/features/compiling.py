"""From a definition to the SQL of each engine, for the types that the dataset's contract gives its columns in each zone."""

from __future__ import annotations

from typing import Any

from sandbox.contracts import Column, Contract
from sandbox.features.compiled import Compiled
from sandbox.features.definitions import Definition
from sandbox.features.expressions import Schemas, expression

LIVE_TYPES = {
    "string": "string", "integer": "int64", "number": "float64", "boolean": "boolean", "date": "date",
    "timestamp": "timestamp('UTC')",
}  # fmt: skip


def compiled(definition: Definition, *, treated: Schemas, live: Schemas) -> Compiled:
    """The definition as SQL. Raises InvalidFeatures."""
    learnt = expression(definition, treated, with_label=True)
    scored = expression(definition, live, with_label=False, lower=True)
    columns = {name: str(kind) for name, kind in scored.schema().items() if name not in ("row_id", "person", "as_of")}
    return Compiled(
        definition.name, definition.version, definition.dataset, definition.reads, columns,
        _sql(learnt, "duckdb"), _sql(scored, "postgres"),
    )  # fmt: skip


def live_schemas(contract: Contract) -> dict[str, dict[str, str]]:
    """table -> column -> type, as the live database holds them."""
    return {table.name: {c.name: LIVE_TYPES[c.logical_type] for c in table.columns} for table in contract.tables}


def treated_schemas(contract: Contract) -> dict[str, dict[str, str]]:
    """table -> column -> type, as a snapshot holds them; a column that is left out, or not yet treated, is not there."""
    shown = {table.name: {c.name: _treated(c) for c in table.columns} for table in contract.tables}
    return {table: {name: kind for name, kind in columns.items() if kind} for table, columns in shown.items()}


def _treated(column: Column) -> str | None:
    """The type that the treatment gives, found by treating no rows."""
    import polars as pl

    from sandbox.treatments import TREATMENTS, Keyed
    from sandbox.typing_rows import POLARS_TYPES

    apply = TREATMENTS.get(column.treatment or "suppress")
    if column.treatment == "scrub":
        return "string"
    if apply is None:
        return None
    empty = pl.Series(column.name, [], dtype=POLARS_TYPES[column.logical_type])
    made = apply(empty, column.options, Keyed(bytes(32), column.kind, pl.Series("person", [], dtype=pl.String)))
    return ibis_type(made.dtype)


def ibis_type(kind: Any) -> str:
    """The Ibis name of a Polars type."""
    from ibis.formats.polars import PolarsType

    return str(PolarsType.to_ibis(kind))


def _sql(expression: Any, dialect: str) -> str:
    import ibis

    # The rows of a training frame come in one order, whatever the engine does; live rows are asked for by their id.
    return str(ibis.to_sql(expression.order_by("row_id") if dialect == "duckdb" else expression, dialect=dialect))
