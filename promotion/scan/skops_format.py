"""skops: a zip of a JSON schema and NumPy arrays. Its types are reviewed here; nothing is loaded.

Tree models are refused: a forged tree's indices crash the process that predicts with it, and ONNX has no such hole.
"""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAME = "skops"
MOST_MEMBERS, MOST_BYTES, HIGHEST_RATIO = 5_000, 2 * 1024**3, 200
LOADERS = frozenset(
    [
        "BoundMethodNode",
        "BytearrayNode",
        "BytesNode",
        "CachedNode",
        "CastNode",
        "DataclassNode",
        "DictNode",
        "DTypeNode",
        "FunctionNode",
        "JsonNode",
        "ListNode",
        "MaskedArrayNode",
        "NdArrayNode",
        "ObjectNode",
        "RandomGeneratorNode",
        "RandomStateNode",
        "SetNode",
        "SliceNode",
        "SparseMatrixNode",
        "TupleNode",
        "TypeNode",
    ]
)
REVIEWED_MODULES = (
    "builtins", "numpy", "numpy.random", "numpy.random._generator", "numpy.random._pcg64", "numpy.random.mtrand", "numpy.dtypes",
    "collections", "scipy.sparse", "scipy.sparse._csr", "scipy.sparse._csc", "numpy._core.multiarray", "numpy.core.multiarray",
)  # fmt: skip
REVIEWED_BUILTINS = frozenset(
    [
        "bool",
        "bytearray",
        "bytes",
        "complex",
        "dict",
        "float",
        "frozenset",
        "int",
        "list",
        "NoneType",
        "set",
        "slice",
        "str",
        "tuple",
        "type",
        "OrderedDict",
        "defaultdict",
    ]
)
REFUSED_PARTS = ("tree", "ensemble", "_loss", "neighbors", "_pairwise")


def looks_like(base: str, head: bytes) -> bool:
    return base.endswith(".skops") or head.startswith(b"PK\x03\x04")


def problem(file: Path, head: bytes) -> tuple[str, str] | None:
    """Why the file is refused."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError):
        return "archive", "This is no whole zip archive."
    with archive:
        names = [member.filename for member in archive.infolist()]
        if "schema.json" not in names:
            return "archive", "This archive is no skops model."
        if found := _members(archive.infolist(), names) or _edges(file, archive):
            return found
        schema = json.loads(archive.read("schema.json"))
        for number, name in enumerate(names):
            if number and name.endswith(".npy") and not _plain_array(archive.open(name).read(1_000)):
                return "pickle", "An array of the archive holds pickled objects."
    return _types(schema)


def _members(members: list[zipfile.ZipInfo], names: list[str]) -> tuple[str, str] | None:
    if len(members) > MOST_MEMBERS or sum(m.file_size for m in members) > MOST_BYTES or len(set(names)) != len(names):
        return "archive_bomb", "The archive has too many members or bytes, or one twice."
    for member in members:
        if member.file_size > HIGHEST_RATIO * max(member.compress_size, 1) and member.file_size > 1_000_000:
            return "archive_bomb", "A member of the archive unpacks to far more than it holds."
        if member.filename.startswith("/") or ".." in member.filename.split("/") or "\\" in member.filename:
            return "path_escape", "A member of the archive names a path outside it."
        if (member.filename != "schema.json" and not member.filename.endswith((".npy", ".npz"))) or member.flag_bits & 1:
            return "format_refused", "The archive holds something other than a schema and arrays."
    return None


def _edges(file: Path, archive: zipfile.ZipFile) -> tuple[str, str] | None:
    """Nothing stands before the first member or after the end record."""
    with file.open("rb") as opened:
        begins = opened.read(4) == b"PK\x03\x04"
        opened.seek(-22, 2)
        ends = opened.read(4) == b"PK\x05\x06"
    return None if begins and ends and not archive.comment else ("trailing_data", "Data stands before or after the archive.")


def _plain_array(head: bytes) -> bool:
    if not head.startswith(b"\x93NUMPY"):
        return False
    length = int.from_bytes(head[8:10], "little") if head[6] == 1 else int.from_bytes(head[8:12], "little")
    header = head[10 if head[6] == 1 else 12 :][:length]
    return b"'O'" not in header and b"|O" not in header and b"fortran_order" in header


def _types(schema: Any) -> tuple[str, str] | None:
    for node in _nodes(schema, 0):
        module, name, loader = str(node.get("__module__", "")), str(node.get("__class__", "")), node.get("__loader__")
        if loader not in LOADERS:
            return "skops_type", "The model uses a loader that was not reviewed."
        if loader in ("FunctionNode", "BoundMethodNode") and not module.startswith(("numpy", "sklearn", "scipy")):
            return "skops_type", "The model names a function that was not reviewed."
        if any(part in module for part in REFUSED_PARTS if module.startswith("sklearn")):
            return "skops_type", "Tree and neighbour models are accepted as ONNX only."
        if module in ("builtins", "collections") and name not in REVIEWED_BUILTINS and loader != "FunctionNode":
            return "skops_type", "The model names a built-in that was not reviewed."
        if module not in REVIEWED_MODULES and not module.startswith(("sklearn.", "numpy.", "scipy.")):
            return "skops_type", "The model holds a type that was not reviewed."
    return None


def _nodes(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth > 100:
        raise RecursionError
    if isinstance(value, dict):
        if "__loader__" in value or "__class__" in value:
            yield value
        for item in value.values():
            yield from _nodes(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _nodes(item, depth + 1)
