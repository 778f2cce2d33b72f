"""Parquet files of a snapshot, named by table and content: the same rows give the same bytes, however they come."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from compliance.canonical import digest_file

ROW_GROUP = 262_144


def write_tables(frames: Mapping[str, pl.DataFrame], out: Path) -> None:
    """`out` holds one Parquet file a table. All or nothing."""
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name, frame in frames.items():
        write_table(partial, name, frame.schema, iter([frame.sort(frame.columns, nulls_last=True)]))
    partial.rename(out)


def write_table(folder: Path, name: str, schema: Mapping[str, Any], rows: Iterator[pl.DataFrame]) -> tuple[str, str]:
    """The table's file is in `folder`; its name and its digest. Raises OSError, polars' errors."""
    from polars.io.plugins import register_io_source

    def batches(
        with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        yield from rows

    path = folder / name
    register_io_source(batches, schema=pl.Schema(schema), is_pure=True).sink_parquet(
        path, compression="zstd", statistics=False, row_group_size=ROW_GROUP, maintain_order=True
    )
    value = digest_file(path)
    file = f"{name}-{value[7:23]}.parquet"
    path.rename(folder / file)
    return file, value
