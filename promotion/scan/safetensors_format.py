"""safetensors: a JSON header of names, types and offsets, then nothing but numbers."""

from __future__ import annotations

import struct
from typing import Any

from promotion.scan import pickles
from promotion.scan.report import Data, require
from promotion.scan.strict import parse_json, strings

NAME = "safetensors"
ENDINGS = (".safetensors",)
LARGEST_HEADER = 100_000_000  # the reference implementation's own limit
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U16": 16,
    "I16": 16, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "F32": 32, "C64": 64, "U64": 64, "I64": 64, "F64": 64,
}  # fmt: skip
WRONG = "not_safetensors"


def looks_like(base: str, data: Data) -> bool:
    head = bytes(data[:9])
    return base.endswith(ENDINGS) or (len(head) == 9 and head[8:] == b"{" and struct.unpack("<Q", head[:8])[0] < LARGEST_HEADER)


def require_good(data: Data) -> None:
    """The header accounts for every byte, once. Raises Refused."""
    require(len(data) > 8, WRONG, "The file is shorter than its header.")
    length = struct.unpack("<Q", bytes(data[:8]))[0]
    require(length <= min(LARGEST_HEADER, len(data) - 8), WRONG, "The header is longer than the file.")
    header = parse_json(bytes(data[8 : 8 + length]), LARGEST_HEADER)
    require(isinstance(header, dict), WRONG, "The header is no mapping.")
    metadata = header.pop("__metadata__", {})
    texts = isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values())
    require(texts, WRONG, "The metadata are not texts.")
    require(not pickles.in_strings(strings(metadata)), "pickle", "The metadata hold a pickle as text.")
    require(bool(header), "no_model", "The file holds no tensor.")
    at = 0
    for start, end in sorted(_span(entry) for entry in header.values()):
        require(start == at, WRONG, "The tensors overlap or leave gaps.")
        at = end
    require(at == len(data) - 8 - length, "trailing_data", "The file holds data that is in no tensor.")


def _span(entry: Any) -> tuple[int, int]:
    good = isinstance(entry, dict) and set(entry) == {"dtype", "shape", "data_offsets"} and entry["dtype"] in BITS
    require(
        good and _counts(entry["shape"]) and _counts(entry["data_offsets"]), WRONG, "A tensor is not described as it must be."
    )
    require(len(entry["data_offsets"]) == 2, WRONG, "A tensor is not described as it must be.")
    count = 1
    for dimension in entry["shape"]:
        count *= dimension
        require(count < 2**60, WRONG, "A tensor's shape is not its size.")
    start, end = entry["data_offsets"]
    require(count * BITS[entry["dtype"]] == (end - start) * 8, WRONG, "A tensor's shape is not its size.")
    return start, end


def _counts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in value)
