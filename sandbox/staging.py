"""Treated rows between the treatments and the snapshot: in files of a private folder, counted and sorted by DuckDB.

No live value is written here: rows arrive treated. Beside its columns a row has the digest of its person (seeded for this build
alone) and whether that person is held back. Columns go by their place, since DuckDB takes names that differ by case for one.
"""

# ruff: noqa: S608 - queries hold names and numbers of our own alone
from __future__ import annotations

import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from sandbox.contracts import Class, Contract, Table
from sandbox.typing_rows import one_zero

PERSON, HELD = "person", "held"
BATCH = 50_000
# Treatments after which a column no longer singles out a person by what is known outside: not counted into k.
UNLINKABLE = ("pseudonym", "shift-date", "suppress", "scrub")


@dataclass(slots=True)
class Stage:
    """A dataset's treated rows. `rows_of(table)` are the candidates for release, `released` those that did not have to go."""

    contract: Contract
    folder: Path
    duck: Any
    schemas: dict[str, dict[str, Any]] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)

    def add(self, table: Table, rows: pl.DataFrame, persons: pl.Series, held: pl.Series) -> None:
        """`rows` are staged; `persons` digests whose they are, null where the table is of no person."""
        self.schemas.setdefault(table.name, dict(rows.schema))
        number = self.parts[table.name] = self.parts.get(table.name, 0) + 1
        folder = self.folder / f"t{self._number(table)}"
        folder.mkdir(exist_ok=True)
        placed = rows.rename({name: f"c{i}" for i, name in enumerate(rows.columns)})
        staged = placed.with_columns(
            one_zero(pl.col(pl.Float32, pl.Float64)), persons.cast(pl.UInt64).alias(PERSON), held.alias(HELD)
        )
        staged.write_parquet(folder / f"{number:06}.parquet", compression="lz4", statistics=False)

    def open(self) -> None:
        """All rows are staged: they can be counted. `gone` is who, `gone_N` which classes of a table of no person, must go."""
        self.duck.execute(f"CREATE TABLE gone ({PERSON} UBIGINT)")
        for table in self.contract.tables:
            n = self._number(table)
            files = f"{glob.escape(str(self.folder))}/t{n}/*.parquet".replace("'", "''")
            self.duck.execute(f"CREATE VIEW t{n} AS SELECT * FROM read_parquet('{files}')")
            self.duck.execute(f"CREATE VIEW candidates_{n} AS SELECT * FROM t{n} WHERE NOT {HELD}")
            by = self.quasi_of(table) if self.contract.person_column(table) is None else []
            if by:
                self.duck.execute(f"CREATE TABLE gone_{n} AS SELECT {', '.join(by)} FROM t{n} LIMIT 0")
            left = f"ANTI JOIN gone_{n} g ON {same(by, 'c', 'g')}" if by else f"ANTI JOIN gone g ON c.{PERSON} = g.{PERSON}"
            self.duck.execute(f"CREATE VIEW released_{n} AS SELECT c.* FROM candidates_{n} c {left}")

    def quasi_of(self, table: Table) -> list[str]:
        """The places of the columns that make the table's classes."""
        return self.places(table, quasi(table))

    def places(self, table: Table, names: Sequence[str]) -> list[str]:
        """Where columns stand in the staged rows."""
        order = list(self.schemas[table.name])
        return [f"c{order.index(name)}" for name in names]

    def everything(self, table: Table) -> str:
        """The view of all rows, those of who is held back too."""
        return f"t{self._number(table)}"

    def candidates(self, table: Table) -> str:
        """The view of the rows that may be released."""
        return f"candidates_{self._number(table)}"

    def released(self, table: Table) -> str:
        """The view of the rows that are."""
        return f"released_{self._number(table)}"

    def held_back(self, table: Table) -> str:
        """The rows of who is held back; where a dataset has persons, a table that is of none is held back whole."""
        whole = self.contract.person_key is not None and self.contract.person_column(table) is None
        return f"t{self._number(table)}" if whole else f"(SELECT * FROM t{self._number(table)} WHERE {HELD})"

    def gone(self, table: Table) -> str:
        """The table of who, or of which classes where the rows are of no person, is not released."""
        return "gone" if self.contract.person_column(table) else f"gone_{self._number(table)}"

    def count(self, source: str) -> int:
        """How many rows a view, or a query in parentheses, has."""
        return int(self.duck.execute(f"SELECT count(*) FROM {source}").fetchone()[0])

    def counted(self, table: Table, column: str, source: str) -> Iterator[pl.DataFrame]:
        """A column's values in a view, each with how many rows have it as `n`, as frames."""
        (place,) = self.places(table, [column])
        with self.duck.cursor() as own:
            found = own.sql(f"SELECT {place}, count(*) AS n FROM {source} WHERE {place} IS NOT NULL GROUP BY {place}")
            for batch in found.to_arrow_reader(BATCH):
                frame = pl.DataFrame(pl.from_arrow(batch)).rename({place: column})
                yield frame.cast({column: self.schemas[table.name][column]})

    def sorted(self, table: Table, source: str) -> Iterator[pl.DataFrame]:
        """The rows of a view in the order of all their columns, nulls last, as frames; at least one."""
        schema = self.schemas[table.name]
        yield pl.DataFrame(schema=schema)
        if not schema:
            return
        named = ", ".join(f"c{i}" for i in range(len(schema)))
        order = ", ".join(f"c{i} ASC NULLS LAST" for i in range(len(schema)))
        with self.duck.cursor() as own:  # rows are taken while others may count
            found = own.sql(f"SELECT {named} FROM {source} ORDER BY {order}")
            for batch in found.to_arrow_reader(BATCH):
                frame = pl.DataFrame(pl.from_arrow(batch))
                yield frame.rename(dict(zip(frame.columns, schema, strict=True))).cast(pl.Schema(schema))

    def _number(self, table: Table) -> int:
        return [one.name for one in self.contract.tables].index(table.name)


def same(names: Sequence[str], one: str, other: str) -> str:
    """The condition that two rows are alike in these columns, null being a value like another."""
    return " AND ".join(f"{one}.{name} IS NOT DISTINCT FROM {other}.{name}" for name in names)


def quasi(table: Table) -> list[str]:
    """The released columns by which a person can be known from outside."""
    return [c.name for c in table.columns if c.class_ is Class.QUASI and c.treatment not in UNLINKABLE]


def sensitive(table: Table) -> list[str]:
    """The released columns that say of a person what is nobody's business."""
    return [c.name for c in table.columns if c.class_ is Class.SENSITIVE and c.treatment not in UNLINKABLE]
