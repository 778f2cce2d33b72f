"""Reads flatbuffers with every offset checked, as the format's own verifier does: CatBoost's binary models are written so."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from promotion.scan.report import require

WRONG = "forged_tree"
OUTSIDE = "An offset points outside the file."
MOST_ITEMS = 1 << 28


@dataclass(frozen=True, slots=True)
class Table:
    """A table at `at`; its fields are found through its vtable."""

    data: bytes
    at: int

    def field(self, number: int) -> int | None:
        """Where field `number` stands, or None when it is absent."""
        vtable = self.at - _unpack("<i", self.data, self.at)
        size = _unpack("<H", self.data, vtable)
        require(size >= 4 and vtable >= 0 and vtable + size <= len(self.data), WRONG, OUTSIDE)
        entry = 4 + 2 * number
        offset = _unpack("<H", self.data, vtable + entry) if entry + 2 <= size else 0
        return self.at + offset if offset else None

    def integer(self, number: int, default: int = 0) -> int:
        """A 32-bit integer."""
        at = self.field(number)
        return default if at is None else int(_unpack("<i", self.data, at))

    def byte(self, number: int) -> int:
        at = self.field(number)
        return 0 if at is None else int(_unpack("<b", self.data, at))

    def table(self, number: int) -> Table | None:
        at = self.field(number)
        return None if at is None else Table(self.data, _follow(self.data, at))

    def array(self, number: int, kind: Any) -> Any:
        """A vector of numbers as a NumPy array of dtype `kind`; empty when it is absent."""
        import numpy as np

        size = np.dtype(kind).itemsize
        start, count = self._vector(number, size)
        return np.frombuffer(self.data, dtype=kind, count=count, offset=start) if count else np.empty(0, dtype=kind)

    def tables(self, number: int) -> Iterator[Table]:
        """A vector of tables."""
        start, count = self._vector(number, 4)
        for item in range(count):
            yield Table(self.data, _follow(self.data, start + 4 * item))

    def texts(self, number: int) -> Iterator[str]:
        """A vector of strings."""
        start, count = self._vector(number, 4)
        for item in range(count):
            yield _text(self.data, _follow(self.data, start + 4 * item))

    def text(self, number: int) -> str:
        at = self.field(number)
        return "" if at is None else _text(self.data, _follow(self.data, at))

    def _vector(self, number: int, size: int) -> tuple[int, int]:
        at = self.field(number)
        if at is None:
            return 0, 0
        start = _follow(self.data, at)
        count = int(_unpack("<I", self.data, start))
        require(count <= MOST_ITEMS and start + 4 + count * size <= len(self.data), WRONG, OUTSIDE)
        return start + 4, count


def root(data: bytes) -> Table:
    """The root table of a buffer."""
    return Table(data, _follow(data, 0))


def _follow(data: bytes, at: int) -> int:
    target = at + int(_unpack("<I", data, at))
    require(at < target <= len(data) - 4, WRONG, OUTSIDE)
    return target


def _text(data: bytes, at: int) -> str:
    length = int(_unpack("<I", data, at))
    require(at + 4 + length <= len(data), WRONG, OUTSIDE)
    return data[at + 4 : at + 4 + length].decode("utf-8", "replace")


def _unpack(kind: str, data: bytes, at: int) -> int:
    require(0 <= at <= len(data) - struct.calcsize(kind), WRONG, OUTSIDE)
    return int(struct.unpack_from(kind, data, at)[0])
