"""What kind of model an ONNX graph is, and how large: read from the graph, which is not run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

WEIGHTS = ("coefficients", "intercepts")


def kind_of(folder: Path) -> dict[str, Any]:
    """`kind` (linear, forest, boosted, other), `parameters` (weights or leaves), `trees`, and `leaves` of the largest."""
    import onnx

    files = sorted(folder.rglob("*.onnx"))
    if len(files) != 1:
        return {"kind": "other", "parameters": 0}
    nodes = {node.op_type: _attributes(node) for node in onnx.load(files[0], load_external_data=False).graph.node}
    if trees := nodes.get("TreeEnsembleClassifier") or nodes.get("TreeEnsembleRegressor"):
        return _trees(trees)
    if linear := nodes.get("LinearClassifier") or nodes.get("LinearRegressor"):
        return {"kind": "linear", "parameters": sum(len(linear.get(name, ())) for name in WEIGHTS)}
    return {"kind": "other", "parameters": 0}


def _trees(given: dict[str, Any]) -> dict[str, Any]:
    pairs = zip(given.get("nodes_treeids", ()), given.get("nodes_modes", ()), strict=False)
    leaves = Counter(tree for tree, mode in pairs if mode == b"LEAF")
    # Boosted trees add up log odds, which are made into a chance at the end; a forest's leaves are chances already.
    boosted = given.get("post_transform", b"NONE") not in (b"NONE", b"") or "base_values" in given
    return {
        "kind": "boosted" if boosted else "forest", "parameters": sum(leaves.values()), "trees": len(leaves),
        "leaves": max(leaves.values(), default=0),
    }  # fmt: skip


def _attributes(node: Any) -> dict[str, Any]:
    import onnx

    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
