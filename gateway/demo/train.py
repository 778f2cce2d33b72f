"""A data scientist's training script, run by `sallyport run` in the sandbox: it sees the snapshot and MLflow, nothing else.

usage: train.py MODEL_CONTRACT PROBE...

Each PROBE is a host path or host:port of live data that the script tries, and must fail, to reach.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import mlflow
import onnx
import pandas as pd
import yaml
from mlflow.data.http_dataset_source import HTTPDatasetSource
from mlflow.data.pandas_dataset import from_pandas
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

SEED = 7


def main(contract_path: str, probes: list[str]) -> None:
    isolation = {probe: probe_live(probe) for probe in probes}
    contract = yaml.safe_load(Path(contract_path).read_text("utf-8"))
    frame = features(contract)
    model, auc = fit(contract, frame)
    run_id = track(contract, model, frame, auc)
    Path(os.environ["SALLYPORT_WORK"], "result.json").write_text(
        json.dumps({"run_id": run_id, "rows": len(frame), "roc_auc": round(auc, 4), "isolation": isolation}), "utf-8"
    )


def probe_live(probe: str) -> str:
    """'denied' with the error's name when `probe` cannot be reached, else 'REACHED'."""
    try:
        if probe.startswith("/"):
            with socket.socket(socket.AF_UNIX) as unix:
                unix.connect(probe) if ".s.PGSQL" in probe else Path(probe).stat()
        else:
            host, _, port = probe.rpartition(":")
            socket.create_connection((host, int(port)), timeout=3).close()
    except OSError as error:
        return f"denied ({type(error).__name__})"
    return "REACHED"


def features(contract: dict[str, Any]) -> pd.DataFrame:
    """The training frame: the contract's feature query over the snapshot's tables."""
    import duckdb

    connection = duckdb.connect()
    for file in sorted(Path(os.environ["SALLYPORT_SNAPSHOT"]).rglob("*.parquet")):
        table = file.name.split(".")[0].split("-")[0]
        connection.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{file}')")  # noqa: S608 - names of our own snapshot's files
    return connection.execute(contract["features"]).df()


def fit(contract: dict[str, Any], frame: pd.DataFrame) -> tuple[Any, float]:
    """A pipeline fitted on four fifths of the persons, and its ROC AUC on the others."""
    numbers = [column["name"] for column in contract["inputs"] if column["type"] != "string"]
    words = [column["name"] for column in contract["inputs"] if column["type"] == "string"]
    frame[numbers] = frame[numbers].astype("float32")
    frame[words] = frame[words].astype("object").fillna("")
    prepare = ColumnTransformer(
        [
            ("numbers", SimpleImputer(strategy="median"), numbers),
            ("words", OneHotEncoder(handle_unknown="ignore", sparse_output=False), words),
        ]
    )
    learner = GradientBoostingClassifier(n_estimators=80, max_depth=3, random_state=SEED)
    groups = frame.get("person", frame.index)
    fit_rows, test_rows = next(GroupShuffleSplit(1, test_size=0.2, random_state=SEED).split(frame, groups=groups))
    model = make_pipeline(prepare, learner).fit(frame.iloc[fit_rows][numbers + words], frame.iloc[fit_rows]["label"])
    test = frame.iloc[test_rows]
    return model, float(roc_auc_score(test["label"], model.predict_proba(test[numbers + words])[:, 1]))


def track(contract: dict[str, Any], model: Any, frame: pd.DataFrame, auc: float) -> str:
    """The run is in MLflow with the snapshot as its input, and the model as ONNX, a format that cannot run code."""
    types = {"string": StringTensorType([None, 1])}
    inputs = [(column["name"], types.get(column["type"], FloatTensorType([None, 1]))) for column in contract["inputs"]]
    graph = to_onnx(model, initial_types=inputs, options={"zipmap": False})
    digest = os.environ["SALLYPORT_SNAPSHOT_DIGEST"]
    source = HTTPDatasetSource(f"http://snapshots.sallyport/v1/snapshots/{digest}")  # type: ignore[no-untyped-call]
    mlflow.set_experiment(contract["name"])
    with mlflow.start_run() as run:
        mlflow.log_input(from_pandas(frame, source=source, name="snapshot", digest=digest[7:43]), "training")
        mlflow.log_params({"learner": "gradient-boosting", "n_estimators": 80, "max_depth": 3, "seed": SEED})
        mlflow.set_tags(
            {
                "sallyport.code_revision": os.environ["SALLYPORT_CODE_REVISION"],
                "sallyport.code_digest": os.environ["SALLYPORT_CODE_DIGEST"],
            }
        )
        mlflow.log_metric("roc_auc", auc)
        mlflow.log_artifacts(os.environ["SALLYPORT_CODE"], "sallyport-code")  # so that `sallyport reproduce` can train again
        mlflow.onnx.log_model(onnx.load_from_string(graph.SerializeToString()), name="model", pip_requirements=["onnxruntime"])
    return str(run.info.run_id)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
