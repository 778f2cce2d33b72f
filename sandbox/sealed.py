"""Live rows set aside between looking at them and treating them, so that their source is read once and let go.

They are sealed (AES-256-GCM, NIST SP 800-38D) with a key that is in this process's memory alone and dies with it: what a killed
build leaves is nothing to anybody. A part is deleted as soon as it was read.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sandbox.errors import BuildFailed

NONCE_BYTES = 12


class Sealed:
    """Rows of tables, by the table's name, in a private folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self._folder, self._cipher = folder, AESGCM(AESGCM.generate_key(256))
        self._parts: dict[str, list[int]] = {}
        self._number = 0

    def put(self, table: str, rows: pl.DataFrame) -> None:
        """These rows of the table come after those that were put before."""
        plain = io.BytesIO()
        rows.write_ipc(plain, compression="lz4")
        self._number += 1
        self._path(self._number).write_bytes(self._cipher.encrypt(_nonce(self._number), plain.getvalue(), table.encode()))
        self._parts.setdefault(table, []).append(self._number)

    def take(self, table: str) -> Iterator[pl.DataFrame]:
        """The table's rows as they were put, once. Raises BuildFailed where anything of them was changed."""
        for number in self._parts.pop(table, []):
            try:
                plain = self._cipher.decrypt(_nonce(number), self._path(number).read_bytes(), table.encode())
            except InvalidTag:
                raise BuildFailed(
                    f"Rows of table {table} were changed while the build went on; nothing of it was kept."
                ) from None
            self._path(number).unlink()
            yield pl.read_ipc(io.BytesIO(plain))

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:06}"


def _nonce(number: int) -> bytes:
    """Each number seals one part under a key used for nothing else."""
    return number.to_bytes(NONCE_BYTES, "big")
