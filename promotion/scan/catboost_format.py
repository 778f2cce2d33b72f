"""CatBoost's binary (.cbm) models: trees and tables of categories whose indices are checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from promotion.scan import pickles
from promotion.scan.flatbuffer import Table, root
from promotion.scan.report import Data, require

NAME = "catboost"
ENDINGS = (".cbm", ".cb", ".json")
LARGEST_BYTES = 512 << 20
FORGED = "forged_tree"
OUTSIDE = "A tree's indices point outside it."
VERSIONS = ("FlabuffersModel_v1",)
CTR_PROVIDERS = ("static_provider_v1",)
BUCKET, EMPTY = 12, 0xFFFFFFFFFFFFFFFF  # a hash of 8 bytes and an index of 4
MEANS = (2, 3)  # of ECtrType: a sum and a count for each value
COUNTERS = (4, 5)  # a count for each value
DEEPEST_TREE = 16  # CatBoost's own limit


def looks_like(base: str, data: Data) -> bool:
    return bytes(data[:4]) == b"CBM1"


def require_good(data: Data) -> None:
    """The file is one model whose trees stay inside it. Raises Refused."""
    require(len(data) <= LARGEST_BYTES, "too_large", "The model is larger than can be checked.")
    whole = bytes(data)
    core, at = _sized(whole, 4)
    model = root(core)
    require(model.text(0) in VERSIONS, FORGED, "This is no CatBoost model of a known version.")
    trees = model.table(1)
    require(trees is not None, FORGED, "The file holds no trees.")
    assert trees is not None
    _trees(trees)
    texts = [word for pair in model.tables(2) for word in (pair.text(0), pair.text(1))]
    require(not pickles.in_strings(iter(texts)), "pickle", "The model's description holds a pickle as text.")
    parts = tuple(model.texts(3))
    require(parts in ((), CTR_PROVIDERS), FORGED, "The model has parts that are not known.")
    if parts:
        at = _categories(whole, at)
    require(at == len(whole), "trailing_data", "The file holds data after the model.")


def _trees(trees: Table) -> None:
    dimension = max(trees.integer(0), 1)
    splits, sizes, starts = (trees.array(number, "<i4") for number in (1, 2, 3))
    require(not list(trees.tables(12)) and not list(trees.tables(13)), FORGED, "Models of texts are accepted as ONNX only.")
    require(
        len(sizes) > 0 and bool((sizes >= 0).all()) and int(sizes.sum()) == len(splits),
        FORGED,
        "A tree has not the splits it says.",
    )
    require(len(starts) in (0, len(sizes)), FORGED, "A tree has not the splits it says.")
    require(not len(starts) or bool((starts == sizes.cumsum() - sizes).all()), FORGED, "A tree does not begin where it says.")
    require(
        bool(((splits >= 0) & (splits < max(_binary(trees), 1))).all()), FORGED, "A tree splits on a feature that does not exist."
    )
    leaves = len(trees.array(8, "<f8"))
    pairs = trees.array(10, "<u4")
    if not len(pairs):
        require(bool((sizes <= DEEPEST_TREE).all()), FORGED, "A tree is deeper than CatBoost makes them.")
        require(int((2 ** sizes.astype("i8")).sum()) * dimension == leaves, FORGED, "A tree has not the leaves it says.")
        return
    _steps(sizes, pairs, trees.array(11, "<u4"), leaves)


def _steps(sizes: Any, pairs: Any, ends: Any, leaves: int) -> None:
    """Trees that are not symmetric: each node says how far on its children stand; always on, so no circle is possible.

    `pairs` holds both 16-bit steps of a node at once.
    """
    import numpy as np

    count = len(ends)
    require(len(pairs) == count == int(sizes.sum()), FORGED, "A tree's arrays differ in length.")
    left, right, limit = pairs & 0xFFFF, pairs >> 16, sizes.cumsum().repeat(sizes)
    at = np.arange(count)
    require(bool((at + left < limit).all()) and bool((at + right < limit).all()), FORGED, OUTSIDE)
    final = (left == 0) | (right == 0)
    require(bool((ends[final] < leaves).all()), FORGED, OUTSIDE)


def _binary(trees: Table) -> int:
    """How many yes-or-no features the model makes of its inputs."""
    total = sum(len(one.array(3, "<f4")) for one in trees.tables(5))
    total += sum(len(one.array(1, "<i4")) for one in trees.tables(6))
    for vector, first in ((4, 0), (5, 1)):  # categories, then numbers, which begin with whether they may be missing
        for feature in trees.tables(vector):
            good = feature.integer(first, -1) >= 0 and feature.integer(first + 1, -1) >= 0
            require(good, FORGED, "A feature has no place.")
    return total + sum(len(one.array(1, "<f4")) for one in trees.tables(7))


def _categories(whole: bytes, at: int) -> int:
    """The tables of categories behind the core; where they end."""
    count = int.from_bytes(whole[at : at + 4], "little")
    at += 4
    for _ in range(count):
        part, at = _sized(whole, at)
        table = root(part)
        base = table.table(0)
        kind = base.byte(1) if base is not None else 0
        hashes, values = table.array(1, "u1"), table.array(2, "u1")
        require(len(hashes) % BUCKET == 0, FORGED, "A table of categories is not whole.")
        width = 8 if kind in MEANS else 4 if kind in COUNTERS else 4 * max(table.integer(4), 1)
        require(len(values) % width == 0, FORGED, "A table of categories is not whole.")
        for index in _indices(hashes):
            require(index < len(values) // width, FORGED, "A table of categories points outside it.")
    return at


def _indices(hashes: Any) -> Iterator[int]:
    import numpy as np

    buckets = np.frombuffer(hashes.tobytes(), dtype=[("hash", "<u8"), ("index", "<u4")])
    yield from (int(index) for index in np.unique(buckets["index"][buckets["hash"] != EMPTY]))


def _sized(whole: bytes, at: int) -> tuple[bytes, int]:
    require(at + 4 <= len(whole), FORGED, "The file ends early.")
    length = int.from_bytes(whole[at : at + 4], "little")
    require(8 <= length <= len(whole) - at - 4, FORGED, "The file ends early.")
    return whole[at + 4 : at + 4 + length], at + 4 + length
