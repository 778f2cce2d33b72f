"""A definition as one Ibis expression, whatever engine runs it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.errors import InvalidFeatures
from sandbox.features.definitions import COLUMN, TAKEN, Definition, History

LABEL = "__label"
Schemas = Mapping[str, Mapping[str, str]]  # table -> column -> Ibis type


def expression(definition: Definition, schemas: Schemas, *, with_label: bool, lower: bool = False) -> Any:
    """One row for each row of the definition's rows: row_id, person, as_of, the label if asked for, and the features.

    `lower`: tables and columns are there in lower case, as live views have them. Raises InvalidFeatures where a table or column
    is missing, or what the definition's functions return is no feature.
    """
    tables = {name: _table(definition, name, columns, schemas, lower) for name, columns in definition.tables().items()}
    base = row = _rows(definition, tables[definition.rows.table], with_label=with_label)
    for number, one in enumerate(definition.beside):
        key, other = f"__key_{number}", tables[one.table]
        other = other.select(**{key: other[one.by]}, **{name: other[name] for name in one.columns})
        row = row.left_join(other, row[_by(one.by)] == other[key])
    made: list[str] = []
    for number, past in enumerate(definition.history):
        totals, counts = _before(definition, base, tables[past.table], past, number)
        whole = row.left_join(totals, row.row_id == totals[f"__row_{number}"])
        row = whole.mutate(**{name: whole[name].fill_null(0) for name in counts})
        made += [name for name in totals.columns if not name.startswith("_")]
    values = _values(definition, definition.values(row))
    features = {name: row[name] for name in made if name not in values} | values
    if not features:
        raise InvalidFeatures(f"{definition.name}: there are no features.")
    label = {"label": row[LABEL]} if with_label and definition.label else {}
    return row.select(row_id=row.row_id, person=row.person, as_of=row.as_of, **label, **features)


def _by(column: str) -> str:
    return f"__by_{column}"


def _table(definition: Definition, name: str, columns: tuple[str, ...], schemas: Schemas, lower: bool) -> Any:
    import ibis

    known = schemas.get(name)
    if known is None:
        raise InvalidFeatures(f"{definition.name}: there is no table {name}.")
    if missing := [column for column in columns if column not in known]:
        raise InvalidFeatures(f"{definition.name}: table {name} has no column {', '.join(missing)}.")
    if not lower:
        return ibis.table({column: known[column] for column in columns}, name=name)
    given = ibis.table({column.lower(): known[column] for column in columns}, name=name.lower())
    return given.select(**{column: given[column.lower()] for column in columns})


def _rows(definition: Definition, table: Any, *, with_label: bool) -> Any:
    rows = definition.rows
    joins = {_by(name): table[name] for name in definition.keys}
    label = {LABEL: table[definition.label]} if with_label and definition.label else {}
    shown = table.select(
        row_id=table[rows.entity], person=table[rows.person], as_of=table[rows.as_of].cast("timestamp"),
        **joins, **{name: table[name] for name in rows.columns}, **label,
    )  # fmt: skip
    return shown.filter(shown.as_of.notnull())


def _before(definition: Definition, base: Any, table: Any, past: History, number: int) -> tuple[Any, list[str]]:
    """The aggregates of what was known before each row, and which of them are counts."""
    key, by = f"__row_{number}", f"__past_by_{number}"
    spine = base.select(**{key: base.row_id, "as_of": base.as_of, "__own": base[_by(past.by)]})
    facts = table.select(
        **{by: table[past.by], "known": table[past.known].cast("timestamp")}, **{name: table[name] for name in past.columns}
    )
    joined = spine.join(facts, [spine["__own"] == facts[by], facts.known < spine.as_of])
    values = _values(definition, past.values(joined.select(key, "as_of", "known", *past.columns)))
    before = joined.select(key, "as_of", "known", *past.columns)
    return before.group_by(key).aggregate(**values), [name for name, value in values.items() if _counts(value)]


def _counts(value: Any) -> bool:
    import ibis.expr.operations as ops

    return isinstance(value.op(), ops.Count | ops.CountStar | ops.CountDistinct | ops.CountDistinctStar)


def _values(definition: Definition, given: Any) -> dict[str, Any]:
    import ibis
    import ibis.expr.operations as ops

    if not isinstance(given, Mapping):
        raise InvalidFeatures(f"{definition.name}: values are a mapping of feature name to expression.")
    for name in given:
        if name in TAKEN or not COLUMN.fullmatch(str(name).removeprefix("_")):
            raise InvalidFeatures(f"{definition.name}: {str(name)[:60]} is no name for a feature.")
    values = {name: value if isinstance(value, ibis.Value) else ibis.literal(value) for name, value in given.items()}
    if any(field.name == LABEL for value in values.values() for field in value.op().find(ops.Field, filter=ops.Value)):
        raise InvalidFeatures(f"{definition.name}: a feature reads the label, which is not known at its row's time.")
    return values


def year(column: Any) -> Any:
    """The year of a date, or the column itself where a snapshot holds the year already."""
    return column.year() if column.type().is_temporal() else column
