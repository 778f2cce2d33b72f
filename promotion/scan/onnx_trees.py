"""The tree operators of ai.onnx.ml: every index stays inside its arrays, and no path goes in a circle."""

from __future__ import annotations

from typing import Any

from promotion.scan.report import require

FORGED = "forged_tree"
OUTSIDE = "A tree's indices point outside it."
BY_NAME = ("TreeEnsembleClassifier", "TreeEnsembleRegressor")


def require_good_trees(node: Any) -> None:
    """Raises Refused when the node is a tree ensemble with forged indices."""
    if node.domain != "ai.onnx.ml" or not node.op_type.startswith("TreeEnsemble"):
        return
    given = {attribute.name: attribute for attribute in node.attribute}
    if node.op_type in BY_NAME:
        _ensemble(given, "class" if node.op_type == BY_NAME[0] else "target")
    else:
        _flat(given)


def _ensemble(given: dict[str, Any], outputs: str) -> None:
    def ints(name: str) -> list[int]:
        return list(given[name].ints) if name in given else []

    trees, ids = ints("nodes_treeids"), ints("nodes_nodeids")
    true, false, features = ints("nodes_truenodeids"), ints("nodes_falsenodeids"), ints("nodes_featureids")
    modes = list(given["nodes_modes"].strings) if "nodes_modes" in given else []
    lengths = {len(array) for array in (trees, ids, true, false, features, modes)}
    require(len(lengths) == 1 and bool(ids), FORGED, "A tree's arrays differ in length.")
    place = {key: number for number, key in enumerate(zip(trees, ids, strict=True))}
    require(len(place) == len(ids), FORGED, "A tree has a node twice.")
    require(all(0 <= feature < 2**31 for feature in features), FORGED, "A tree splits on a feature that does not exist.")
    children: list[tuple[int, ...]] = []
    for tree, mode, left, right in zip(trees, modes, true, false, strict=True):
        wanted = () if mode == b"LEAF" else ((tree, left), (tree, right))
        require(all(one in place for one in wanted), FORGED, OUTSIDE)
        children.append(tuple(place[one] for one in wanted))
    require_acyclic(children)
    ends = [ints(f"{outputs}_treeids"), ints(f"{outputs}_nodeids"), ints(f"{outputs}_ids")]
    require(len({len(array) for array in ends}) == 1, FORGED, "A tree's arrays differ in length.")
    require(all(one in place for one in zip(ends[0], ends[1], strict=True)), FORGED, OUTSIDE)
    labels = max((len(given[name].strings or given[name].ints) for name in given if name.startswith("classlabels")), default=0)
    count = labels if outputs == "class" else max(given["n_targets"].i if "n_targets" in given else 1, 1)
    require(all(0 <= number < max(count, 1) for number in ends[2]), FORGED, OUTSIDE)


def _flat(given: dict[str, Any]) -> None:
    """TreeEnsemble of ai.onnx.ml 5: children are positions, of nodes or of leaves."""

    def ints(name: str) -> list[int]:
        return list(given[name].ints) if name in given else []

    true, false, features = ints("nodes_truenodeids"), ints("nodes_falsenodeids"), ints("nodes_featureids")
    true_leaf, false_leaf, roots, targets = (
        ints("nodes_trueleafs"),
        ints("nodes_falseleafs"),
        ints("tree_roots"),
        ints("leaf_targetids"),
    )
    lengths = {len(array) for array in (true, false, features, true_leaf, false_leaf)}
    require(len(lengths) == 1 and bool(true) and bool(targets), FORGED, "A tree's arrays differ in length.")
    require(all(0 <= feature < 2**31 for feature in features), FORGED, "A tree splits on a feature that does not exist.")
    require(all(0 <= root < len(true) for root in roots), FORGED, OUTSIDE)
    count = max(given["n_targets"].i if "n_targets" in given else 1, 1)
    require(all(0 <= target < count for target in targets), FORGED, OUTSIDE)
    children = []
    for left, right, left_leaf, right_leaf in zip(true, false, true_leaf, false_leaf, strict=True):
        inner = []
        for child, leaf in ((left, left_leaf), (right, right_leaf)):
            require(0 <= child < (len(targets) if leaf else len(true)), FORGED, OUTSIDE)
            if not leaf:
                inner.append(child)
        # A tree that is one leaf is written as a root that is its own end.
        children.append(tuple(inner))
    require_acyclic(children)


def require_acyclic(children: list[tuple[int, ...]]) -> None:
    """Following children ends. Kahn's algorithm; raises Refused."""
    parents = [0] * len(children)
    for inner in children:
        for child in inner:
            parents[child] += 1
    free = [number for number, count in enumerate(parents) if not count]
    seen = 0
    while free:
        seen += 1
        for child in children[free.pop()]:
            parents[child] -= 1
            if not parents[child]:
                free.append(child)
    require(seen == len(children), FORGED, "A tree's nodes form a cycle.")
