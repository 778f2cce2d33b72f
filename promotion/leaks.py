"""What a model's data gives away: inputs that are the label in another form, and rows and values of single people kept by heart.

Functions of arrays to a few numbers, with NumPy alone, so that the jail can run them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from promotion import measures

FEWEST_ROWS = 11  # as for k
SEED = 7
LARGEST_EXAMPLE_BYTES, MOST_EXAMPLES = 4 << 20, 2_000
FEWEST_INPUTS = 3  # of fewer, rows are alike by chance


def alone(values: Any, labels: Any) -> float:
    """The AUC of one input by itself, in the better direction: a number as it is, a word by how often it went with the label.

    Words are learnt on one half of the rows and judged on the other, so that names of single rows tell nothing. A missing
    number is lower than any.
    """
    if values.dtype.kind == "f":
        area = measures.auc(labels, np.nan_to_num(values, nan=-np.inf, posinf=np.inf, neginf=-np.inf))
        gone = measures.auc(labels, np.isnan(values).astype(float))
        return max(area, 1 - area, gone, 1 - gone)
    half = np.random.default_rng(SEED).permutation(len(labels)) % 2 == 0
    base = float(labels[half].mean()) if half.any() else 0.0
    _, coded = np.unique(values.astype(str), return_inverse=True)
    counts = np.bincount(coded[half], minlength=coded.max(initial=0) + 1)
    hits = np.bincount(coded[half], weights=labels[half].astype(float), minlength=len(counts))
    area = measures.auc(labels[~half], ((hits + base) / (counts + 1))[coded[~half]])
    return max(area, 1 - area)


def rare(inputs: Mapping[str, Any], words: set[str]) -> dict[str, int]:
    """input -> how many of its words, which the model knows too, fewer than k rows have."""
    found: dict[str, int] = {}
    for name, values in inputs.items():
        if values.dtype.kind != "f":
            counts = Counter(values.tolist())
            number = sum(1 for word, count in counts.items() if word and count < FEWEST_ROWS and word in words)
            found |= {name: number} if number else {}
    return found


def remembered(inputs: Mapping[str, Any], examples: list[dict[str, Any]]) -> int:
    """How many examples are, in every input, a row that fewer than k rows are like."""
    if len(inputs) < FEWEST_INPUTS:
        return 0
    rows = Counter(zip(*([_plain(one) for one in values.tolist()] for values in inputs.values()), strict=True))
    given = (tuple(_plain(example[name]) for name in inputs) for example in examples if set(inputs) <= set(example))
    return sum(1 for example in given if 0 < rows[example] < FEWEST_ROWS)


def examples_in(folder: Path) -> list[dict[str, Any]]:
    """The example rows that stand in a model's folder, as MLflow writes them (split, records or named columns)."""
    found: list[dict[str, Any]] = []
    for file in sorted(folder.rglob("*.json")):
        if "example" in file.name.lower() and file.stat().st_size <= LARGEST_EXAMPLE_BYTES:
            try:
                found += _rows(json.loads(file.read_text("utf-8")))
            except (ValueError, RecursionError):
                continue  # no JSON, so no example; its text was looked through
    return found[:MOST_EXAMPLES]


def _rows(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [one for one in value if isinstance(one, dict)]
    if not isinstance(value, dict):
        return []
    for name in ("dataframe_split", "dataframe_records", "inputs", "instances"):
        if name in value:
            return _rows(value[name])
    if isinstance(value.get("columns"), list) and isinstance(value.get("data"), list):
        return [dict(zip(map(str, value["columns"]), row, strict=False)) for row in value["data"] if isinstance(row, list)]
    columns = {name: column if isinstance(column, list) else [column] for name, column in value.items()}
    count = max(map(len, columns.values()), default=0)
    return [{name: column[number] for name, column in columns.items() if number < len(column)} for number in range(count)]


def _plain(value: Any) -> Any:
    """The value as the model would be given it: numbers in single precision, missing ones alike, lists of one as their item."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool | int | float):
        try:
            number = np.float32(value)
        except OverflowError:
            return "out of range"
        return "" if np.isnan(number) else float(number)
    return "" if value is None else str(value)
