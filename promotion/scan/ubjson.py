"""UBJSON as XGBoost writes it (draft 12, big-endian), into the values its JSON would give; every length is checked first."""

from __future__ import annotations

import struct
from typing import Any

from promotion.scan.report import Data, Refused, require

NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
SIZES = {kind: int(name[-1]) for kind, name in NUMBERS.items()}
FORMATS = {"i": ">b", "U": ">B", "I": ">h", "l": ">i", "L": ">q", "d": ">f", "D": ">d"}
DEEPEST = 60
WRONG = "not_ubjson"


def parse_ubjson(data: Data) -> Any:
    """The one value in `data`, with arrays of one type as NumPy arrays. Raises Refused."""
    reader = _Reader(bytes(data))
    value = reader.value(reader.marker(), 0)
    require(reader.at == len(reader.data), "trailing_data", "The file holds data after the model.")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        require(0 <= count <= len(self.data) - self.at, WRONG, "A length points outside the file.")
        self.at += count
        return self.data[self.at - count : self.at]

    def marker(self) -> str:
        return self.take(1).decode("latin-1")

    def number(self, kind: str) -> Any:
        require(kind in FORMATS, WRONG, "This is no UBJSON that XGBoost writes.")
        return struct.unpack(FORMATS[kind], self.take(SIZES[kind]))[0]

    def text(self) -> str:
        kind = self.marker()
        require(kind in "iUIlL", WRONG, "A length is no whole number.")
        try:
            return self.take(self.number(kind)).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refused(WRONG, "A text is no UTF-8.") from error

    def value(self, kind: str, depth: int) -> Any:
        require(depth <= DEEPEST, "too_deep", "The model is nested beyond reason.")
        if kind == "{":
            return self.mapping(depth)
        if kind == "[":
            return self.array(depth)
        if kind in "SC":
            return self.text() if kind == "S" else self.marker()
        if kind in "ZTF":
            return {"Z": None, "T": True, "F": False}[kind]
        return self.number(kind)

    def mapping(self, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while self.data[self.at : self.at + 1] != b"}":
            key = self.text()
            require(key not in found, WRONG, "A key stands twice.")
            found[key] = self.value(self.marker(), depth + 1)
        self.take(1)
        return found

    def array(self, depth: int) -> Any:
        import numpy as np

        following = self.data[self.at : self.at + 1]
        if following == b"$":
            self.take(1)
            kind = self.marker()
            require(kind in NUMBERS and self.marker() == "#", WRONG, "This is no UBJSON that XGBoost writes.")
            count = self.number(self.marker())
            require(count >= 0, WRONG, "A length is negative.")
            return np.frombuffer(self.take(count * SIZES[kind]), dtype=NUMBERS[kind])
        if following == b"#":
            self.take(1)
            count = self.number(self.marker())
            require(0 <= count <= len(self.data) - self.at, WRONG, "A length points outside the file.")
            return [self.value(self.marker(), depth + 1) for _ in range(count)]
        found = []
        while self.data[self.at : self.at + 1] != b"]":
            found.append(self.value(self.marker(), depth + 1))
        self.take(1)
        return found
