"""LightGBM's text model: lines of numbers whose indices are checked, because LightGBM reads memory by them unchecked."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from promotion.scan.onnx_trees import require_acyclic
from promotion.scan.report import Data, require
from promotion.scan.strict import text

NAME = "lightgbm"
ENDINGS = (".txt", ".lgb", ".lgbm")
LARGEST_BYTES = 512 << 20
FORGED = "forged_tree"
LINE = re.compile(r"[a-z_]+=[^\x00-\x1f\x7f]*|average_output")
NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?|nan|inf)"
TREE_LINE = re.compile(rf"[a-z_]+= *(?:{NUMBER}(?: +{NUMBER})*)? *")
PER_LEAF = ("leaf_value", "leaf_weight", "leaf_count")
PER_NODE = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child", "internal_value",
            "internal_weight", "internal_count")  # fmt: skip
LINEAR = ("leaf_const", "num_features", "leaf_features", "leaf_coeff")
TREE_PARTS = frozenset(
    {*PER_LEAF, *PER_NODE, *LINEAR, "num_leaves", "num_cat", "cat_boundaries", "cat_threshold", "is_linear", "shrinkage"}
)
TAIL = re.compile(
    r"(?:feature_importances:|parameters:|end of parameters|loaded_parameters.*"
    r"|[^=\x00-\x1f]{1,1000}=[0-9.e+]+|\[[a-z_0-9]+: [^\x00-\x1f\]]*\])?"
)
NEEDED = ("version", "num_class", "num_tree_per_iteration", "max_feature_idx", "feature_names", "feature_infos", "tree_sizes")
OBJECTIVE = re.compile(r"[a-z_0-9]+(?: [a-z_]+(?::[-+0-9.e]+)?)*|custom")


def looks_like(base: str, data: Data) -> bool:
    return bytes(data[:13]) in (b"tree\nversion=v", b"tree\nversion=") or bytes(data[:5]) == b"tree\n"


def require_good(data: Data) -> None:
    """The text is a model with whole trees. Raises Refused."""
    source = text(data, LARGEST_BYTES)
    head, _, rest = source.partition("\nTree=0\n")
    require(bool(rest), FORGED, "The file is no whole LightGBM model.")
    trees, end, tail = ("\nTree=0\n" + rest).partition("\nend of trees\n")
    require(bool(end), FORGED, "The file is no whole LightGBM model.")
    header = _lines(head.splitlines()[1:], LINE)
    require(all(name in header for name in NEEDED), FORGED, "The model's header is not whole.")
    require(
        bool(OBJECTIVE.fullmatch(header.get("objective", "custom"))), FORGED, "The model's objective is not one of LightGBM's."
    )
    features, classes = int(header["max_feature_idx"]) + 1, int(header["num_class"])
    each = int(header["num_tree_per_iteration"])
    said = re.search(r" num_class:([0-9]+)", header.get("objective", ""))
    good = 0 < classes < 2**16 and each == classes and (said is None or int(said[1]) == classes)
    require(good, FORGED, "The model's classes do not add up.")
    names = (header["feature_names"].split(" "), header["feature_infos"].split(" "))
    require(all(len(one) == features for one in names), FORGED, "The model has not the features it says.")
    blocks = trees.split("\nTree=")[1:]
    sizes = _ints(header["tree_sizes"])
    require(len(sizes) == len(blocks) and len(blocks) % each == 0, FORGED, "The model has not the trees it says.")
    for number, (block, size) in enumerate(zip(blocks, sizes, strict=True)):
        # A tree's size counts from its "Tree=" to the next one's.
        written = len(("Tree=" + block + "\n").encode())
        require(written == size, FORGED, "A tree has not the size it says.")
        lines = block.splitlines()
        require(lines[0] == str(number), FORGED, "The trees are not in order.")
        _tree(_lines(lines[1:], TREE_LINE), features)
    _tail(tail)


def _lines(lines: Sequence[str], form: re.Pattern[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        if line:
            require(bool(form.fullmatch(line)), FORGED, "The file has a line that LightGBM does not write.")
            name, _, value = line.partition("=")
            require(name not in found, FORGED, "A line stands twice.")
            found[name] = value
    return found


def _tree(lines: dict[str, str], features: int) -> None:
    leaves, categories = int(lines["num_leaves"]), int(lines["num_cat"])
    require(set(lines) <= TREE_PARTS and "shrinkage" in lines, FORGED, "A tree has parts that LightGBM does not write.")
    require(0 < leaves < 2**24 and 0 <= categories < leaves + 1, FORGED, "A tree has not the leaves it says.")
    for names, count in ((PER_LEAF, leaves), (PER_NODE, leaves - 1)):
        lengths = {len(lines[name].split()) for name in names if lines.get(name, "").strip()}
        require(lengths <= {count}, FORGED, "A tree's arrays differ in length.")
    require(len(lines["leaf_value"].split()) == leaves, FORGED, "A tree's arrays differ in length.")
    _linear(lines, leaves, features)
    if leaves == 1:
        return
    split, left, right = (_ints(lines[name]) for name in ("split_feature", "left_child", "right_child"))
    kinds, limits = _ints(lines["decision_type"]), lines["threshold"].split()
    lengths = {len(split), len(left), len(right), len(kinds), len(limits)}
    require(lengths == {leaves - 1}, FORGED, "A tree's arrays differ in length.")
    require(all(0 <= one < features for one in split), FORGED, "A tree splits on a feature that does not exist.")
    ends = [child for child in (*left, *right) if child < 0]
    require(all(-leaves <= child < leaves - 1 for child in (*left, *right)), FORGED, "A tree's indices point outside it.")
    require(len(set(ends)) == len(ends) == leaves, FORGED, "A tree's leaves are not reached once each.")
    require_acyclic([tuple(child for child in pair if child >= 0) for pair in zip(left, right, strict=True)])
    require(0 not in (*left, *right), FORGED, "A tree's nodes form a cycle.")
    _categorical(lines, kinds, limits, categories)


def _categorical(lines: dict[str, str], kinds: list[int], limits: list[str], categories: int) -> None:
    used = [int(float(limit)) for kind, limit in zip(kinds, limits, strict=True) if kind & 1]
    require(all(0 <= one < categories for one in used), FORGED, "A tree's categories point outside it.")
    if categories:
        bounds, words = _ints(lines["cat_boundaries"]), _ints(lines["cat_threshold"])
        good = len(bounds) == categories + 1 and bounds[0] == 0 and bounds[-1] == len(words) and bounds == sorted(bounds)
        require(good, FORGED, "A tree's categories point outside it.")


def _linear(lines: dict[str, str], leaves: int, features: int) -> None:
    if lines.get("is_linear", "0") == "0":
        return
    counts, used = _ints(lines["num_features"]), _ints(lines["leaf_features"])
    good = len(counts) == leaves and all(count >= 0 for count in counts) and sum(counts) == len(used)
    good = good and len(lines["leaf_coeff"].split()) == len(used) and len(lines["leaf_const"].split()) == leaves
    require(good and all(0 <= one < features for one in used), FORGED, "A tree's linear leaves point outside it.")


def _tail(tail: str) -> None:
    for line in tail.splitlines():
        if line.startswith("pandas_categorical:"):
            _plain(json.loads(line.partition(":")[2]))
        else:
            require(bool(TAIL.fullmatch(line)), "trailing_data", "The file has a line that LightGBM does not write.")


def _plain(value: Any) -> None:
    lists = value is None or (isinstance(value, list) and all(isinstance(one, list) for one in value))
    require(lists, "trailing_data", "The categories are not written as LightGBM does.")
    kinds = all(isinstance(item, str | int | float) for one in value or () for item in one)
    require(kinds, "trailing_data", "The categories are not written as LightGBM does.")


def _ints(value: str) -> list[int]:
    return [int(one) for one in value.split()]
