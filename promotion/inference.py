"""Open Inference Protocol v2 in values: a request's tensors into a model's inputs, checked, and its outputs back."""

from __future__ import annotations

import hashlib
import math
from typing import Any

from pydantic import BaseModel, Field

from promotion.errors import PromotionError
from promotion.model_contracts import Input, ModelContract

MOST_ROWS = 10_000
DATATYPES = {"float": ("FP32", "FP64"), "integer": ("INT32", "INT64", "FP32", "FP64"), "string": ("BYTES",)}
POSITIVE_FROM = 0.5


class Tensor(BaseModel):
    """An input tensor: one column of values, flat or as rows of one."""

    name: str = Field(max_length=100)
    shape: list[int] = Field(min_length=1, max_length=2)
    datatype: str = Field(max_length=20)
    data: list[Any]


class Inference(BaseModel):
    """An inference request."""

    id: str | None = Field(default=None, max_length=200)
    inputs: list[Tensor] = Field(max_length=2_000)


class InvalidInput(PromotionError):
    """The request does not fit the model's contract."""

    code = "invalid_input"


def feed(contract: ModelContract, inputs: list[Tensor]) -> tuple[dict[str, Any], int]:
    """Tensor [n, 1] by name for ONNX Runtime, and n. Raises InvalidInput naming the column, never a value."""
    given = {tensor.name: tensor for tensor in inputs}
    if set(given) != {column.name for column in contract.inputs} or len(given) != len(inputs):
        raise InvalidInput("The inputs are not exactly those of the model's contract.")
    rows = len(inputs[0].data)
    if not 0 < rows <= MOST_ROWS:
        raise InvalidInput(f"A request has from 1 to {MOST_ROWS:,} rows.")
    return {column.name: _column(column, given[column.name], rows) for column in contract.inputs}, rows


def missing(tensors: dict[str, Any]) -> dict[str, int]:
    """How many values of each input are missing, of those that miss any."""
    import numpy as np

    counts = {
        name: int((values == "").sum() if values.dtype == object else np.isnan(values).sum()) for name, values in tensors.items()
    }
    return {name: count for name, count in counts.items() if count}


def described(session: Any, outputs: list[Any]) -> list[dict[str, Any]]:
    """The outputs as the protocol gives them; what is no number is null."""
    import numpy as np

    given = []
    for output, value in zip(session.get_outputs(), outputs, strict=True):
        array = np.asarray(value)
        datatype = {"f": "FP32", "i": "INT64"}.get(array.dtype.kind, "BYTES")
        flat = array.ravel().tolist()
        if array.dtype.kind == "f":
            flat = [one if math.isfinite(one) else None for one in flat]
        given.append({"name": output.name, "datatype": datatype, "shape": list(array.shape), "data": flat})
    return given


def scores(outputs: list[dict[str, Any]], rows: int) -> list[Any]:
    """One score for each row: the last output, or its last column. Empty when there is no such thing."""
    last = outputs[-1]
    if last["datatype"] != "FP32" or not last["shape"] or last["shape"][0] != rows:
        return []
    width = len(last["data"]) // rows
    return list(last["data"][width - 1 :: width]) if width else []


def input_hash(body: Inference) -> str:
    """The digest of what was asked, without the caller's id for it."""
    return "sha256:" + hashlib.sha256(body.model_dump_json(exclude={"id"}).encode()).hexdigest()


def _column(column: Input, tensor: Tensor, rows: int) -> Any:
    import numpy as np

    data = tensor.data
    if tensor.datatype not in DATATYPES[column.type] or len(data) != rows or tensor.shape not in ([rows], [rows, 1]):
        raise InvalidInput(f"Input {column.name} has another type or shape than its contract says.")
    if all(isinstance(value, list) and len(value) == 1 for value in data):
        data = [value[0] for value in data]
    if column.type == "string":
        if not all(isinstance(value, str) for value in data):
            raise InvalidInput(f"Input {column.name} holds something other than text.")
        return np.array(data, dtype=object).reshape(-1, 1)
    if not all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in data):
        raise InvalidInput(f"Input {column.name} holds something other than numbers.")
    try:
        with np.errstate(over="ignore"):
            numbers = np.array([np.nan if value is None else float(value) for value in data], dtype=np.float64)
            held = numbers.astype(np.float32)
    except OverflowError as error:
        raise InvalidInput(f"Input {column.name} has a value outside the range of its contract.") from error
    _require_in_range(column, numbers, held)
    return held.reshape(-1, 1)


def _require_in_range(column: Input, numbers: Any, held: Any) -> None:
    import numpy as np

    known = numbers[~np.isnan(numbers)]
    low, high = column.min, column.max
    if np.isinf(held).any() or (low is not None and (known < low).any()) or (high is not None and (known > high).any()):
        raise InvalidInput(f"Input {column.name} has a value outside the range of its contract.")
    if column.type == "integer" and (known != np.floor(known)).any():
        raise InvalidInput(f"Input {column.name} holds something other than whole numbers.")
