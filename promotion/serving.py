"""The model server: Open Inference Protocol v2 (REST) over the store; what does not verify is not served."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from compliance.entries import Actor
from promotion.errors import NotDeployed, PromotionError, Tampered
from promotion.model_contracts import ModelContract, load_model_contract
from promotion.store import ModelStore

MOST_ROWS = 10_000
DATATYPES = {"float": ("FP32", "FP64"), "integer": ("INT32", "INT64", "FP32", "FP64"), "string": ("BYTES",)}


class Tensor(BaseModel):
    """An input tensor: one column of values."""

    name: str
    shape: list[int] = Field(min_length=1, max_length=2)
    datatype: str
    data: list[Any]


class Inference(BaseModel):
    """An inference request."""

    id: str | None = None
    inputs: list[Tensor]


class InvalidInput(PromotionError):
    """The request does not fit the model's contract."""

    code = "invalid_input"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is logged of one request; the inputs by hash only."""

    id: str
    model: tuple[str, str]
    digest: str
    caller: str
    rows: int
    input_hash: str
    output: list[Any]
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Loaded:
    """A verified model in memory."""

    stamp: float
    digest: str
    contract: ModelContract
    session: Any
    version: str


class Models:
    """Loads what the store says is deployed, verified, and again when another statement is deployed."""

    def __init__(self, store: ModelStore, public_keys: Callable[[], Mapping[str, str]]) -> None:
        self._store, self._public_keys = store, public_keys
        self._loaded: dict[tuple[str, str], Loaded] = {}
        self._lock = threading.Lock()

    def names(self) -> dict[str, tuple[str, str]]:
        """Served name -> (project, name); a name two projects use is served as project.name only."""
        deployed = self._store.deployed()
        plain = [name for _, name in deployed]
        return {f"{p}.{n}": (p, n) for p, n in deployed} | {n: (p, n) for p, n in deployed if plain.count(n) == 1}

    def get(self, served: str) -> tuple[tuple[str, str], Loaded]:
        """The verified model. Raises NotDeployed, Tampered."""
        key = self.names().get(served)
        stamp = key and self._store.stamp(*key)
        if key is None or stamp is None:
            raise NotDeployed(f"No model '{served[:80]}' is deployed.")
        with self._lock:
            if key not in self._loaded or self._loaded[key].stamp != stamp:
                self._loaded.pop(key, None)
                self._loaded[key] = self._load(key, stamp)
            return key, self._loaded[key]

    def _load(self, key: tuple[str, str], stamp: float) -> Loaded:
        import onnxruntime

        folder, statement = self._store.open_verified(*key, self._public_keys())
        files = sorted(folder.rglob("*.onnx"))
        if len(files) != 1:
            raise Tampered("The deployed model is not one ONNX file.")
        digest = next(subject.digest for subject in statement.subjects if subject.name == "model")
        session = onnxruntime.InferenceSession(str(files[0]), providers=["CPUExecutionProvider"])
        contract = load_model_contract(str(statement.predicate["contract"]))
        return Loaded(stamp, digest, contract, session, str(statement.predicate["version"]))


def create_app(models: Models, *, authenticate: Callable[[str], Actor], log: Callable[[list[Prediction]], None]) -> FastAPI:
    """The server. `authenticate` turns a bearer token into an actor or raises; `log` keeps predictions before they are given."""
    app = FastAPI(title="Sallyport model server", openapi_url="/v2/openapi.json", docs_url=None, redoc_url=None)

    @app.exception_handler(PromotionError)
    def _refused(request: Request, error: PromotionError) -> JSONResponse:
        status = {"model_not_found": 404, "invalid_input": 400}.get(error.code, 503)
        return JSONResponse({"error": str(error), "code": error.code}, status)

    @app.exception_handler(Exception)
    def _failed(request: Request, error: Exception) -> JSONResponse:
        code = str(getattr(error, "code", "unexpected"))
        status = 401 if code == "not_authenticated" else 503
        return JSONResponse({"error": "Send a valid bearer token." if status == 401 else "Not served.", "code": code}, status)

    @app.get("/v2")
    def server() -> dict[str, Any]:
        return {"name": "sallyport", "version": "2", "extensions": []}

    @app.get("/v2/health/live")
    def live() -> dict[str, bool]:
        return {"live": True}

    @app.get("/v2/health/ready")
    def ready() -> dict[str, bool]:
        return {"ready": True}

    @app.get("/v2/models/{name}")
    def metadata(name: str) -> dict[str, Any]:
        _, loaded = models.get(name)
        inputs = [{"name": c.name, "datatype": DATATYPES[c.type][0], "shape": [-1, 1]} for c in loaded.contract.inputs]
        outputs = [{"name": output.name, "datatype": "FP32", "shape": [-1]} for output in loaded.session.get_outputs()]
        return {"name": name, "versions": [loaded.version], "platform": "onnx", "inputs": inputs, "outputs": outputs,
                "parameters": {"digest": loaded.digest}}  # fmt: skip

    @app.get("/v2/models/{name}/ready")
    def model_ready(name: str) -> dict[str, Any]:
        models.get(name)
        return {"name": name, "ready": True}

    @app.post("/v2/models/{name}/infer")
    def infer(name: str, body: Inference, request: Request) -> dict[str, Any]:
        caller = authenticate(request.headers.get("Authorization", "").partition(" ")[2])
        key, loaded = models.get(name)
        started = time.perf_counter()
        tensors, rows = feed(loaded.contract, body.inputs)
        outputs = loaded.session.run(None, tensors)
        given = _outputs(loaded.session, outputs)
        one = Prediction(
            id=str(uuid4()), model=key, digest=loaded.digest, caller=caller.id, rows=rows, input_hash=_hash(body),
            output=given[-1]["data"][:MOST_ROWS], latency_ms=(time.perf_counter() - started) * 1000,
        )  # fmt: skip
        log([one])
        return {"model_name": name, "model_version": loaded.version, "id": body.id or one.id, "outputs": given,
                "parameters": {"digest": loaded.digest, "prediction_id": one.id}}  # fmt: skip

    return app


def feed(contract: ModelContract, inputs: list[Tensor]) -> tuple[dict[str, Any], int]:
    """Tensor [n, 1] by name for ONNX Runtime, and n. Raises InvalidInput naming the column, never a value."""
    import numpy as np

    given = {tensor.name: tensor for tensor in inputs}
    if set(given) != {column.name for column in contract.inputs} or len(given) != len(inputs):
        raise InvalidInput("The inputs are not exactly those of the model's contract.")
    rows = len(inputs[0].data)
    if not 0 < rows <= MOST_ROWS:
        raise InvalidInput(f"A request has from 1 to {MOST_ROWS:,} rows.")
    tensors = {}
    for column in contract.inputs:
        tensor = given[column.name]
        if tensor.datatype not in DATATYPES[column.type] or len(tensor.data) != rows or tensor.shape not in ([rows], [rows, 1]):
            raise InvalidInput(f"Input {column.name} has another type or shape than its contract says.")
        if column.type == "string":
            if not all(isinstance(value, str) for value in tensor.data):
                raise InvalidInput(f"Input {column.name} holds something other than text.")
            tensors[column.name] = np.array(tensor.data, dtype=object).reshape(-1, 1)
            continue
        if not all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in tensor.data):
            raise InvalidInput(f"Input {column.name} holds something other than numbers.")
        numbers = np.array([np.nan if value is None else value for value in tensor.data], dtype=np.float32)
        _require_in_range(column.name, numbers, column.min, column.max)
        tensors[column.name] = numbers.reshape(-1, 1)
    return tensors, rows


def _require_in_range(name: str, numbers: Any, low: float | None, high: float | None) -> None:
    import numpy as np

    known = numbers[~np.isnan(numbers)]
    if np.isinf(known).any() or (low is not None and (known < low).any()) or (high is not None and (known > high).any()):
        raise InvalidInput(f"Input {name} has a value outside the range of its contract.")


def _outputs(session: Any, outputs: list[Any]) -> list[dict[str, Any]]:
    import numpy as np

    given = []
    for described, value in zip(session.get_outputs(), outputs, strict=True):
        array = np.asarray(value)
        datatype = {"f": "FP32", "i": "INT64"}.get(array.dtype.kind, "BYTES")
        given.append({"name": described.name, "datatype": datatype, "shape": list(array.shape), "data": array.ravel().tolist()})
    return given


def _hash(body: Inference) -> str:
    return "sha256:" + hashlib.sha256(body.model_dump_json(exclude={"id"}).encode()).hexdigest()
