"""Frames as a build stages them, for the tests of what is counted on a stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from sandbox.contracts import Contract
from sandbox.counting import counting
from sandbox.staging import Stage


@contextmanager
def staged(contract: Contract, frames: Mapping[str, pl.DataFrame], folder: Path) -> Iterator[Stage]:
    with counting(folder) as duck:
        stage = Stage(contract, folder, duck)
        for table in contract.tables:
            rows, person = frames[table.name], contract.person_column(table)
            nobody = pl.repeat(None, rows.height, dtype=pl.UInt64, eager=True)
            persons = rows[person].cast(pl.String).hash(7) if person else nobody
            stage.add(table, rows, persons, pl.repeat(value=False, n=rows.height, dtype=pl.Boolean, eager=True))
        stage.open()
        yield stage


def released_of(stage: Stage) -> dict[str, pl.DataFrame]:
    return {table.name: pl.concat(list(stage.sorted(table, stage.released(table)))) for table in stage.contract.tables}
