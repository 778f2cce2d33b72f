"""Models of each format in memory, asked alike: columns of rows in, arrays of rows out. Nothing of a model is run as code.

The bytes were checked before (promotion.scan) and their digest is verified by the caller; only what reads the format's own
structures opens them. Each library is imported when a model of its format is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Protocol

from promotion.errors import PromotionError
from promotion.model_contracts import Input
from promotion.scan import (
    catboost_format,
    catboost_json,
    lightgbm_format,
    onnx_format,
    safetensors_format,
    skops_format,
    xgboost_format,
)
from promotion.scan.skops_types import is_reviewed, is_reviewed_function

Columns = Mapping[str, Any]  # name -> array [rows, 1] of float32 or of texts
LARGEST_JSON = xgboost_format.LARGEST_BYTES
CHANCES = ("Logloss", "CrossEntropy", "MultiClass", "MultiClassOneVsAll")
UNSERVED = {
    catboost_format.NAME: "A CatBoost model is served only where the library catboost is installed: have your operator install it"
    " beside the gateway, the worker and the model server, or submit the model as ONNX (save_model with format='onnx').",
    safetensors_format.NAME: "A safetensors file holds weights and not what to compute with them: submit the model as ONNX.",
}


class NotServable(PromotionError):
    """The model is of no format that is served, or does not take what its contract says."""

    code: ClassVar[str] = "not_servable"


class Runtime(Protocol):
    """A model that was loaded. `run` gives one array for each of `outputs`, each with one row for each row given."""

    platform: str
    outputs: tuple[str, ...]
    quick: bool  # a few rows take less time than handing them to another thread

    def run(self, columns: Columns) -> Sequence[Any]: ...


def load(folder: Path, inputs: Sequence[Input], *, threads: int = 0) -> Runtime:
    """The one model in `folder`, for the contract's inputs. `threads` 0: as many as the library likes. Raises NotServable."""
    found = [(kind, file) for file in sorted(folder.rglob("*")) if file.is_file() and (kind := _kind(file))]
    if len(found) != 1:
        raise NotServable("The model is not one file of a format that is served.")
    kind, file = found[0]
    try:
        return RUNTIMES[kind](file, inputs, threads)
    except NotServable:
        raise
    except Exception as error:
        # Whatever a library raises over the bytes, the model is not served, and no message of its is repeated.
        raise NotServable(f"The model cannot be loaded ({type(error).__name__}).") from error


class Onnx:
    """ONNX Runtime."""

    platform, quick = "onnx", True

    def __init__(self, file: Path, inputs: Sequence[Input], threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the processor to others
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        _require_same({one.name for one in self._session.get_inputs()}, inputs)
        self.outputs = tuple(one.name for one in self._session.get_outputs())

    def run(self, columns: Columns) -> Sequence[Any]:
        found: Sequence[Any] = self._session.run(None, columns)
        return found


class _Matrix:
    """Models over one matrix of numbers, whose columns stand in the order the model was trained with."""

    outputs: tuple[str, ...] = ("score",)
    quick = True

    def __init__(self, names: Sequence[str] | None, inputs: Sequence[Input]) -> None:
        if any(column.type == "string" for column in inputs):
            raise NotServable("A model of this format takes numbers only.")
        if names:
            _require_same(set(names), inputs)
        self._order = tuple(names or (column.name for column in inputs))

    def _matrix(self, columns: Columns) -> Any:
        import numpy as np

        return np.hstack([columns[name] for name in self._order])


class Xgboost(_Matrix):
    """XGBoost's own JSON or UBJSON."""

    platform = "xgboost"

    def __init__(self, file: Path, inputs: Sequence[Input], threads: int) -> None:
        import xgboost

        self._booster = xgboost.Booster({"nthread": threads} if threads else {})
        self._booster.load_model(bytearray(file.read_bytes()))  # which of the two it is, its bytes say and not its name
        super().__init__(self._booster.feature_names, inputs)
        if self._booster.num_features() != len(self._order):
            raise NotServable("The model takes another number of inputs than its contract says.")

    def run(self, columns: Columns) -> Sequence[Any]:
        return [self._booster.inplace_predict(self._matrix(columns), validate_features=False)]


class Lightgbm(_Matrix):
    """LightGBM's own text."""

    platform = "lightgbm"

    def __init__(self, file: Path, inputs: Sequence[Input], threads: int) -> None:
        import lightgbm

        self._booster, self._threads = lightgbm.Booster(model_file=str(file)), threads or -1
        names = self._booster.feature_name()
        unnamed = names == [f"Column_{number}" for number in range(len(names))]
        super().__init__(None if unnamed else names, inputs)
        if self._booster.num_feature() != len(self._order):
            raise NotServable("The model takes another number of inputs than its contract says.")

    def run(self, columns: Columns) -> Sequence[Any]:
        import numpy as np

        return [np.asarray(self._booster.predict(self._matrix(columns), num_threads=self._threads), dtype=np.float32)]


class Catboost:
    """CatBoost's own binary or JSON form, where its library is installed; it is no part of ours."""

    platform, quick = "catboost", True
    outputs: tuple[str, ...] = ("score",)

    def __init__(self, file: Path, inputs: Sequence[Input], threads: int) -> None:
        if find_spec("catboost") is None:
            raise NotServable(UNSERVED[catboost_format.NAME])
        import catboost

        with file.open("rb") as opened:
            binary = catboost_format.looks_like(file.name.lower(), opened.read(4))
        self._model, self._threads = catboost.CatBoost().load_model(str(file), "cbm" if binary else "json"), threads or -1
        names = [str(name) for name in self._model.feature_names_]
        unnamed = names == [str(number) for number in range(len(names))] and len(names) == len(inputs)
        self._order = tuple(column.name for column in inputs) if unnamed else tuple(names)
        _require_same(set(self._order), inputs)
        words = {self._order[number] for number in self._model.get_cat_feature_indices()}
        if words != {column.name for column in inputs if column.type == "string"}:
            raise NotServable("The model's categories are not the texts of its contract.")
        self._type = object if words else "float32"
        loss = str(self._model.get_param("loss_function"))
        self._kind = "Probability" if loss.partition(":")[0] in CHANCES else "RawFormulaVal"

    def run(self, columns: Columns) -> Sequence[Any]:
        import numpy as np

        rows = np.hstack([columns[name].astype(self._type) for name in self._order])
        found = self._model.predict(rows, prediction_type=self._kind, thread_count=self._threads)
        return [np.asarray(found, dtype=np.float32)]


class Skops:
    """scikit-learn estimators in skops' form, of types that were reviewed only."""

    platform, quick = "sklearn", False
    outputs: tuple[str, ...] = ("score",)

    def __init__(self, file: Path, inputs: Sequence[Input], threads: int) -> None:
        import skops.io

        named = skops.io.get_untrusted_types(file=file)
        if not all(is_reviewed(name) or is_reviewed_function(name) for name in named):
            raise NotServable("The model holds a type that was not reviewed.")
        self._model = skops.io.load(file, trusted=named)
        known = getattr(self._model, "feature_names_in_", None)
        self._order = tuple(str(name) for name in (known if known is not None else [column.name for column in inputs]))
        self._framed = known is not None
        _require_same(set(self._order), inputs)
        self._ask: Callable[[Any], Any] = getattr(self._model, "predict_proba", None) or self._model.predict

    def run(self, columns: Columns) -> Sequence[Any]:
        import numpy as np

        if not self._framed:
            return [np.asarray(self._ask(np.hstack([columns[name] for name in self._order])), dtype=np.float32)]
        import pandas as pd

        frame = pd.DataFrame({name: columns[name].ravel() for name in self._order})
        return [np.asarray(self._ask(frame), dtype=np.float32)]


RUNTIMES: dict[str, Callable[[Path, Sequence[Input], int], Runtime]] = {
    onnx_format.NAME: Onnx, xgboost_format.NAME: Xgboost, lightgbm_format.NAME: Lightgbm, skops_format.NAME: Skops,
    catboost_format.NAME: Catboost,
}  # fmt: skip


def unserved(formats: Sequence[str]) -> str | None:
    """Why a model that holds these formats only is served by nothing here, and what to do; None where something serves it."""
    installed = {name for name in RUNTIMES if name != catboost_format.NAME or find_spec("catboost")}
    return None if installed & set(formats) else " ".join(UNSERVED[name] for name in formats if name in UNSERVED)


def _kind(file: Path) -> str | None:
    """The format of the file if it is one that is served."""
    with file.open("rb") as opened:
        head = opened.read(4096)
    base = file.name.lower()
    for one in (skops_format, catboost_format, lightgbm_format, xgboost_format, onnx_format):
        if one.looks_like(base, head):
            return str(one.NAME)
    if head.lstrip().startswith(b"{") and file.stat().st_size <= LARGEST_JSON:
        try:
            value = json.loads(file.read_bytes())
        except ValueError:
            return None
        if catboost_json.is_model(value):
            return catboost_format.NAME
        return xgboost_format.NAME if isinstance(value, dict) and isinstance(value.get("learner"), dict) else None
    return None


def _require_same(names: set[str], inputs: Sequence[Input]) -> None:
    if names != {column.name for column in inputs}:
        raise NotServable("The model's inputs are not those of its contract.")
