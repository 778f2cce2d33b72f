"""What would reach a target k: how far each quasi-identifier is generalised, how many rows go, and what that costs.

The steps of a column are the treatments of contracts (ZIP5 > ZIP3 > absent; day > month > year > decade > absent; wider and
wider bins > absent), and a proposal is one step for each column: a node of the lattice of Samarati (2001). Rows left in classes
below k are suppressed. The loss is the normalised certainty penalty (Xu et al. 2006), 0 as given, 1 with nothing left, a row
suppressed counting 1; beside it stands the discernibility metric (Bayardo and Agrawal 2005). A node's own penalty is a lower
bound of what it costs with suppression, so nodes are tried in its order and the search ends with the best
one, unless it is cut short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import polars as pl

from sandbox.treatments import TREATMENTS, Keyed

MOST_NODES = 600
KEEP, ABSENT = {"name": "keep"}, {"name": "suppress"}
MANY_VALUES, FEWEST_BINS = 12, 2
ZIP5 = r"^\d{5}(?:-?\d{4})?$"


@dataclass(frozen=True, slots=True)
class Step:
    """A treatment of a column: for each distinct value its code after it, and the share of the domain that code covers."""

    treatment: Mapping[str, Any]
    codes: np.ndarray[Any, Any]
    penalty: float  # mean over the rows


@dataclass(frozen=True, slots=True)
class Proposal:
    """One step for each quasi-identifier, and the rows that must go; `loss` from 0 to 1."""

    treatments: Mapping[str, Mapping[str, Any]]
    k: int
    classes: int
    suppressed_rows: int
    suppressed_share: float
    loss: float
    discernibility: int

    def as_json(self) -> dict[str, Any]:
        return {
            "treatments": {name: dict(told) for name, told in self.treatments.items()}, "k": self.k, "classes": self.classes,
            "suppressed_rows": self.suppressed_rows, "suppressed_share": self.suppressed_share, "loss": self.loss,
            "discernibility": self.discernibility,
        }  # fmt: skip


def propose(classes: pl.DataFrame, quasi: Sequence[str], k: int, *, most_suppressed: float) -> dict[str, Any]:
    """The best proposal with at most that share of rows suppressed, the best without any, and that which only suppresses.

    `classes` holds each class once with its `size`. A proposal that does not exist is None.
    """
    sizes = classes["size"].to_numpy().astype(np.int64)
    steps = [_steps(classes[name], sizes) for name in quasi]
    as_given = _judge(tuple(0 for _ in quasi), steps, quasi, sizes, k)
    found: dict[str, Proposal | None] = {"best": None, "without_suppression": None}
    tried = 0
    nodes = sorted(product(*(range(len(column)) for column in steps)), key=lambda node: _penalty(node, steps))
    for node in nodes[:MOST_NODES]:
        bound = _penalty(node, steps)
        if all(one is not None and one.loss <= bound for one in found.values()):
            break
        tried += 1
        made = _judge(node, steps, quasi, sizes, k)
        for kind, most in (("best", most_suppressed), ("without_suppression", 0.0)):
            one = found[kind]
            if made.suppressed_share <= most and made.classes and (one is None or made.loss < one.loss):
                found[kind] = made
    told = {kind: one and one.as_json() for kind, one in found.items()}
    only = as_given.as_json() if as_given.classes else None
    return {
        "target_k": k, "max_suppressed": most_suppressed, **told, "suppression_only": only, "nodes": len(nodes), "tried": tried,
        "whole": tried < MOST_NODES or len(nodes) <= MOST_NODES,
    }  # fmt: skip


def _judge(
    node: tuple[int, ...], steps: Sequence[Sequence[Step]], quasi: Sequence[str], sizes: np.ndarray[Any, Any], k: int
) -> Proposal:
    """What is left after the node's steps, once the rows of classes below k are gone."""
    code = np.zeros(len(sizes), dtype=np.int64)
    for column, level in zip(steps, node, strict=True):
        codes = column[level].codes
        code = code * (int(codes.max(initial=0)) + 1) + codes
        if code.max(initial=0) > 2**40:  # so that the next column's product fits
            code = np.unique(code, return_inverse=True)[1]
    _, place = np.unique(code, return_inverse=True)
    merged = np.bincount(place, weights=sizes).astype(np.int64) if len(sizes) else np.zeros(0, dtype=np.int64)
    kept, rows = merged[merged >= k], int(merged.sum())
    gone = rows - int(kept.sum())
    share = gone / rows if rows else 0.0
    return Proposal(
        treatments={name: column[level].treatment for name, column, level in zip(quasi, steps, node, strict=True)},
        k=int(kept.min()) if len(kept) else 0, classes=len(kept), suppressed_rows=gone,
        suppressed_share=share, loss=round(_penalty(node, steps) * (1 - share) + share, 6),
        discernibility=int((kept**2).sum()) + gone * rows,
    )  # fmt: skip


def _penalty(node: tuple[int, ...], steps: Sequence[Sequence[Step]]) -> float:
    return sum(column[level].penalty for column, level in zip(steps, node, strict=True)) / len(steps)


def _steps(column: pl.Series, sizes: np.ndarray[Any, Any]) -> list[Step]:
    """The column as it is, each treatment that fits it and tells less than the one before, and its absence."""
    values = column.unique(maintain_order=True)
    place = column.to_frame("v").join(
        values.to_frame("v").with_row_index("i"), on="v", how="left", nulls_equal=True, maintain_order="left"
    )["i"].to_numpy()  # fmt: skip
    weights = np.bincount(place, weights=sizes, minlength=len(values)) / max(1, sizes.sum())
    made = [Step(KEEP, place.astype(np.int64), 0.0)]
    for treatment in _treatments(values):
        apply = TREATMENTS[treatment["name"]]
        assert apply is not None
        treated = apply(values, {k: v for k, v in treatment.items() if k != "name"}, Keyed(b""))
        codes = treated.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
        penalty = float((_covered(values, codes) * weights).sum())
        if penalty > made[-1].penalty and len(np.unique(codes)) > 1:
            made.append(Step(treatment, codes[place], penalty))
    return [*made, Step(ABSENT, np.zeros(len(place), dtype=np.int64), 1.0)] if len(values) > 1 else made


def _treatments(values: pl.Series) -> list[dict[str, Any]]:
    if values.dtype.is_temporal():
        return [{"name": "round", "to": "month"}, {"name": "year"}, {"name": "year", "width": 5}, {"name": "year", "width": 10}]
    given = values.drop_nulls()
    if values.dtype == pl.String:
        return [{"name": "zip3"}] if len(given) and given.str.contains(ZIP5).all() else []
    if not values.dtype.is_numeric() or not len(given):
        return []
    low, high = float(given.min()), float(given.max())  # type: ignore[arg-type]
    widths = [m * 10**p for p in range(-3, 13) for m in (1, 2, 5)]
    whole = values.dtype.is_integer()
    fitting = [w for w in widths if (high - low) / MANY_VALUES / 4 < w <= (high - low) / FEWEST_BINS and (w > 1 or not whole)]
    return [{"name": "bin", "width": int(w) if w >= 1 else w} for w in fitting]


def _covered(values: pl.Series, codes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """For each value the share of the domain that its code stands for: of the range for what has an order, else of the values."""
    if values.dtype == pl.String:
        counts = np.bincount(codes)
        alike: np.ndarray[Any, Any] = (counts[codes] - 1) / max(1, len(values) - 1)
        return alike
    numbers = values.to_physical().cast(pl.Float64).fill_null(float("nan")).to_numpy()
    known = ~np.isnan(numbers)
    spread = np.nanmax(numbers) - np.nanmin(numbers) if known.any() else 0.0
    if not spread:
        return np.zeros(len(codes))
    low, high = np.full(codes.max() + 1, np.inf), np.full(codes.max() + 1, -np.inf)
    np.minimum.at(low, codes[known], numbers[known])
    np.maximum.at(high, codes[known], numbers[known])
    wide = np.where(np.isfinite(low[codes]), high[codes] - low[codes], 0.0) / spread
    return np.where(known, wide, 0.0)
