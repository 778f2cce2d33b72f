"""Open Inference Protocol v2 in values: a request's tensors into a model's inputs, checked, and its outputs back."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field
from pydantic_core import to_json

from promotion.errors import PromotionError
from promotion.model_contracts import Input, ModelContract

MOST_ROWS = 10_000
MOST_ENTITIES = 1_000
DATATYPES = {"float": ("FP32", "FP64"), "integer": ("INT32", "INT64", "FP32", "FP64"), "string": ("BYTES",)}
POSITIVE_FROM = 0.5
KINDS = {"f": "FP32", "i": "INT64"}
NUMBERS: frozenset[type] = frozenset((int, float, type(None)))
TEXTS: frozenset[type] = frozenset((str,))


class Tensor(BaseModel):
    """An input tensor: one column of values, flat or as rows of one."""

    name: str = Field(max_length=100)
    shape: list[int] = Field(min_length=1, max_length=2)
    datatype: str = Field(max_length=20)
    data: list[Any]


EntityId = Annotated[str, Field(min_length=1, max_length=200)]


class Parameters(BaseModel):
    """What a request says besides its inputs: the entities whose live features the model is to be given."""

    entity_id: EntityId | Annotated[list[EntityId], Field(min_length=1, max_length=MOST_ENTITIES)] | None = None


class Inference(BaseModel):
    """An inference request: the inputs, or the entities to gather them of."""

    id: str | None = Field(default=None, max_length=200)
    inputs: list[Tensor] = Field(default=[], max_length=2_000)
    parameters: Parameters | None = None

    @property
    def entities(self) -> list[str]:
        """The entities that are asked about; none where the inputs are given. Raises InvalidInput for both."""
        given = self.parameters and self.parameters.entity_id
        if given and self.inputs:
            raise InvalidInput("A request gives either its inputs or the entities to gather them of.")
        return [given] if isinstance(given, str) else given or []


@dataclass(frozen=True, slots=True)
class Feed:
    """A request's columns as a model takes them: name -> array [rows, 1]; what is missing by column, and what was asked."""

    columns: dict[str, Any]
    rows: int
    missing: dict[str, int]
    hash: str


class InvalidInput(PromotionError):
    """The request does not fit the model's contract."""

    code = "invalid_input"


class Shape:
    """What a contract lets in, made once for a model and asked for each request."""

    def __init__(self, contract: ModelContract) -> None:
        import numpy as np

        self._names = frozenset(column.name for column in contract.inputs)
        self._texts = [column for column in contract.inputs if column.type == "string"]
        self._numbers = [column for column in contract.inputs if column.type != "string"]
        bounds = [(column.min, column.max) for column in self._numbers]
        self._low = np.array([[-np.inf if low is None else low] for low, _ in bounds]).reshape(-1, 1)
        self._high = np.array([[np.inf if high is None else high] for _, high in bounds]).reshape(-1, 1)
        self._whole = np.array([[column.type == "integer"] for column in self._numbers]).reshape(-1, 1)

    def feed(self, inputs: list[Tensor]) -> Feed:
        """The columns of the request. Raises InvalidInput naming the column, never a value."""
        given = {tensor.name: tensor for tensor in inputs}
        if given.keys() != self._names or len(given) != len(inputs):
            raise InvalidInput("The inputs are not exactly those of the model's contract.")
        rows = len(inputs[0].data)
        if not 0 < rows <= MOST_ROWS:
            raise InvalidInput(f"A request has from 1 to {MOST_ROWS:,} rows.")
        numbers = [_values(column, given[column.name], rows, NUMBERS) for column in self._numbers]
        texts = [_values(column, given[column.name], rows, TEXTS) for column in self._texts]
        held, missing = self._held(numbers) if numbers else ((), {})
        columns = {column.name: part for column, part in zip(self._numbers, held, strict=True)}
        for column, values in zip(self._texts, texts, strict=True):
            columns[column.name] = _array(values)
            if empty := values.count(""):
                missing[column.name] = empty
        return Feed(columns, rows, missing, _hash([column.name for column in (*self._numbers, *self._texts)], numbers + texts))

    def _held(self, values: list[list[Any]]) -> tuple[Any, dict[str, int]]:
        """[columns, rows, 1] of float32, and how many values of each column are missing, of those that miss any."""
        import numpy as np

        try:
            given = np.array(values, dtype=np.float64)
        except OverflowError as error:
            raise InvalidInput("An input has a value outside the range of its contract.") from error
        with np.errstate(over="ignore", invalid="ignore"):
            held = given.astype(np.float32)
            nothing = np.isnan(given)
            wrong = np.isinf(held) | (given < self._low) | (given > self._high)
            broken = self._whole & ~nothing & (given != np.floor(given))
        if wrong.any():
            raise InvalidInput(f"Input {self._named(wrong)} has a value outside the range of its contract.")
        if broken.any():
            raise InvalidInput(f"Input {self._named(broken)} holds something other than whole numbers.")
        missing = {}
        if nothing.any():
            missing = {column.name: int(n) for column, n in zip(self._numbers, nothing.sum(axis=1), strict=True) if n}
        return held.reshape(*held.shape, 1), missing

    def _named(self, wrong: Any) -> str:
        return self._numbers[int(wrong.any(axis=1).argmax())].name


def described(names: Sequence[str], outputs: Sequence[Any]) -> list[dict[str, Any]]:
    """The outputs as the protocol gives them; what is no number is null."""
    import numpy as np

    given = []
    for name, value in zip(names, outputs, strict=True):
        array = np.asarray(value)
        datatype = KINDS.get(array.dtype.kind, "BYTES")
        flat = array.ravel().tolist()
        if datatype == "FP32":
            flat = [one if math.isfinite(one) else None for one in flat]
        given.append({"name": name, "datatype": datatype, "shape": list(array.shape), "data": flat})
    return given


def scores(outputs: list[dict[str, Any]], rows: int) -> list[Any]:
    """One score for each row: the last output, or its last column. Empty when there is no such thing."""
    last = outputs[-1]
    if last["datatype"] != "FP32" or not last["shape"] or last["shape"][0] != rows:
        return []
    width = len(last["data"]) // rows
    return list(last["data"][width - 1 :: width]) if width else []


def _values(column: Input, tensor: Tensor, rows: int, types: frozenset[type]) -> list[Any]:
    """The column's values in one list, each of a type that may be."""
    data, shape = tensor.data, tensor.shape
    if tensor.datatype not in DATATYPES[column.type] or len(data) != rows or shape not in ([rows], [rows, 1]):
        raise InvalidInput(f"Input {column.name} has another type or shape than its contract says.")
    kinds = set(map(type, data))
    if kinds == {list} and all(len(value) == 1 for value in data):
        data = [value[0] for value in data]
        kinds = set(map(type, data))
    if not kinds <= types:
        raise InvalidInput(f"Input {column.name} holds something other than {'text' if types is TEXTS else 'numbers'}.")
    return data


def _array(values: list[Any]) -> Any:
    import numpy as np

    array = np.empty((len(values), 1), dtype=object)
    array[:, 0] = values
    return array


def _hash(names: list[str], values: list[list[Any]]) -> str:
    """The digest of what was asked, however the caller wrote it down."""
    return "sha256:" + hashlib.sha256(to_json([names, values], inf_nan_mode="constants")).hexdigest()
