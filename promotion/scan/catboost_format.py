"""CatBoost's binary (.cbm) models: trees and tables of categories whose indices are checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
BUCKET_SIZE = 254
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
    features = Features.of(trees)
    parts = tuple(model.texts(3))
    require(parts in ((), CTR_PROVIDERS), FORGED, "The model has parts that are not known.")
    if parts:
        at = _categories(whole, at, features)
    require(at == len(whole), "trailing_data", "The file holds data after the model.")


def _trees(trees: Table) -> None:
    dimension = max(trees.integer(0), 1)
    splits, sizes, starts = (trees.array(number, "<i4") for number in (1, 2, 3))
    others = [one for number in (12, 13, 18) for one in trees.tables(number)]
    require(not others, FORGED, "Models of texts and embeddings are accepted as ONNX only.")
    require(len(trees.array(16, "<f8")) in (0, dimension), FORGED, "The model's biases do not add up.")
    _require_repacked(trees, len(splits))
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
    pairs, ends = trees.array(10, "<u4"), trees.array(11, "<u4")
    if not len(pairs) and not len(ends):
        require(bool((sizes <= DEEPEST_TREE).all()), FORGED, "A tree is deeper than CatBoost makes them.")
        require(int((2 ** sizes.astype("i8")).sum()) * dimension == leaves, FORGED, "A tree has not the leaves it says.")
        return
    _steps(sizes, pairs, ends, leaves)


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


@dataclass(frozen=True, slots=True)
class Features:
    """How many features of each kind the model has: what its combinations of categories may point at."""

    floats: int
    categories: int

    @classmethod
    def of(cls, trees: Table) -> Features:
        found = cls(len(list(trees.tables(5))), len(list(trees.tables(4))))
        for feature in trees.tables(7):
            ctr = feature.table(0)
            require(ctr is not None, FORGED, "A feature made of categories is not whole.")
            assert ctr is not None
            found.require_base(ctr.table(0))
            require(0 <= ctr.integer(1) < 2**16, FORGED, "A feature made of categories is not whole.")
        return found

    def require_base(self, base: Table | None) -> int:
        """The kind of a combination of categories, whose every part is a feature that is there. Raises Refused."""
        combination = base.table(0) if base is not None else None
        require(combination is not None and base is not None, FORGED, "A feature made of categories is not whole.")
        assert combination is not None and base is not None
        kind, used = base.byte(1), combination.array(0, "<i4")
        require(0 <= kind <= max(COUNTERS), FORGED, "A feature made of categories is of no known kind.")
        splits = [combination.array(number, [("index", "<i4"), ("value", "<u4")])["index"] for number in (1, 2)]
        for indices, count in ((used, self.categories), (splits[0], self.floats), (splits[1], self.categories)):
            require(
                bool(((indices >= 0) & (indices < count)).all()), FORGED, "A feature made of categories points outside the model."
            )
        require(len(used) + sum(map(len, splits)) > 0, FORGED, "A feature made of categories is made of none.")
        return kind


def _require_repacked(trees: Table, splits: int) -> None:
    """The splits as CatBoost evaluates them: a bucket of at most 254 values of a feature, a mask, and the value."""
    packed = trees.array(17, [("bucket", "<u2"), ("mask", "u1"), ("split", "u1")])
    vectors = [*((one, 3, "<f4") for one in trees.tables(5)), *((one, 1, "<i4") for one in trees.tables(6))]
    vectors += [(one, 1, "<f4") for one in trees.tables(7)]
    buckets = sum(-(-len(one.array(number, kind)) // BUCKET_SIZE) for one, number, kind in vectors)
    good = len(packed) in (0, splits) and bool((packed["bucket"] < max(buckets, 1)).all())
    require(good, FORGED, "A tree splits on a feature that does not exist.")


def _binary(trees: Table) -> int:
    """How many yes-or-no features the model makes of its inputs."""
    total = sum(len(one.array(3, "<f4")) for one in trees.tables(5))
    total += sum(len(one.array(1, "<i4")) for one in trees.tables(6))
    for vector, first in ((4, 0), (5, 1)):  # categories, then numbers, which begin with whether they may be missing
        for feature in trees.tables(vector):
            good = feature.integer(first, -1) >= 0 and feature.integer(first + 1, -1) >= 0
            require(good, FORGED, "A feature has no place.")
    return total + sum(len(one.array(1, "<f4")) for one in trees.tables(7))


def _categories(whole: bytes, at: int, features: Features) -> int:
    """The tables of categories behind the core; where they end."""
    count = int.from_bytes(whole[at : at + 4], "little")
    at += 4
    for _ in range(count):
        part, at = _sized(whole, at)
        table = root(part)
        kind = features.require_base(table.table(0))
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
