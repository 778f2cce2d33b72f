"""Trees inside a skops model: every index stays inside its arrays and every tree fits the features its estimator says.

scikit-learn follows these indices without looking, and hands inner trees rows that only the outer estimator checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from promotion.scan.report import require

FORGED = "forged_tree"
OUTSIDE = "A tree's indices point outside it."
OWNERS = ("sklearn.tree._classes", "sklearn.ensemble._forest", "sklearn.ensemble._gb", "sklearn.ensemble._weight_boosting",
          "sklearn.ensemble._hist_gradient_boosting.gradient_boosting")  # fmt: skip
LOADED = ("TreeNode",)
PREDICTOR = "TreePredictor"
Load = Callable[[str], Any]


def require_owned(node: Mapping[str, Any], owner: int | None, load: Load) -> int | None:
    """The number of features the trees below `node` must have; a tree itself is checked. Raises Refused.

    `owner` is what the estimator above says; `load` gives an array of the archive.
    """
    module, kind = node.get("__module__"), node.get("__class__")
    if node.get("__loader__") in LOADED:
        require(owner is not None and kind == "Tree", FORGED, "A tree belongs to no estimator.")
        _tree(node, int(owner or 0), load)
    elif kind == PREDICTOR:
        require(owner is not None, FORGED, "A tree belongs to no estimator.")
        _predictor(_attributes(node), int(owner or 0), load)
    elif module in OWNERS:
        said = _number(_attributes(node).get("n_features_in_"))
        if said is None:
            return 0  # not fitted: no tree may be below
        # An inner estimator is given the outer one's rows unchecked.
        require(said > 0 and owner in (None, said), FORGED, "An inner tree takes other features than its estimator.")
        return said
    elif node.get("__loader__") == "ObjectNode":
        return None  # another estimator begins: it checks its rows itself
    return owner


def _tree(node: Mapping[str, Any], features: int, load: Load) -> None:
    import numpy as np

    arguments = node["__reduce__"]["args"]["content"]
    content = _attributes(node)
    said, outputs = _number(arguments[0]), _number(arguments[2])
    classes, nodes, values = load(arguments[1]["file"]), load(content["nodes"]["file"]), load(content["values"]["file"])
    count = _number(content["node_count"])
    require(said == features and outputs is not None and outputs > 0, FORGED, "A tree takes other features than its estimator.")
    require(count == len(nodes) == len(values) and len(nodes) > 0, FORGED, "A tree has not the nodes it says.")
    require(classes.shape == (outputs,) and bool((classes > 0).all()), FORGED, "A tree has not the classes it says.")
    require(values.ndim == 3 and values.shape[1:] == (outputs, int(classes.max())), FORGED, "A tree has not the values it says.")
    require(values.dtype == np.float64, FORGED, "A tree has not the values it says.")
    _require_children(nodes["left_child"], nodes["right_child"], nodes["left_child"] == -1)
    inner = nodes["left_child"] != -1
    split = nodes["feature"][inner]
    require(bool(((split >= 0) & (split < features)).all()), FORGED, "A tree splits on a feature that does not exist.")


def _predictor(attributes: Mapping[str, Any], features: int, load: Load) -> None:
    nodes = load(attributes["nodes"]["file"])
    sets = min(len(load(attributes[name]["file"])) for name in ("binned_left_cat_bitsets", "raw_left_cat_bitsets"))
    require(len(nodes) > 0, FORGED, "A tree has not the nodes it says.")
    leaf = nodes["is_leaf"].astype(bool)
    _require_children(nodes["left"].astype("i8"), nodes["right"].astype("i8"), leaf)
    split = nodes["feature_idx"][~leaf]
    require(bool(((split >= 0) & (split < features)).all()), FORGED, "A tree splits on a feature that does not exist.")
    by_set = nodes["bitset_idx"][~leaf & nodes["is_categorical"].astype(bool)]
    require(bool((by_set < sets).all()), FORGED, OUTSIDE)


def _require_children(left: Any, right: Any, leaf: Any) -> None:
    """Children stand behind their parents, as scikit-learn writes them, so no path goes in a circle."""
    import numpy as np

    at = np.arange(len(left))
    require(bool(((right == -1) | (~leaf) | (left != -1)).all()), FORGED, "A tree's node has one child.")
    for child in (left[~leaf], right[~leaf]):
        require(bool(((child > at[~leaf]) & (child < len(left))).all()), FORGED, OUTSIDE)


def _attributes(node: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = node["content"]["content"]
    return found


def _number(node: Any) -> int | None:
    try:
        value = json.loads(node["content"])
    except (TypeError, KeyError, ValueError):
        return None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
