"""The texts in a model's files: words people wrote, and identifiers programs made."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from promotion.scan import onnx_format, skops_format
from promotion.scan.strict import mappings, parse_yaml, strings

PRINTABLE = re.compile(rb"[\x20-\x7e\xc3-\xf4\x80-\xbf]{4,}")
DEPENDENCIES = ("requirements.txt", "conda.yaml", "python_env.yaml", "constraints.txt")
MOST_CHARACTERS = 2_000_000


@dataclass(slots=True)
class Texts:
    """`words`: documentation, metadata, vocabulary, values. `identifiers`: names of operators, inputs, packages, keys."""

    words: list[str] = field(default_factory=list)
    identifiers: list[str] = field(default_factory=list)


def texts_of(name: str, data: bytes) -> Texts:
    """What a file says, by what it is."""
    base = name.rsplit("/", 1)[-1].lower()
    if onnx_format.looks_like(base, data):
        return _onnx(data)
    if skops_format.looks_like(base, data):
        return Texts(words=list(_skops(data)))
    if base in DEPENDENCIES:
        return Texts(identifiers=data.decode("utf-8", "replace").splitlines())
    if base == "mlmodel":
        described = parse_yaml(data)
        return Texts(words=list(strings(described.get("metadata"))), identifiers=list(strings(described)))
    if base.endswith(".json") and data.lstrip()[:1] in (b"{", b"["):
        return _json(data)
    if base.endswith((".txt", ".md", ".csv", ".yaml", ".yml", ".rst")) or "." not in base:
        return Texts(words=data.decode("utf-8", "replace").splitlines())
    return Texts(words=[match.decode("utf-8", "replace") for match in PRINTABLE.findall(data)])


def _onnx(data: bytes) -> Texts:
    import onnx

    model = onnx.ModelProto()
    model.ParseFromString(data)
    found = Texts(identifiers=list(onnx_format.texts(data)))
    for message in onnx_format.messages(model):
        for described, value in message.ListFields():
            if described.name in ("doc_string", "value") and isinstance(value, str):
                found.words.append(value)
            elif described.name in ("strings", "string_data"):
                found.words += [one.decode("utf-8", "replace") for one in value]
            elif described.name == "s":
                found.words.append(value.decode("utf-8", "replace"))
    return found


def _skops(data: bytes) -> Iterator[str]:
    from promotion.scan.arrays import require_array

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for node in mappings(json.loads(archive.read("schema.json"))):
            if node.get("__loader__") == "JsonNode":
                yield from strings(json.loads(node["content"]))
            elif node.get("__loader__") == "DictNode":
                yield from node["content"]
        for name in archive.namelist():
            if name.endswith(".npy"):
                array = require_array(archive.read(name))
                if array.dtype.kind in "US":
                    yield from (str(one) for one in array.ravel().tolist())


def _json(data: bytes) -> Texts:
    value: Any = json.loads(data)
    keys = [str(key) for one in mappings(value) for key in one]
    return Texts(words=[one for one in strings(value) if one not in set(keys)], identifiers=keys)


def read(file: Path) -> bytes:
    """The file's bytes: what the scan accepted fits into memory."""
    return file.read_bytes()
