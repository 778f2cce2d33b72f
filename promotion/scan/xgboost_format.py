"""XGBoost's JSON and UBJSON models: pure data whose indices are checked, because XGBoost reads memory by them unchecked."""

from __future__ import annotations

import re
from typing import Any

from promotion.scan import pickles
from promotion.scan.report import Data, require
from promotion.scan.strict import parse_json, strings
from promotion.scan.ubjson import parse_ubjson

NAME = "xgboost"
ENDINGS = (".json", ".ubj", ".xgb", ".bst")
LARGEST_BYTES = 512 << 20
FORGED = "forged_tree"
OBJECTIVE = re.compile(r"[a-z]+:[a-z0-9_]+")
MOST_CATEGORIES = 1 << 24  # XGBoost's own limit
PARTS = frozenset({"attributes", "feature_names", "feature_types", "gradient_booster", "learner_model_param", "objective"})
TREE_ARRAYS = ("left_children", "right_children", "split_indices", "split_conditions", "default_left", "parents", "sum_hessian")
TREE_PARTS = frozenset(
    {
        *TREE_ARRAYS, "base_weights", "categories", "categories_nodes", "categories_segments", "categories_sizes", "id",
        "leaf_child_counts", "loss_changes", "split_type", "tree_param",
    }
)  # fmt: skip
NO_PARENT = (2**31 - 1, -1)


def looks_like(base: str, data: Data) -> bool:
    head = bytes(data[:64])
    return head[:1] == b"{" and head[1:2] in (b"L", b"l", b"i", b"U", b"I") and (b"learner" in head or base.endswith(ENDINGS[1:]))


def require_good(data: Data) -> None:
    """The UBJSON is a model with whole trees. Raises Refused."""
    require(len(data) <= LARGEST_BYTES, "too_large", "The model is larger than can be checked.")
    require_model(parse_ubjson(data))


def require_good_json(data: Data) -> None:
    """The JSON is a model with whole trees. Raises Refused."""
    require_model(parse_json(data, LARGEST_BYTES))


def require_model(value: Any) -> None:
    """The value, read from either form, is a model whose every index stays inside its arrays. Raises Refused."""
    require(isinstance(value, dict) and set(value) <= {"learner", "version", "Config"}, FORGED, "This is no whole XGBoost model.")
    require(not value.get("Config"), FORGED, "The model holds a configuration, as a memory dump does.")
    learner = value["learner"]
    require(set(learner) <= PARTS, FORGED, "This is no whole XGBoost model.")
    texts = (learner.get("attributes", {}), learner.get("feature_names", []), learner.get("feature_types", []))
    require(not pickles.in_strings(strings(texts)), "pickle", "The model's attributes hold a pickle as text.")
    objective = learner["objective"]["name"]
    require(bool(OBJECTIVE.fullmatch(objective)), FORGED, "The model's objective is not one of XGBoost's.")
    size = learner["learner_model_param"]
    features, groups = int(size["num_feature"]), max(int(size["num_class"]), int(size.get("num_target", 1)), 1)
    require(0 < features < 2**31, FORGED, "The model has no features.")
    booster = learner["gradient_booster"]
    match booster["name"]:
        case "gblinear":
            weights = len(booster["model"]["weights"])
            require(weights == (features + 1) * groups, FORGED, "The linear model has not one weight for each feature.")
        case "gbtree":
            _forest(booster["model"], features, groups)
        case "dart":
            trees = _forest(booster["gbtree"]["model"], features, groups)
            require(len(booster["weight_drop"]) == trees, FORGED, "The model has not one weight for each tree.")
        case _:
            require(False, FORGED, "The model's booster is not one of XGBoost's.")


def _forest(model: Any, features: int, groups: int) -> int:
    trees = model["trees"]
    require(int(model["gbtree_model_param"]["num_trees"]) == len(trees), FORGED, "The model has not the trees it says.")
    info = _ints(model["tree_info"])
    require(
        len(info) == len(trees) and bool(((info >= 0) & (info < groups)).all()),
        FORGED,
        "A tree is of a class that does not exist.",
    )
    if "iteration_indptr" in model:
        starts = _ints(model["iteration_indptr"])
        good = len(starts) > 0 and starts[0] == 0 and starts[-1] == len(trees) and bool((starts[1:] >= starts[:-1]).all())
        require(good, FORGED, "The model's rounds do not add up.")
    for number, tree in enumerate(trees):
        require(tree["id"] == number, FORGED, "The trees are not in order.")
        _tree(tree, features)
    return len(trees)


def _tree(tree: Any, features: int) -> None:
    import numpy as np

    require(set(tree) <= TREE_PARTS, FORGED, "A tree has parts that XGBoost does not write.")
    left, right, splits = (_ints(tree[name]) for name in TREE_ARRAYS[:3])
    count, outputs = len(left), int(tree["tree_param"].get("size_leaf_vector", 1))
    require(0 < count == int(tree["tree_param"]["num_nodes"]), FORGED, "A tree has not the nodes it says.")
    require(int(tree["tree_param"]["num_feature"]) <= features, FORGED, "A tree has more features than the model.")
    require(all(len(tree[name]) == count for name in TREE_ARRAYS), FORGED, "A tree's arrays differ in length.")
    lengths = (len(tree["base_weights"]), len(tree["loss_changes"]))
    require(lengths == (count * max(outputs, 1), count), FORGED, "A tree's arrays differ in length.")
    inner = left != -1
    require(bool((inner == (right != -1)).all()), FORGED, "A tree's node has one child.")
    children = np.concatenate([left[inner], right[inner]])
    require(bool(((children > 0) & (children < count)).all()), FORGED, "A tree's indices point outside it.")
    # With one parent each, and none for the root, what is reached from the root is a tree.
    require(len(np.unique(children)) == len(children), FORGED, "A tree's nodes form a cycle.")
    _require_parents(_ints(tree["parents"]), left, right, inner)
    require(
        bool(((splits[inner] >= 0) & (splits[inner] < features)).all()), FORGED, "A tree splits on a feature that does not exist."
    )
    _categories(tree, count)


def _require_parents(parents: Any, left: Any, right: Any, inner: Any) -> None:
    """Each child knows its parent, by which XGBoost finds its way as well."""
    import numpy as np

    at = np.arange(len(parents))[inner]
    good = parents[0] in NO_PARENT and (parents[left[inner]] == at).all() and (parents[right[inner]] == at).all()
    require(bool(good), FORGED, "A tree's nodes do not know their parents.")


def _categories(tree: Any, count: int) -> None:
    names = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
    values, nodes, starts, sizes = (_ints(tree.get(name, [])) for name in names)
    require(len(nodes) == len(starts) == len(sizes), FORGED, "A tree's arrays differ in length.")
    require(bool(((nodes >= 0) & (nodes < count)).all()), FORGED, "A tree's indices point outside it.")
    inside = (starts >= 0) & (sizes >= 0) & (starts <= len(values)) & (sizes <= len(values) - starts)
    require(bool(inside.all()), FORGED, "A tree's categories point outside it.")
    require(bool(((values >= 0) & (values < MOST_CATEGORIES)).all()), FORGED, "A tree's categories are beyond reason.")
    kinds = _ints(tree.get("split_type", [0] * count))
    listed = set(nodes.tolist())
    categorical = {number for number, kind in enumerate(kinds.tolist()) if kind == 1}
    require(bool(((kinds == 0) | (kinds == 1)).all()), FORGED, "A tree splits in a way that is not known.")
    require(len(kinds) == count and categorical <= listed, FORGED, "A tree's categories are not all there.")


def _ints(value: Any) -> Any:
    """A list or array of whole numbers as int64."""
    import numpy as np

    array = np.asarray(value)
    require(array.ndim == 1 and (array.dtype.kind in "iub" or not len(array)), FORGED, "A tree's indices are no whole numbers.")
    return array.astype(np.int64)
