"""skops: a zip of a JSON schema and NumPy arrays. Each type in it must be one that was reviewed; nothing is loaded."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from typing import Any

from promotion.scan import arrays, skops_trees
from promotion.scan.report import Data, Refused, require
from promotion.scan.skops_types import BIT_GENERATORS, is_reviewed, is_reviewed_function
from promotion.scan.strict import parse_json
from promotion.scan.zips import members

NAME = "skops"
ENDINGS = (".skops",)
LARGEST_SCHEMA = 256 << 20
DEEPEST = 200
PROTOCOL = 2
UNKNOWN = "skops_type"
LOADERS = frozenset(
    [
        "BytearrayNode",
        "BytesNode",
        "DTypeNode",
        "DefaultDictNode",
        "DictNode",
        "FunctionNode",
        "JsonNode",
        "ListNode",
        "LossNode",
        "MaskedArrayNode",
        "NdArrayNode",
        "ObjectNode",
        "RandomGeneratorNode",
        "RandomStateNode",
        "SetNode",
        "SliceNode",
        "SparseMatrixNode",
        "TreeNode",
        "TupleNode",
        "TypeNode",
    ]
)
# Their content is made anew each time skops writes the same object; both are checked, and either is harmless.
MADE_ANEW = ("DTypeNode", "RandomStateNode", "RandomGeneratorNode", "LossNode")
KEYS = frozenset(
    [
        "__class__",
        "__module__",
        "__loader__",
        "__id__",
        "__reduce__",
        "content",
        "key_types",
        "type",
        "file",
        "shape",
        "is_json",
        "protocol",
        "_skops_version",
    ]
)


def looks_like(base: str, data: Data) -> bool:
    return bytes(data[:4]) == b"PK\x03\x04"


def require_good(data: Data) -> None:
    """Raises Refused."""
    archive, names = members(data)
    with archive:
        require("schema.json" in names, "archive", "This archive is no skops model.")
        require(all(name == "schema.json" or name.endswith((".npy", ".npz", ".bin")) for name in names), "format_refused",
                "The archive holds something other than a schema and arrays.")  # fmt: skip
        schema = parse_json(archive.read("schema.json"), LARGEST_SCHEMA)
        require(
            isinstance(schema, dict) and schema.get("protocol") == PROTOCOL,
            UNKNOWN,
            "The model is of an unknown version of skops.",
        )
        walk = _Walk(archive)
        walk.node(schema, 0, None)
        # What no part of the model names is not looked at by skops either, and has no business here.
        require(walk.used | {"schema.json"} == set(names), "trailing_data", "The archive holds files the model does not use.")


class _Walk:
    """Goes through every node of a schema once."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.used: set[str] = set()
        self.seen: dict[Any, Mapping[str, Any]] = {}

    def node(self, node: Any, depth: int, owner: int | None) -> None:
        require(depth <= DEEPEST, "too_deep", "The model is nested beyond reason.")
        require(isinstance(node, dict) and set(node) <= KEYS, UNKNOWN, "A part of the model is not described as skops does.")
        loader, name = node.get("__loader__"), f"{node.get('__module__')}.{node.get('__class__')}"
        require(loader in LOADERS, UNKNOWN, "The model uses a loader that was not reviewed.")
        self._once(node)
        known = is_reviewed_function(name) if loader == "FunctionNode" else is_reviewed(name)
        require(known, UNKNOWN, "The model holds a type that was not reviewed.")
        _require_fitting(str(loader), name, node)
        owner = skops_trees.require_owned(node, owner, self.load)
        self._file(str(loader), node)
        for inner in _inner(str(loader), node):
            self.node(inner, depth + 1, owner)

    def load(self, name: str) -> Any:
        self.used.add(name)
        try:
            return arrays.require_array(self.archive.read(name))
        except KeyError as error:
            raise Refused("archive", "The model names a file that is not in the archive.") from error

    def _file(self, loader: str, node: Mapping[str, Any]) -> None:
        if "file" not in node:
            return
        name = node["file"]
        good = {"NdArrayNode": ".npy", "SparseMatrixNode": ".npz", "BytesNode": ".bin", "BytearrayNode": ".bin"}.get(loader, "?")
        require(isinstance(name, str) and name.endswith(good), UNKNOWN, "A part of the model names a file it does not use.")
        if good == ".npy":
            self.load(name)
            return
        self.used.add(name)
        if good == ".npz":
            arrays.require_sparse(self.archive.read(name))

    def _once(self, node: Mapping[str, Any]) -> None:
        """Two parts of one id are one part to skops: the second's content would never be looked at."""
        if "__id__" in node:
            first = self.seen.setdefault(node["__id__"], node)
            same = first is node or _bare(first) == _bare(node)
            require(same, UNKNOWN, "Two parts of the model go by one id.")


def _bare(node: Any) -> Any:
    """A part of the model without its ids, and without what skops makes anew each time it writes the same object."""
    if isinstance(node, list):
        return [_bare(one) for one in node]
    if not isinstance(node, dict):
        return node
    left_out = {"__id__", "protocol", "_skops_version"}
    if node.get("__loader__") in MADE_ANEW:
        left_out |= {"content", "__reduce__"}
    return {key: _bare(value) for key, value in node.items() if key not in left_out}


def _require_fitting(loader: str, name: str, node: Mapping[str, Any]) -> None:
    """The loader is the one that skops uses for the type, and its content of the kind it reads."""
    fixed = {
        "DictNode": ("builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"), "ListNode": ("builtins.list",),
        "SetNode": ("builtins.set", "builtins.frozenset"), "TupleNode": ("builtins.tuple",), "SliceNode": ("builtins.slice",),
        "JsonNode": ("builtins.str",), "BytesNode": ("builtins.bytes",), "BytearrayNode": ("builtins.bytearray",),
        "DefaultDictNode": ("collections.defaultdict",), "DTypeNode": ("numpy.dtype",),
        "MaskedArrayNode": ("numpy.ma.MaskedArray",),
        "RandomStateNode": ("numpy.random.mtrand.RandomState",), "RandomGeneratorNode": ("numpy.random._generator.Generator",),
        "TreeNode": ("sklearn.tree._tree.Tree",),
    }  # fmt: skip
    prefix = {"ObjectNode": "sklearn.", "LossNode": "sklearn.", "NdArrayNode": "numpy.", "SparseMatrixNode": "scipy.sparse."}
    good = name in fixed[loader] if loader in fixed else name.startswith(prefix.get(loader, ""))
    require(good, UNKNOWN, "A type does not go with its loader.")
    if loader == "JsonNode":
        content = json.loads(node["content"])
        require(not isinstance(content, dict | list), UNKNOWN, "A part of the model is not described as skops does.")
    if loader == "ObjectNode" and "Vectorizer" in name:
        given = node["content"]["content"].get("input", {}).get("content", "")
        require(given == '"content"', UNKNOWN, "A vectoriser that reads files is refused.")
    if loader == "RandomGeneratorNode":
        kind = json.loads(node["content"]["bit_generator"]["content"]["bit_generator"]["content"])
        require(kind in BIT_GENERATORS, UNKNOWN, "The model names a generator that was not reviewed.")


def _inner(loader: str, node: Mapping[str, Any]) -> list[Any]:
    """The nodes directly inside a node."""
    content = node.get("content")
    match loader:
        case "JsonNode" | "FunctionNode" | "TypeNode" | "BytesNode" | "BytearrayNode" | "SparseMatrixNode":
            require(loader == "JsonNode" or content is None, UNKNOWN, "A part of the model is not described as skops does.")
            return []
        case "ListNode" | "TupleNode" | "SetNode":
            require(isinstance(content, list), UNKNOWN, "A part of the model is not described as skops does.")
            return list(content or [])
        case "DictNode":
            require(isinstance(content, dict), UNKNOWN, "A part of the model is not described as skops does.")
            return [node["key_types"], *(content or {}).values()]
        case "NdArrayNode":
            require(node.get("type") in ("numpy", "json"), UNKNOWN, "A part of the model is not described as skops does.")
            return [] if node["type"] == "numpy" else [*(content or []), node["shape"]]
        case "SliceNode":
            return [one for one in (content or {}).values() if isinstance(one, dict)]
        case "DefaultDictNode" | "MaskedArrayNode" | "RandomGeneratorNode":
            return list((content or {}).values())
    arguments = [node["__reduce__"]["args"]] if "__reduce__" in node else []
    return [*([] if content is None else [content]), *arguments]
