"""Run in the jail: the model on live, held-back and snapshot rows; aggregates only are written.

usage: score_in_jail.py TASK, with everything below /sallyport
"""

import json
import sys
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from promotion import drift, groups, leaks, measures, membership, runtimes
from promotion.feature_rows import Rows, Unreadable
from promotion.model_contracts import Alert, Input

POSITIVE_FROM = 0.5
MOST_EXPLAINED = 5_000
MOST_MOVED = 1_000
MOST_GROUPS = 20
FEWEST_ROWS = 11  # as for k: nothing is said of fewer
FEWEST_OF_A_KIND = 5  # positives and negatives
THREADS = 2


class Model:
    """The model's score for rows: its last output, or the last column of it."""

    def __init__(self, folder: str, inputs: list[dict[str, Any]]) -> None:
        self.runtime = runtimes.load(Path(folder), [Input.model_validate(one) for one in inputs], threads=THREADS)

    def __call__(self, inputs: dict[str, Any]) -> Any:
        outputs = self.runtime.run({name: values.reshape(-1, 1) for name, values in inputs.items()})
        scores = np.asarray(outputs[-1], dtype=float)
        scores = scores[:, -1] if scores.ndim == 2 else scores
        count = len(next(iter(inputs.values())))
        if scores.shape != (count,) or not np.isfinite(scores).all():
            raise SystemExit("not one finite score for each row")
        return scores


def performance(contract: dict[str, Any], model: Model) -> dict[str, Any]:
    """The metrics on live rows held back, and what masking changes: the same persons masked, and the snapshot, beside them."""
    live, masked, given = (Rows(which, contract) for which in ("live", "holdout", "snapshot"))
    scores = [model(rows.inputs) for rows in (live, masked, given)]
    measured = [_metrics(rows, found) for rows, found in zip((live, masked, given), scores, strict=True)]
    watched = any(Alert.model_validate(one).drifts for one in contract["alerts"])
    training = {"training": drift.profile(given.inputs, scores[2], fewest=FEWEST_ROWS)} if watched else {}
    return (
        measured[0]
        | training
        | {
            "masked": measured[1] | {"psi": _skew(masked, live), "score_psi": measures.psi(scores[1], scores[0])},
            "snapshot": measured[2],
            "psi": _skew(given, live),
        }
    )


def fairness(contract: dict[str, Any], model: Model) -> dict[str, Any]:
    """column -> group -> rates, on live rows. A group is named only if the snapshot, which was given out, has the name."""
    live, given = Rows("live", contract), Rows("snapshot", contract)
    chosen = model(live.inputs) >= POSITIVE_FROM
    found = {}
    for column in contract["fairness"]["groups"]:
        values, known = live.column(column), set(given.column(column))
        named = np.array([value if value in known else "(other)" for value in values])
        rates = groups.group_rates(named, live.labels, chosen, FEWEST_ROWS)
        found[column] = dict(list(rates.items())[:MOST_GROUPS])
    return {"rows": len(live.labels), "groups": found}


def explanation(contract: dict[str, Any], model: Model) -> dict[str, Any]:
    """What each input is worth, on live rows held back."""
    live = Rows("live", contract, MOST_EXPLAINED)
    found = measures.importance(model, live.inputs, live.labels)
    alone = {name: leaks.alone(values, live.labels) for name, values in live.inputs.items()}
    few = {name: values[:MOST_MOVED] for name, values in live.inputs.items()}
    against = {
        column["name"]: measures.against(model, few, column["name"], rising=column["monotonic"] == "rising")
        for column in contract["inputs"]
        if column.get("monotonic")
    }
    return {**_metrics(live, model(live.inputs)), "importance": found, "alone": alone, "against": against}


def inference(contract: dict[str, Any], model: Model) -> dict[str, Any]:
    """How well two attacks tell rows of the training snapshot from rows held back, which were masked alike."""
    others, members = Rows("holdout", contract), Rows("snapshot", contract)
    scores = [model(rows.inputs) for rows in (members, others)]
    found = [measures.losses(rows.labels, given) for rows, given in zip((members, others), scores, strict=True)]
    counts = {"rows": len(others.labels), "members": len(members.labels)}
    shadows = membership.Shadows.read(Path("/sallyport/shadows/shadows.npz"))
    lira = [membership.likelihood(shadows, rows, given) for rows, given in zip((members, others), scores, strict=True)]
    return counts | {"loss": measures.attack(*found), "lira": None if shadows is None else measures.attack(*lira)}


def leakage(contract: dict[str, Any], folder: str) -> dict[str, Any]:
    """What the snapshot and the model's own words and examples say of each other; the model is not run."""
    masked = Rows("snapshot", contract)
    listed = json.loads(Path("/sallyport/work/words.json").read_text())
    words, common = set(listed), _common("/sallyport/snapshot")
    examples = leaks.examples_in(Path(folder))
    positives = int(masked.labels.sum())
    return {
        "rows": len(masked.labels), "positives": positives,
        "alone": {name: leaks.alone(values, masked.labels) for name, values in masked.inputs.items()},
        "rare_words": leaks.rare(masked.inputs, words), "examples": len(examples),
        "remembered": leaks.remembered(masked.inputs, examples),
        "common": [place for place, word in enumerate(listed) if word in common],
    }  # fmt: skip


def _common(folder: str) -> set[str]:
    """The texts that at least k rows of a table hold in one column, whatever the contract asks of the tables."""
    found: set[str] = set()
    for file in sorted(Path(folder).glob("*.parquet")):
        table = duckdb.read_parquet(str(file))
        for name, kind in zip(table.columns, table.types, strict=True):
            if str(kind) == "VARCHAR":
                counted = table.aggregate(f'"{name}", count(*) AS n', f'"{name}"').filter(f"n >= {FEWEST_ROWS}")
                found |= {row[0] for row in counted.fetchall() if row[0]}
    return found


def _metrics(rows: Rows, scores: Any) -> dict[str, Any]:
    """The metrics of the scores, or None where so few rows would tell of single persons."""
    count, positives = len(rows.labels), int(rows.labels.sum())
    found: dict[str, Any] = {"rows": count, "positives": positives, "roc_auc": None, "accuracy": None, "calibration": None}
    if count < FEWEST_ROWS or min(positives, count - positives) < FEWEST_OF_A_KIND:
        return found
    hits = (scores >= POSITIVE_FROM) == rows.labels
    return found | {
        "roc_auc": measures.auc(rows.labels, scores), "accuracy": float(hits.mean()),
        "calibration": float(scores.mean() - rows.labels.mean()),
    }  # fmt: skip


def _skew(before: Rows, after: Rows) -> dict[str, Any]:
    return {name: measures.psi(before.inputs[name], after.inputs[name]) for name in after.inputs}


TASKS = {"performance": performance, "fairness": fairness, "explanation": explanation, "membership": inference}


def main(task: str) -> None:
    contract = json.loads(Path("/sallyport/work/contract.json").read_text())
    folder = "/sallyport/model"
    try:
        found = leakage(contract, folder) if task == "leakage" else TASKS[task](contract, Model(folder, contract["inputs"]))
    except Unreadable as error:
        found = {f"unreadable_{error}": 1}
    profile = {name: found.pop(name) for name in ("training",) if name in found}  # its edges have as many digits as they need
    Path("/sallyport/work/measured.json").write_text(json.dumps(measures.rounded(found) | profile))


if __name__ == "__main__":
    main(sys.argv[1])
