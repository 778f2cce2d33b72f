"""Run in the jail: scores the ONNX model on the held-back rows and writes aggregate metrics."""

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import onnxruntime

POSITIVE_FROM = 0.5


def frame(contract: dict[str, Any]) -> Any:
    """The contract's features over the held-back tables."""
    connection = duckdb.connect()
    for file in sorted(Path("/sallyport/holdout").glob("*.parquet")):
        connection.read_parquet(str(file)).create_view(file.name.split("-")[0])
    return connection.execute(contract["features"]).df()


def feed(contract: dict[str, Any], rows: Any) -> dict[str, Any]:
    """One tensor [n, 1] for each input."""
    tensors = {}
    for column in contract["inputs"]:
        values = rows[column["name"]]
        if column["type"] == "string":
            tensors[column["name"]] = values.astype("object").fillna("").to_numpy(dtype=object).reshape(-1, 1)
        else:
            tensors[column["name"]] = values.to_numpy(dtype=np.float32, na_value=np.nan).reshape(-1, 1)
    return tensors


def auc(labels: Any, scores: Any) -> float:
    """The area under the ROC curve by ranks (Mann-Whitney), ties shared."""
    order = np.argsort(scores, kind="mergesort")
    _, inverse, counts = np.unique(scores[order], return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = np.empty(len(scores))
    ranks[order] = ((ends - counts + 1 + ends) / 2)[inverse]
    positives = int(labels.sum())
    negatives = len(labels) - positives
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def main() -> None:
    contract = json.loads(Path("/sallyport/work/contract.json").read_text())
    rows = frame(contract)
    model = next(Path("/sallyport/model").rglob("*.onnx"))
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    outputs = session.run(None, feed(contract, rows))
    scores = np.asarray(outputs[-1], dtype=float)
    scores = scores[:, -1] if scores.ndim == 2 else scores
    labels = (rows["label"].astype(str) == str(contract["positive"])).to_numpy()
    if len(scores) != len(labels) or not np.isfinite(scores).all() or labels.all() or not labels.any():
        raise SystemExit(1)
    metrics = {
        "rows": len(labels),
        "roc_auc": auc(labels, scores),
        "accuracy": float(((scores >= POSITIVE_FROM) == labels).mean()),
    }
    Path("/sallyport/work/metrics.json").write_text(json.dumps(metrics))


if __name__ == "__main__":
    main()
