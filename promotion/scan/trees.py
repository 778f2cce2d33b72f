"""Native tree formats that are pure data: XGBoost JSON, LightGBM text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

NAME = "trees"
LARGEST_BYTES = 1 << 30


def looks_like(base: str, head: bytes) -> bool:
    text = head.lstrip()
    return (text.startswith(b"{") and b'"learner"' in head) or head.startswith(b"tree\nversion=v")


def problem(file: Path, head: bytes) -> tuple[str, str] | None:
    """Why the file is refused."""
    if file.stat().st_size > LARGEST_BYTES:
        return "too_large", "The model is larger than can be checked."
    text = file.read_bytes().decode("utf-8")
    return _xgboost(json.loads(text)) if text.lstrip().startswith("{") else _lightgbm(text)


def _xgboost(value: Any) -> tuple[str, str] | None:
    """Every child and feature index of every tree stays inside its arrays: a forged one reads memory it should not."""
    learner = value["learner"]
    features = int(learner["learner_model_param"]["num_feature"])
    model = learner["gradient_booster"]
    trees = model.get("model", model.get("gbtree", {}).get("model", {})).get("trees", [])
    for tree in trees:
        count = len(tree["left_children"])
        arrays = [tree[name] for name in ("left_children", "right_children", "split_indices", "split_conditions")]
        children = [*tree["left_children"], *tree["right_children"]]
        if any(len(array) != count for array in arrays) or any(not -1 <= child < count for child in children):
            return "forged_tree", "A tree's indices point outside it."
        if any(not 0 <= index < max(features, 1) for index in tree["split_indices"]):
            return "forged_tree", "A tree splits on a feature that does not exist."
        parents = [child for child in children if child != -1]
        if len(set(parents)) != len(parents) or 0 in parents:
            return "forged_tree", "A tree's nodes form a cycle."
    return None


def _lightgbm(text: str) -> tuple[str, str] | None:
    if any(ord(character) < 32 and character not in "\t\r\n" for character in text) or "end of trees" not in text:
        return "forged_tree", "The file is no whole LightGBM model."
    features = 0
    leaves = 0
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name == "max_feature_idx":
            features = int(value)
        if name == "num_leaves":
            leaves = int(value)
        if name == "split_feature" and any(not 0 <= int(index) <= features for index in value.split()):
            return "forged_tree", "A tree splits on a feature that does not exist."
        if name in ("left_child", "right_child") and any(not -leaves <= int(child) < leaves - 1 for child in value.split()):
            return "forged_tree", "A tree's indices point outside it."
    return None
