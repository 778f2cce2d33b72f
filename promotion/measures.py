"""What is measured of a model: functions of arrays to a few numbers, with NumPy alone, so that the jail can run them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Z95 = 1.959964  # the normal distribution's 97.5 % point
BINS = 10
MOST_CATEGORIES = 20
NOTICEABLE = 1e-4  # of a score from 0 to 1
DIGITS = 4  # more would tell of single persons


def auc(labels: Any, scores: Any) -> float:
    """The area under the ROC curve by ranks (Mann-Whitney), ties shared; NaN without both classes."""
    positives = int(labels.sum())
    negatives = len(labels) - positives
    if not positives or not negatives:
        return math.nan
    order = np.argsort(scores, kind="mergesort")
    _, inverse, counts = np.unique(scores[order], return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = np.empty(len(scores))
    ranks[order] = ((ends - counts + 1 + ends) / 2)[inverse]
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def auc_error(area: float, positives: int, negatives: int) -> float:
    """The standard error of an AUC (Hanley and McNeil 1982)."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (positives - 1) * (q1 - area**2) + (negatives - 1) * (q2 - area**2)
    return math.sqrt(max(spread, 0) / (positives * negatives))


def wilson(hits: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927); (0, 1) of nothing."""
    if not count:
        return 0.0, 1.0
    share, square = hits / count, Z95**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = Z95 * math.sqrt(share * (1 - share) / count + square / (4 * count**2)) / (1 + square / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def difference(high: tuple[int, int], low: tuple[int, int]) -> tuple[float, float]:
    """How far apart two shares (hits, count) are, and the lower end of the 95 % interval of that (Newcombe 1998, method 10)."""
    first, second = high[0] / high[1], low[0] / low[1]
    spread = math.hypot(first - wilson(*high)[0], wilson(*low)[1] - second)
    return first - second, max(0.0, first - second - spread)


def psi(expected: Any, actual: Any) -> float:
    """The population stability index of two columns: numbers by tenths of the first, words by its commonest."""
    if expected.dtype.kind in "fiu":
        edges = (
            np.unique(np.nanquantile(expected, np.linspace(0, 1, BINS + 1)[1:-1])) if np.isfinite(expected).any() else np.empty(0)
        )
        coded = [np.where(np.isnan(one), len(edges) + 1, np.searchsorted(edges, one)) for one in (expected, actual)]
        bins = len(edges) + 2
    else:
        names, counts = np.unique(expected.astype(str), return_counts=True)
        common = names[np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]]
        place = {name: number for number, name in enumerate(common)}
        coded = [np.array([place.get(name, len(common)) for name in one.astype(str)]) for one in (expected, actual)]
        bins = len(common) + 1
    return stability(*(np.bincount(one, minlength=bins)[:bins] for one in coded))


def stability(expected: Any, actual: Any) -> float:
    """The population stability index of two counts of the same bins."""
    before, after = ((np.asarray(one) + 0.5) / (np.asarray(one) + 0.5).sum() for one in (expected, actual))  # no share is 0
    return float(((after - before) * np.log(after / before)).sum())


def importance(
    score: Callable[[dict[str, Any]], Any], inputs: dict[str, Any], labels: Any, *, repeats: int = 3, seed: int = 7
) -> dict[str, float]:
    """How much AUC is lost when one input's values change places among the rows, on average of `repeats` (Breiman 2001)."""
    random = np.random.default_rng(seed)
    base = auc(labels, score(inputs))
    lost = {}
    for name, values in inputs.items():
        drops = [base - auc(labels, score(inputs | {name: values[random.permutation(len(values))]})) for _ in range(repeats)]
        lost[name] = float(np.mean(drops))
    return lost


def against(score: Callable[[dict[str, Any]], Any], inputs: dict[str, Any], name: str, *, rising: bool) -> float:
    """The share of rows in which the score goes the other way somewhere, when one number goes from tenth to tenth."""
    known = inputs[name][np.isfinite(inputs[name])]
    grid = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1))) if len(known) else np.empty(0)
    count = len(inputs[name])
    if len(grid) < 2 or not count:
        return 0.0
    said = np.stack([score(inputs | {name: np.full(count, value, inputs[name].dtype)}) for value in grid])
    steps = np.diff(said, axis=0) * (1 if rising else -1)
    return float((steps < -NOTICEABLE).any(axis=0).mean())


def attack(member_losses: Any, other_losses: Any) -> dict[str, float]:
    """How well a row's loss tells whether the model was trained on it (Yeom et al. 2018): AUC, and TPR at a low FPR."""
    labels = np.concatenate([np.ones(len(member_losses), bool), np.zeros(len(other_losses), bool)])
    area = auc(labels, -np.concatenate([member_losses, other_losses]))
    # A false positive rate that so few rows can show: at least ten of them.
    rate = max(0.001, 10 / len(other_losses))
    limit = np.sort(other_losses)[min(int(rate * len(other_losses)), len(other_losses) - 1)]
    hits = int((member_losses < limit).sum())
    error = auc_error(area, len(member_losses), len(other_losses))
    return {
        "auc": area, "auc_low": area - Z95 * error, "fpr": rate, "tpr": hits / len(member_losses),
        "tpr_low": wilson(hits, len(member_losses))[0],
    }  # fmt: skip


def losses(labels: Any, scores: Any) -> Any:
    """The log loss of each row."""
    held = np.clip(scores, 1e-7, 1 - 1e-7)
    return -np.log(np.where(labels, held, 1 - held))


def rounded(value: Any) -> Any:
    """The value with its numbers in `DIGITS` decimals, and None for what is no number."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    if isinstance(value, float | np.floating):
        return round(float(value), DIGITS) if math.isfinite(value) else None
    return value
