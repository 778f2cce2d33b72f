"""How far what a model is asked in production lies from what it was trained on: a profile of the training rows, and counts by it.

The profile says, for each input and for the score, where the bins lie and how many training rows fell into each. Only counts of
at least `fewest` rows are told, rounded to five, so that neither a row nor a difference of two counts tells of a person.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from promotion.model_contracts import ModelContract

BINS = 10
MOST_WORDS = 20
LONGEST_WORD = 100
ROUNDED_TO = 5
FEWEST_TRAINED = 100  # of fewer training rows a distribution says nothing
CHANCE = 0.001  # how often rows like those of the training may look as if they were not
SCORE = ""  # an input has a name


class Column(BaseModel):
    """One column's bins: numbers by the upper edges of all bins but the last, texts by word (word -> its bin) and one
    bin for all others.

    The last of `counts` is of the rows in which the value is missing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    edges: tuple[float, ...] = Field(default=(), max_length=BINS)
    words: Mapping[str, int] = Field(default_factory=dict, max_length=MOST_WORDS)
    counts: tuple[int, ...] = Field(min_length=2, max_length=MOST_WORDS + 2)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if len(self.counts) != len(self.edges or self.words) + 2 or (self.edges and self.words) or min(self.counts) < 0:
            raise ValueError("the counts are not those of the bins")
        rising = list(self.edges) == sorted(set(self.edges))
        if not rising or sorted(self.words.values()) != list(range(len(self.words))) or sum(self.counts) == 0:
            raise ValueError("the edges do not rise, the words are not numbered, or nothing was counted")
        return self

    @property
    def labels(self) -> list[str]:
        """What each bin holds, for people."""
        if self.words:
            return [*sorted(self.words, key=lambda word: self.words[word]), "others", "missing"]
        if not self.edges:
            return ["all", "missing"]
        return [*(f"to {edge:.4g}" for edge in self.edges), f"over {self.edges[-1]:.4g}", "missing"]

    def codes(self, values: Any) -> Any:
        """The number of the bin of each value."""
        import numpy as np

        if values.dtype.kind in "fiu":
            return np.where(np.isnan(values), len(self.edges) + 1, np.searchsorted(self.edges, values))
        place = {**self.words, "": len(self.words) + 1}
        return np.array([place.get(str(value), len(self.words)) for value in values], dtype=np.int64)


class Profile(BaseModel):
    """The training rows' columns, and the model's scores for them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    inputs: Mapping[str, Column]
    score: Column

    def count(self, columns: Mapping[str, Any], scores: Any) -> dict[str, int]:
        """`NAME:BIN` -> how many of these values fell there; the score's name is empty."""
        import numpy as np

        given = {name: (column, columns[name].ravel()) for name, column in self.inputs.items()}
        if len(scores):
            given[SCORE] = (self.score, np.array([math.nan if one is None else one for one in scores], dtype=np.float32))
        found = {}
        for name, (column, values) in given.items():
            for number, counted in enumerate(np.bincount(column.codes(values), minlength=1).tolist()):
                if counted:
                    found[f"{name}:{number}"] = counted
        return found

    def of(self, name: str) -> Column | None:
        """The column of that name."""
        return self.score if name == SCORE else self.inputs.get(name)


def profile(inputs: Mapping[str, Any], scores: Any, *, fewest: int) -> dict[str, Any] | None:
    """The profile of these rows as JSON, or None of too few of them."""
    if len(scores) < FEWEST_TRAINED:
        return None
    return {"inputs": {name: _column(values, fewest) for name, values in inputs.items()}, "score": _column(scores, fewest)}


def told(predicate: Mapping[str, Any]) -> Profile | None:
    """The profile in what was signed of a deployment, if there is one."""
    return Profile.model_validate(predicate["training"]) if predicate.get("training") else None


def column_of(metric: str) -> str:
    """The column that a rule's metric is about."""
    return SCORE if metric == "output_drift" else metric.partition(":")[2]


def is_profile(value: Any, contract: ModelContract) -> bool:
    """The value is a profile of exactly the contract's inputs."""
    try:
        return set(Profile.model_validate(value).inputs) == {column.name for column in contract.inputs}
    except ValidationError:
        return False


def shares(column: Column, counted: Mapping[int, int]) -> list[tuple[str, float, float]]:
    """Bin, share of the training rows and share of the rows counted, of all that were."""
    before, after = sum(column.counts), max(sum(counted.values()), 1)
    return [(label, column.counts[n] / before, counted.get(n, 0) / after) for n, label in enumerate(column.labels)]


def psi(column: Column, counted: Mapping[int, int]) -> float:
    """The population stability index of what was counted against the training rows."""
    from promotion.measures import stability

    return stability(column.counts, [counted.get(number, 0) for number in range(len(column.counts))])


def beyond_chance(training: Profile | None, name: str, counted: Mapping[str, Mapping[int, int]]) -> float:
    """The index of that column, or 0 where so few rows may well have fallen so by chance."""
    column, bins = training.of(name) if training else None, counted.get(name, {})
    if column is None or not bins:
        return 0.0
    value = psi(column, bins)
    return value if value > by_chance(column, sum(bins.values())) else 0.0


def by_chance(column: Column, rows: int) -> float:
    """The index that so many rows like those of the training exceed in one of a thousand windows only (Yurdakul 2018)."""
    from scipy.special import chdtri

    return float(chdtri(len(column.counts) - 1, CHANCE)) * (1 / max(rows, 1) + 1 / sum(column.counts))


def _column(values: Any, fewest: int) -> dict[str, Any]:
    import numpy as np

    edges: list[float] = []
    words: dict[str, int] = {}
    if values.dtype.kind in "fiu":
        edges = _edges(np.asarray(values, dtype=float), fewest)
    else:
        names, counts = np.unique(values.astype(str), return_counts=True)
        order = np.argsort(-counts, kind="stable")
        common = [str(names[n]) for n in order if counts[n] >= fewest and 0 < len(names[n]) <= LONGEST_WORD]
        words = {word: number for number, word in enumerate(common[:MOST_WORDS])}
    codes = Column.model_construct(edges=tuple(edges), words=words, counts=()).codes(values)
    counted = np.bincount(codes, minlength=len(edges or words) + 2)
    return {"edges": edges, "words": words, "counts": [_told(int(number), fewest) for number in counted]}


def _edges(values: Any, fewest: int) -> list[float]:
    """The tenths of the known values in four digits, as far as each bin between them holds enough rows."""
    import numpy as np

    known = np.sort(values[np.isfinite(values)])
    if len(known) < 2 * fewest:
        return []
    tenths = {float(f"{edge:.4g}") for edge in np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1])}
    edges: list[float] = []
    below = 0
    for edge in sorted(tenths):
        reached = int(np.searchsorted(known, edge, side="right"))
        if reached - below >= fewest and len(known) - reached >= fewest:
            edges.append(edge)
            below = reached
    return edges


def _told(count: int, fewest: int) -> int:
    return round(count / ROUNDED_TO) * ROUNDED_TO if count >= fewest else 0
