"""Rows of a report as Parquet, written a block at a time so that memory stays flat; the same rows give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BLOCK = 10_000
LISTS = ("roles", "reasons")


class Columnar:
    """One Parquet file: `seq` a number, roles and reasons lists of texts, `detail` JSON, everything else text."""

    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        import pyarrow
        import pyarrow.parquet

        kinds = {"seq": pyarrow.int64(), **dict.fromkeys(LISTS, pyarrow.list_(pyarrow.string()))}
        self._schema = pyarrow.schema([(name, kinds.get(name, pyarrow.string())) for name in columns])
        self._file = pyarrow.parquet.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def add(self, row: Mapping[str, Any]) -> None:
        """The row is in the file once it is closed."""
        self._rows.append({name: _plain(name, value) for name, value in row.items()})
        if len(self._rows) == BLOCK:
            self._write()

    def close(self) -> None:
        """The file is whole."""
        self._write()
        self._file.close()

    def _write(self) -> None:
        import pyarrow

        if self._rows:
            self._file.write_table(pyarrow.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []


def _plain(name: str, value: Any) -> Any:
    """The value as its column holds it; texts that are no Unicode, which somebody may write into an entry, are written out."""
    if name == "seq":
        return value if -(2**63) <= value < 2**63 else None
    if name in LISTS:
        return [_text(one) for one in value]
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else _text(value)


def _text(value: Any) -> str:
    return str(value).encode("utf-8", "backslashreplace").decode()
