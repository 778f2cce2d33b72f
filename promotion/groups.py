"""Rates by group, as fairlearn counts them; small groups are left out before anything is counted."""

from __future__ import annotations

from typing import Any

import numpy as np


def group_rates(groups: Any, labels: Any, chosen: Any, fewest: int) -> dict[str, dict[str, tuple[int, int]]]:
    """group -> selection, true and false positives as (hits, count); a group of fewer than `fewest` rows is left out."""
    from fairlearn.metrics import MetricFrame, count, false_positive_rate, selection_rate, true_positive_rate

    names, sizes = np.unique(groups, return_counts=True)
    large = np.isin(groups, names[sizes >= fewest])
    if not large.any():
        return {}
    labels, chosen = labels[large], chosen[large]

    def positives(given: Any, _: Any) -> int:
        return int(given.sum())

    metrics = {
        "selection_rate": selection_rate, "true_positive_rate": true_positive_rate, "false_positive_rate": false_positive_rate,
        "count": count, "positives": positives,
    }  # fmt: skip
    frame = MetricFrame(metrics=metrics, y_true=labels.astype(int), y_pred=chosen.astype(int), sensitive_features=groups[large])
    found = {}
    for group, rates in frame.by_group.iterrows():
        rows, yes = int(rates["count"]), int(rates["positives"])
        bases = {"selection_rate": rows, "true_positive_rate": yes, "false_positive_rate": rows - yes}
        found[str(group)] = {name: (round(rates[name] * base) if base else 0, base) for name, base in bases.items()}
    return found
