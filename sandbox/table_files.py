"""The rows of table files as text, some at a time: CSV (also .gz), JSON Lines or Parquet; a file a table, or a folder of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from sandbox.errors import SourceMismatch

ENDINGS = (".csv", ".csv.gz", ".jsonl", ".parquet")
ROWS = 50_000  # of a batch


def table_files(folder: Path, table: str) -> list[Path]:
    """The files of a table: the one named after it, or those in the folder named after it, by name. Raises SourceMismatch."""
    one = next((path for ending in ENDINGS if (path := folder / f"{table}{ending}").is_file()), None)
    inside = folder / table
    many = sorted(path for path in inside.iterdir() if path.name.endswith(ENDINGS)) if inside.is_dir() else []
    if one and many:
        raise SourceMismatch(f"The source has a file and a folder for table {table}; one of them is enough.")
    if not one and not many:
        raise SourceMismatch(f"The source has no file for table {table} ({', '.join(ENDINGS)}), and no folder of such files.")
    return [one] if one else many


def batches_of(table: str, path: Path) -> Iterator[pl.DataFrame]:
    """The rows of a table file, in order, at least one frame. Raises SourceMismatch."""
    try:
        yield from _batches(path)
    except (pl.exceptions.PolarsError, ValueError, OSError) as error:
        raise SourceMismatch(f"The file of table {table} cannot be read as {_form(path)}.") from error


def _form(path: Path) -> str:
    if path.name.endswith((".csv", ".csv.gz")):
        return "CSV in UTF-8 with commas between the columns, as many in each line as in the first"
    return f"{path.suffix[1:]} in UTF-8" if path.suffix == ".jsonl" else "Parquet"


def texts_of(path: Path) -> pl.DataFrame:
    """The rows of a table file, every column as text. Raises SourceMismatch."""
    return pl.concat(list(batches_of(path.name.partition(".")[0], path)), how="diagonal")


def _batches(path: Path) -> Iterator[pl.DataFrame]:
    if path.suffix == ".jsonl":
        yield from _lines(path)
        return
    if path.suffix == ".parquet":
        rows = pl.scan_parquet(path, glob=False).select(pl.all().cast(pl.String))
    elif not path.stat().st_size:
        raise ValueError("a file of no lines names no columns")
    else:
        rows = pl.scan_csv(path, infer_schema=False, glob=False)
    given = False
    for batch in rows.collect_batches(chunk_size=ROWS, maintain_order=True, lazy=True):
        given = True
        yield batch
    if not given:
        yield pl.DataFrame(schema=rows.collect_schema())


def _lines(path: Path) -> Iterator[pl.DataFrame]:
    kept: list[Mapping[str, Any]] = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                kept.append(json.loads(line))
            if len(kept) == ROWS:
                yield _texts(kept)
                kept = []
    yield _texts(kept)


def _texts(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pl.DataFrame({name: [_text(row, name) for row in rows] for name in names}, schema=dict.fromkeys(names, pl.String))


def _text(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
