"""A first feature definition proposed from a dataset's contract: which rows, as of when, of whom, and which columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.contracts import Class, Column, Contract, Table
from sandbox.errors import InvalidFeatures
from sandbox.features.compiling import treated_schemas

TIMES = ("date", "timestamp")


def outline(contract: Contract, *, label: str | None = None, as_of: str | None = None) -> dict[str, Any]:
    """What the template of a project is told. Raises InvalidFeatures where the contract leaves it open."""
    table, column = _label(contract, label)
    shown = treated_schemas(contract)
    times = [one.name for one in table.columns if one.logical_type in TIMES and one.name in shown[table.name]]
    entity = next((one.name for one in table.columns if one.primary_key and one.name in shown[table.name]), None)
    person = contract.person_column(table)
    time = as_of or (times[-1] if times else None)
    if time not in times or entity is None or person is None:
        raise InvalidFeatures(f"Table {table.name} needs a key, a person and a date or time that a snapshot shows.")
    own = list(_usable(table, shown, {entity, person, column}))
    home = contract.table(contract.person_key.partition(".")[0]) if contract.person_key else table
    apart = home.name != table.name and contract.person_column(home) == person
    beside = [one for one in _usable(home, shown, {person, *_names(own)}) if apart and one.class_ is not Class.SENSITIVE]
    numbers = [one.name for one in (*own, *beside) if _number(shown, table, home, one)]
    words = [one.name for one in (*own, *beside) if one.name not in numbers and one.logical_type == "string"]
    return {
        "table": table.name, "entity": entity, "as_of": time, "person": person, "label": column,
        "columns": [name for name in _names(own) if name in (*numbers, *words)], "numbers": numbers, "words": words,
        "person_table": home.name if beside else "",
        "person_columns": [name for name in _names(beside) if name in (*numbers, *words)],
    }  # fmt: skip


def _label(contract: Contract, given: str | None) -> tuple[Table, str]:
    if given is not None:
        table, _, column = given.partition(".")
        if given not in contract.columns():
            raise InvalidFeatures(f"The contract describes no column {given}.")
        return contract.table(table), column
    found = [(table, column) for table in contract.tables for column in _zero_or_one(table)]
    if len(found) != 1:
        raise InvalidFeatures("It is not clear which column is to be learnt.")
    return found[0]


def _zero_or_one(table: Table) -> Iterator[str]:
    """The columns of zeros and ones, as their quality rules say."""
    for rule in table.quality:
        arguments = rule.get("arguments") or {}
        if {str(value) for value in arguments.get("validValues") or ()} == {"0", "1"} and "column" in arguments:
            yield str(arguments["column"])


def _usable(table: Table, shown: dict[str, dict[str, str]], without: set[str]) -> Iterator[Column]:
    """Columns of a snapshot that say something and identify nobody."""
    for column in table.columns:
        direct = column.class_ is Class.DIRECT or column.treatment in ("pseudonym", "scrub")
        if column.name in shown[table.name] and column.name not in without and not direct:
            yield column


def _number(shown: dict[str, dict[str, str]], table: Table, home: Table, column: Column) -> bool:
    kind = shown[table.name if column in table.columns else home.name][column.name]
    return kind.startswith(("int", "float"))


def _names(columns: list[Column]) -> list[str]:
    return [column.name for column in columns]
