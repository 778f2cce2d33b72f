"""What the live rows say of each person that would identify them in a text: their own record, and who is linked to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from sandbox.contracts import Class, Contract, Table

TELLING = ("string", "date", "timestamp", "integer")  # types of columns whose values a text can repeat


class People:
    """Records by person. They are kept only for a dataset with free text, and in memory: so many persons, so much of it."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        texts = any(column.treatment == "scrub" for column in contract.columns().values())
        self._wanted = texts and contract.person_key is not None
        self._records: dict[Any, dict[str, str]] = {}

    def note(self, table: Table, rows: pl.DataFrame) -> None:
        """What these rows say is in the records of their persons."""
        person, telling = self._contract.person_column(table), self._telling(table)
        if not self._wanted or person is None or not telling:
            return
        columns = [pl.col(name).cast(pl.String).alias(f"{table.name}.{name}") for name in telling]
        for row in rows.select(pl.col(person).alias("person"), *columns).unique(maintain_order=True).iter_rows():
            said = self._records.setdefault(row[0], {})
            said |= {f"{name} {value}": value for name, value in zip(telling, row[1:], strict=True) if value}

    def settle(self) -> None:
        """All rows were noted: what many records share identifies nobody and is forgotten."""
        from sandbox.text.known import without_categories

        self._records = without_categories(self._records)

    def of(self, persons: pl.Series | None, number: int) -> list[Mapping[str, str]]:
        """The record of the person of each of so many rows."""
        return [{}] * number if persons is None else [self._records.get(person, {}) for person in persons]

    def _telling(self, table: Table) -> list[str]:
        person = self._contract.person_column(table)
        own = f"{table.name}.{person}" == self._contract.person_key
        classes = (Class.DIRECT, Class.QUASI) if own else (Class.DIRECT,)
        return [
            c.name
            for c in table.columns
            if c.class_ in classes and c.treatment not in ("keep", "scrub") and c.logical_type in TELLING
        ]
