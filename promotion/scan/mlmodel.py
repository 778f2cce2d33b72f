"""MLflow's description of a model, by which MLflow decides what to import: only known flavors with known loaders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promotion.scan.report import require
from promotion.scan.skops_types import is_reviewed
from promotion.scan.strict import strings

KEYS = frozenset(
    [
        "artifact_path",
        "auth_policy",
        "databricks_runtime",
        "env_vars",
        "flavors",
        "is_signature_from_type_hint",
        "metadata",
        "mlflow_version",
        "model_id",
        "model_size_bytes",
        "model_uuid",
        "prompts",
        "resources",
        "run_id",
        "saved_input_example_info",
        "signature",
        "type_hint_from_example",
        "utc_time_created",
    ]
)
LOADERS = frozenset({"mlflow.onnx", "mlflow.sklearn", "mlflow.xgboost", "mlflow.lightgbm", "mlflow.catboost"})
COMMON = frozenset({"code", "data", "model_class", "model_format", "model_type"})
FLAVOR_KEYS: Mapping[str, frozenset[str]] = {
    "python_function": frozenset(
        {"loader_module", "data", "env", "model_path", "predict_fn", "python_version", "code", "config", "streamable"}
    ),
    "onnx": COMMON | {"onnx_version", "providers", "onnx_session_options"},
    "sklearn": COMMON | {"pickled_model", "sklearn_version", "serialization_format", "skops_trusted_types"},
    "xgboost": COMMON | {"xgb_version"},
    "lightgbm": COMMON | {"lgb_version"},
    "catboost": COMMON | {"catboost_version", "save_format"},
}
MODEL_CLASSES = ("xgboost.", "lightgbm.", "catboost.")


def require_mlmodel(value: Any) -> None:
    """The description names flavors on the list, no code of its own, and no file outside the model. Raises Refused."""
    require(isinstance(value, dict) and set(value) <= KEYS, "mlmodel_refused", "The MLmodel file has entries that are not known.")
    flavors = value.get("flavors")
    require(isinstance(flavors, dict) and bool(flavors), "mlmodel_refused", "The MLmodel file names no flavors.")
    require(
        not value.get("env_vars") and not value.get("resources"), "mlmodel_refused", "The MLmodel file asks for more than files."
    )
    for name, flavor in flavors.items():
        require(
            name in FLAVOR_KEYS and isinstance(flavor, dict), "flavor_refused", "A flavor of the MLmodel file is not on the list."
        )
        _flavor(name, flavor)
    example = value.get("saved_input_example_info") or {}
    require(all(_inside(word) for word in strings(example)), "path_escape", "The MLmodel file names a path outside the model.")


def _flavor(name: str, flavor: dict[str, Any]) -> None:
    if name == "python_function":
        loader = flavor.get("loader_module")
        require(loader in LOADERS, "loader_module", "The MLmodel file names a loader module that is not on the list.")
    require(not flavor.get("code"), "code_folder", "The MLmodel file brings code of its own.")
    require(set(flavor) <= FLAVOR_KEYS[name], "mlmodel_refused", "A flavor of the MLmodel file has entries that are not known.")
    require(all(_inside(word) for word in strings(flavor)), "path_escape", "The MLmodel file names a path outside the model.")
    files = " ".join(str(flavor.get(key, "")) for key in ("data", "model_path", "pickled_model")).lower()
    bad = any(ending in files for ending in (".pkl", ".pickle", ".joblib", ".pth", ".py"))
    if name == "sklearn":
        bad = bad or flavor.get("serialization_format") != "skops"
        trusted = flavor.get("skops_trusted_types") or []
        good = isinstance(trusted, list) and all(isinstance(kind, str) and is_reviewed(kind) for kind in trusted)
        require(good, "skops_type", "The MLmodel file trusts a type that was not reviewed.")
    require(not bad, "pickle", "The MLmodel file says the model is a pickle or code.")
    kind = flavor.get("model_class")
    require(
        kind is None or str(kind).startswith(MODEL_CLASSES), "mlmodel_refused", "The MLmodel file names a class not on the list."
    )


def _inside(word: str) -> bool:
    return not (word.startswith(("/", "\\", "~")) or ":" in word[:12] or ".." in word.replace("\\", "/").split("/"))
