"""safetensors: a JSON header of names, types and offsets, then nothing but numbers."""

from __future__ import annotations

import json
import struct
from pathlib import Path

NAME = "safetensors"
LARGEST_HEADER = 100_000_000
BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4,
    "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip


def looks_like(base: str, head: bytes) -> bool:
    return base.endswith(".safetensors") or (
        len(head) > 9 and head[8:9] == b"{" and struct.unpack("<Q", head[:8])[0] < LARGEST_HEADER
    )


def problem(file: Path, head: bytes) -> tuple[str, str] | None:
    """Why the file is refused: the header must account for every byte, once."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        length = struct.unpack("<Q", opened.read(8))[0]
        if length > min(LARGEST_HEADER, size - 8):
            return "not_safetensors", "The header is longer than the file."
        header = json.loads(opened.read(length))
    spans = []
    for name, entry in header.items():
        if name == "__metadata__":
            if not all(isinstance(value, str) for value in entry.values()):
                return "not_safetensors", "The metadata are not texts."
            continue
        start, end = entry["data_offsets"]
        count = 1
        for dimension in entry["shape"]:
            count *= dimension
        if count * BYTES[entry["dtype"]] != end - start:
            return "not_safetensors", "A tensor's shape is not its size."
        spans.append((start, end))
    at = 0
    for start, end in sorted(spans):
        if start != at:
            return "not_safetensors", "The tensors overlap or leave gaps."
        at = end
    return None if at == size - 8 - length else ("trailing_data", "The file holds data that is in no tensor.")
