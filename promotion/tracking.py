"""What the tracking server (MLflow) says of a training run, and the bytes of the model it logged.

Nothing it says is trusted: a run's inputs are digests that the lineage check compares with signed manifests, and the
bytes are scanned before anything looks into them. They are copied, never loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import httpx

from promotion.errors import PromotionError

WORKSPACE_HEADER = "X-MLFLOW-WORKSPACE"
WORKSPACES = "/api/3.0/mlflow/workspaces"
ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
RUN_MODEL = re.compile(r"runs:/(?P<run>[0-9a-f]{32})/(?P<name>[\w.-]{1,100})")
LOGGED_MODEL = re.compile(r"models:/(?P<model>m-[0-9a-f]{32})")
SNAPSHOT_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
LARGEST_MODEL_BYTES = 2 * 1024**3
MOST_FILES = 2_000


class ModelNotFound(PromotionError):
    """The tracking server has no such model in this project."""

    code: ClassVar[str] = "model_not_found"


class ModelTooLarge(PromotionError):
    """The model has more files or bytes than may be submitted."""

    code: ClassVar[str] = "too_large"


class TrackingUnavailable(PromotionError):
    """The tracking server does not answer, or not as it should."""

    code: ClassVar[str] = "mlflow_unavailable"


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """A training run as tracked. `inputs` are the digests of the datasets it logged as inputs."""

    run_id: str
    user: str
    inputs: tuple[str, ...]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


class Tracking:
    """Reads one project's workspace of a tracking server."""

    def __init__(self, http: httpx.Client, project: str) -> None:
        self._http, self._project = http, project

    def ensure_workspace(self) -> None:
        """The project has a workspace."""
        # Not in the workspace itself: MLflow answers calls in an unknown one with 404.
        self.send("POST", WORKSPACES, json={"name": self._project}, accept=(200, 201, 400, 409), headers={})
        standing = self.send("GET", WORKSPACES, headers={}).json().get("workspaces", [])
        if all(workspace.get("name") != self._project for workspace in standing):
            raise TrackingUnavailable("MLflow made no workspace for the project.")

    def run(self, run_id: str) -> TrackedRun:
        """The run of that id. Raises ModelNotFound."""
        answer = self.send("GET", "/api/2.0/mlflow/runs/get", params={"run_id": run_id}).json()["run"]
        data, inputs = answer.get("data", {}), answer.get("inputs", {}).get("dataset_inputs", [])
        return TrackedRun(
            run_id=run_id,
            user=str(answer["info"].get("user_id", "")),
            inputs=tuple(sorted({_digest(item["dataset"]) for item in inputs})),
            params={item["key"]: item["value"] for item in data.get("params", [])},
            tags={item["key"]: item["value"] for item in data.get("tags", [])},
            metrics={item["key"]: float(item["value"]) for item in data.get("metrics", [])},
        )

    def fetch(self, uri: str, target: Path) -> str:
        """`target` holds the files of the model at `uri` (runs:/ID/NAME or models:/m-ID); returns its run id."""
        model = self._model(uri)
        root = str(model["info"]["artifact_uri"]).removeprefix("mlflow-artifacts:/").lstrip("/")
        if not self._copy(root, target):
            raise ModelNotFound("The tracked model has no files.")
        return str(model["info"].get("source_run_id", ""))

    def _copy(self, root: str, target: Path) -> int:
        """`target` holds the files below `root`; how many they are."""
        size = count = 0
        for path, length in self._files(root):
            size, count = size + length, count + 1
            if size > LARGEST_MODEL_BYTES or count > MOST_FILES:
                raise ModelTooLarge("The model has more files or bytes than may be submitted.")
            self._download(f"{root}/{path}", _inside(target, path))
        return count

    def fetch_artifacts(self, run_id: str, below: str, target: Path) -> int:
        """`target` holds the files that the run logged below that path, whose number is returned."""
        answer = self.send("GET", "/api/2.0/mlflow/runs/get", params={"run_id": run_id}).json()["run"]
        root = str(answer["info"]["artifact_uri"]).removeprefix("mlflow-artifacts:/").lstrip("/")
        return self._copy(f"{root}/{below}", target)

    def model_names(self, run_id: str) -> list[str]:
        """The names of the models that the run logged."""
        answer = self.send("GET", "/api/2.0/mlflow/runs/get", params={"run_id": run_id}).json()["run"]
        outputs = answer.get("outputs", {}).get("model_outputs", [])
        return [str(self._logged(output["model_id"])["info"]["name"]) for output in outputs]

    def model_of(self, run_id: str) -> dict[str, str]:
        """`model_id` and `artifact_uri` of the model that the run logged first. Raises ModelNotFound."""
        answer = self.send("GET", "/api/2.0/mlflow/runs/get", params={"run_id": run_id}).json()["run"]
        for output in answer.get("outputs", {}).get("model_outputs", []):
            info = self._logged(output["model_id"])["info"]
            return {name: str(info[name]) for name in ("model_id", "artifact_uri")}
        raise ModelNotFound("The run has logged no model.")

    def create_run(self, like: str, tags: Mapping[str, str], now: int) -> str:
        """The id of a new run in the experiment of `like`; `now` in milliseconds since the epoch."""
        answer = self.send("GET", "/api/2.0/mlflow/runs/get", params={"run_id": like}).json()["run"]
        body = {
            "experiment_id": answer["info"]["experiment_id"], "start_time": now,
            "tags": [{"key": key, "value": value} for key, value in tags.items()],
        }  # fmt: skip
        made = self.send("POST", "/api/2.0/mlflow/runs/create", json=body).json()["run"]
        return str(made["info"]["run_id"])

    def _model(self, uri: str) -> Mapping[str, Any]:
        if found := LOGGED_MODEL.fullmatch(uri):
            return self._logged(found["model"])
        if not (found := RUN_MODEL.fullmatch(uri)):
            raise ModelNotFound("A tracked model is named runs:/RUN_ID/NAME or models:/m-MODEL_ID.")
        answer = self.send("GET", "/api/2.0/mlflow/runs/get", params={"run_id": found["run"]}).json()["run"]
        for output in answer.get("outputs", {}).get("model_outputs", []):
            model = self._logged(output["model_id"])
            if model["info"]["name"] == found["name"]:
                return model
        raise ModelNotFound("The run has logged no model of that name.")

    def _logged(self, model_id: str) -> Mapping[str, Any]:
        answer = self.send("GET", f"/api/2.0/mlflow/logged-models/{model_id}").json()
        return dict(answer["model"])

    def _files(self, root: str, below: str = "") -> Iterator[tuple[str, int]]:
        answer = self.send("GET", ARTIFACTS, params={"path": f"{root}/{below}".rstrip("/")}).json()
        for item in answer.get("files", []):
            path = str(PurePosixPath(below) / PurePosixPath(item["path"]).name)
            if item.get("is_dir"):
                yield from self._files(root, path)
            else:
                yield path, int(item.get("file_size", 0))

    def _download(self, path: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._http.stream("GET", f"{ARTIFACTS}/{path}", headers=self._headers) as answer, target.open("xb") as file:
                if answer.status_code != 200:
                    raise TrackingUnavailable("MLflow did not give a file of the model.")
                for part in answer.iter_bytes():
                    file.write(part)
        except httpx.HTTPError as error:
            raise TrackingUnavailable("MLflow does not answer.") from error

    @property
    def _headers(self) -> dict[str, str]:
        return {WORKSPACE_HEADER: self._project, "Host": "localhost"}

    def send(
        self,
        method: str,
        path: str,
        *,
        accept: tuple[int, ...] = (200,),
        headers: Mapping[str, str] | None = None,
        **content: Any,
    ) -> httpx.Response:
        """The server's answer to a call in the project's workspace. Raises ModelNotFound, TrackingUnavailable."""
        try:
            answer = self._http.request(method, path, headers=self._headers if headers is None else headers, **content)
        except httpx.HTTPError as error:
            raise TrackingUnavailable("MLflow does not answer.") from error
        if answer.status_code == 404 and 404 not in accept:
            raise ModelNotFound("MLflow knows no such run or model in this project.")
        if answer.status_code not in accept:
            raise TrackingUnavailable("MLflow did not answer as it should.")
        return answer


def _digest(dataset: Mapping[str, Any]) -> str:
    """The snapshot digest in the dataset's source address; MLflow's own digest column holds 36 characters only."""
    found = SNAPSHOT_DIGEST.search(str(dataset.get("source", "")))
    return found[0] if found else str(dataset.get("digest", ""))


def _inside(folder: Path, path: str) -> Path:
    """The place of `path` below `folder`; a path that would leave it is refused."""
    if not path or PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ModelNotFound("The tracked model names a file outside its own folder.")
    return folder / path
