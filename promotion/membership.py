"""Membership inference with shadow models: the likelihood ratio attack (LiRA, Carlini et al. 2022), online, with fixed variance.

Shadow models of the model's own kind are trained on random halves of all rows; what they say of each row with and without it in
their half is kept, and a model that says of a row what models with it say is a model that was trained on it.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

FEWEST_SHADOWS = 8
SEED = 7
MOST_WORDS = 50
NARROWEST = 1e-3


@dataclass(frozen=True, slots=True)
class Shadows:
    """By row (as the hash of its inputs and label): mean logits of shadow models with and without it; the spread of both."""

    rows: Any
    with_row: Any
    without: Any
    spread: tuple[float, float]
    models: int

    def write(self, path: Path) -> None:
        np.savez(
            path, rows=self.rows, with_row=self.with_row, without=self.without, spread=np.array(self.spread),
            models=np.array(self.models),
        )  # fmt: skip

    @classmethod
    def read(cls, path: Path) -> Shadows | None:
        """The shadows in the file; None where there is none."""
        if not path.is_file():
            return None
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            spread = float(kept["spread"][0]), float(kept["spread"][1])
            return cls(kept["rows"], kept["with_row"], kept["without"], spread, int(kept["models"]))


def names(rows: Any) -> Any:
    """Each row's hash, the same in every process and whatever the order of rows."""
    import pandas as pd

    frame = pd.DataFrame({**rows.inputs, "label": rows.labels})
    return pd.util.hash_pandas_object(frame, index=False).to_numpy()


def logits(labels: Any, scores: Any) -> Any:
    """The log odds that are given to the row's own label."""
    held = np.clip(scores, 1e-6, 1 - 1e-6)
    right = np.where(labels, held, 1 - held)
    return np.log(right / (1 - right))


def train(members: Any, others: Any, learner: Callable[[int], Any], *, most: int, go_on: Callable[[], bool]) -> Shadows | None:
    """Up to `most` shadow models over both kinds of rows while `go_on`; None when so few were made that they say nothing."""
    labels = np.concatenate([members.labels, others.labels])
    inputs = encoded({name: np.concatenate([members.inputs[name], others.inputs[name]]) for name in members.inputs})
    unique, place = np.unique(np.concatenate([names(members), names(others)]), return_inverse=True)
    sums = np.zeros((4, len(unique)))  # of logits with and without, and how many there were
    squares, made = np.zeros(2), 0
    while made < most and go_on():
        half = np.random.default_rng([SEED, made // 2]).permutation(len(unique)) % 2 == made % 2  # both halves, turn by turn
        chosen = half[place]
        if len(np.unique(labels[chosen])) < 2:
            return None
        fitted = learner(made).fit(inputs[chosen], labels[chosen])
        said = np.zeros(len(unique))
        said[place] = logits(labels, fitted.predict_proba(inputs)[:, 1])  # equal rows have one logit
        sums[0] += np.where(half, said, 0)
        sums[1] += np.where(half, 0, said)
        sums[2], sums[3] = sums[2] + half, sums[3] + ~half
        squares += [float((said[half] ** 2).sum()), float((said[~half] ** 2).sum())]
        made += 1
    if made < FEWEST_SHADOWS:
        return None
    means = sums[:2] / np.maximum(sums[2:], 1)
    spread = [
        max(NARROWEST, (squares[n] - (means[n] ** 2 * sums[2 + n]).sum()) / max(1, sums[2 + n].sum() - len(unique))) ** 0.5
        for n in (0, 1)
    ]  # fmt: skip
    return Shadows(unique, means[0], means[1], (spread[0], spread[1]), made)


def likelihood(shadows: Shadows | None, rows: Any, scores: Any) -> Any:
    """For each row that the shadows know: how much likelier the score is of a model without it (low: it was trained on it)."""
    if shadows is None:
        return np.empty(0)
    wanted = names(rows)
    at = np.clip(np.searchsorted(shadows.rows, wanted), 0, len(shadows.rows) - 1)
    known = shadows.rows[at] == wanted
    at, said = at[known], logits(rows.labels, scores)[known]
    ratios = [
        ((said - mean[at]) / spread) ** 2 / 2 + np.log(spread)
        for mean, spread in ((shadows.with_row, shadows.spread[0]), (shadows.without, shadows.spread[1]))
    ]  # fmt: skip
    return ratios[0] - ratios[1]


def encoded(inputs: dict[str, Any]) -> Any:
    """The inputs as one matrix: numbers as they are, a missing one as the middle; the commonest words as columns of 0 and 1."""
    columns = []
    for values in inputs.values():
        if values.dtype.kind == "f":
            middle = np.nanmedian(values) if np.isfinite(values).any() else 0.0
            columns.append(np.nan_to_num(values, nan=middle, posinf=middle, neginf=middle))
            continue
        words, counts = np.unique(values.astype(str), return_counts=True)
        columns += [(values == word).astype(np.float32) for word in words[np.argsort(-counts, kind="stable")[:MOST_WORDS]]]
    return np.column_stack(columns).astype(np.float32)


def learner_of(kind: dict[str, Any]) -> Callable[[int], Any]:
    """Makes an untrained model of the same kind and size; gradient boosting where the kind is none we know."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    leaves = max(2, int(kind.get("leaves", 31)))
    if kind["kind"] == "linear":
        return lambda seed: make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    if kind["kind"] == "forest":
        return lambda seed: RandomForestClassifier(min(100, kind["trees"]), max_leaf_nodes=leaves, n_jobs=2, random_state=seed)
    rounds = min(300, max(1, int(kind.get("trees", 100))))
    return lambda seed: HistGradientBoostingClassifier(
        max_iter=rounds, max_leaf_nodes=leaves, min_samples_leaf=5, early_stopping=False, random_state=seed
    )
