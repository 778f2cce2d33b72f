"""CatBoost's JSON models: the same trees as text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from promotion.scan.report import Data, require
from promotion.scan.strict import parse_json

LARGEST_BYTES = 256 << 20
FORGED = "forged_tree"
PARTS = frozenset({"ctr_data", "features_info", "model_info", "oblivious_trees", "scale_and_bias", "trees"})
FEATURES = frozenset({"float_features", "categorical_features", "ctrs", "cat_features_hash"})
DEEPEST_TREE = 16


def is_model(value: Any) -> bool:
    """The JSON says that it is a CatBoost model."""
    return isinstance(value, dict) and "features_info" in value and bool({"oblivious_trees", "trees"} & set(value))


def require_good(data: Data) -> None:
    """Raises Refused."""
    require_model(parse_json(data, LARGEST_BYTES))


def require_model(value: Any) -> None:
    """Every split is of a feature that is there, and every tree has its leaves. Raises Refused."""
    from promotion.scan.companions import require_plain_json

    require(is_model(value) and set(value) <= PARTS, FORGED, "This is no whole CatBoost model.")
    require_plain_json({key: value[key] for key in value if key not in ("oblivious_trees", "trees")})
    info = value["features_info"]
    require(set(info) <= FEATURES, FORGED, "Models of texts are accepted as ONNX only.")
    floats = {one["feature_index"] for one in info.get("float_features", [])}
    borders = [len(one.get("borders") or []) for kind in ("float_features", "ctrs") for one in info.get(kind, [])]
    values = [len(one.get("values") or []) for one in info.get("categorical_features", [])]
    binary = sum(borders) + sum(values)
    require(all(isinstance(one, int) and 0 <= one < 2**31 for one in floats), FORGED, "A feature has no place.")
    for tree in value.get("oblivious_trees", []):
        splits = tree.get("splits") or []
        require(len(splits) <= DEEPEST_TREE, FORGED, "A tree is deeper than CatBoost makes them.")
        leaves, weights = tree["leaf_values"], tree.get("leaf_weights", [])
        require(len(leaves) > 0 and len(leaves) % 2 ** len(splits) == 0, FORGED, "A tree has not the leaves it says.")
        require(all(map(_number, (*leaves, *weights))), FORGED, "A leaf is no number.")
        for split in splits:
            _split(split, floats, binary)
    for tree in value.get("trees", []):
        for node in _nodes(tree):
            if "split" in node:
                require(
                    isinstance(node.get("left"), dict) and isinstance(node.get("right"), dict), FORGED, "A node has one child."
                )
                _split(node["split"], floats, binary)
            else:
                leaf = node.get("value")
                require(all(map(_number, leaf if isinstance(leaf, list) else [leaf])), FORGED, "A leaf is no number.")


def _split(split: Any, floats: set[int], binary: int) -> None:
    index = split["split_index"]
    require(isinstance(index, int) and 0 <= index < binary, FORGED, "A tree splits on a feature that does not exist.")
    match split["split_type"]:
        case "FloatFeature":
            require(split["float_feature_index"] in floats, FORGED, "A tree splits on a feature that does not exist.")
        case "OneHotFeature" | "OnlineCtr":
            pass  # by split_index alone
        case _:
            require(False, FORGED, "A tree splits in a way that is not known.")


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    left = [tree]
    while left:
        node = left.pop()
        require(isinstance(node, dict), FORGED, "A node is no mapping.")
        yield node
        left.extend(node[side] for side in ("left", "right") if side in node)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
