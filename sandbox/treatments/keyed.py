"""What keyed treatments are given: the project's key, the identifier kind, and the person of each row."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True, slots=True)
class Keyed:
    """`key` is the project's secret; `kind` separates the pseudonyms of one kind of identifier from another's."""

    key: bytes = field(repr=False)
    kind: str = ""
    persons: pl.Series | None = None

    def mac(self, kind: str, value: str) -> bytes:
        """HMAC-SHA256 (RFC 2104) of kind || 0x00 || value."""
        return hmac.digest(self.key, kind.encode() + b"\x00" + value.encode(), "sha256")
