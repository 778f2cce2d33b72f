"""A model trained again: the same code, snapshot and arguments in the jail, and what came of it beside the promoted model."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import httpx

from compliance.canonical import digest_file
from gateway.client import Gateway
from gateway.errors import GatewayError
from gateway.sandbox_run import RECIPE, run_script
from promotion.tracking import Tracking
from promotion.tree import files_of, tree_digest
from sandbox.jail import Limits

CODE = "sallyport-code"  # the run's artifacts that hold what was run
TELLS_THE_RUN = frozenset({"MLmodel"})  # run id and times of MLflow's own


class NotReproducible(GatewayError):
    """What is needed to train the model again is not recorded, or is not what was promoted."""

    code: ClassVar[str] = "not_reproducible"


class TrainingFailed(GatewayError):
    """The recorded training did not end as it should when it ran again."""

    code: ClassVar[str] = "training_failed"


@dataclass(frozen=True, slots=True)
class Reproduction:
    """`outcome`: `bytes` when every file is the same, `metrics` when only the metrics are (within the tolerance), else `differs`.

    `files` and `metrics` name what differs; a metric's difference is the new value less the recorded one.
    """

    digest: str
    run_id: str
    again: str
    snapshot: str
    outcome: str
    files: tuple[str, ...]
    metrics: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def reproduce(
    gateway: Gateway, digest: str, *, code: tuple[Path, ...] = (), arguments: tuple[str, ...] = (), tolerance: float = 0.0,
    timeout: int = 600, memory_mb: int = 4_096,
) -> Reproduction:  # fmt: skip
    """The promoted model of that digest is trained again. Without `code` it is what the run logged of itself.

    Raises NotReproducible, TrainingFailed.
    """
    promotion = _promotion(gateway, digest)
    tracking = _tracking(gateway, promotion["project"])
    run = tracking.run(promotion["run_id"])
    if not run.inputs:
        raise NotReproducible("The training run logged no snapshot as its input.")
    with tempfile.TemporaryDirectory(prefix="sallyport-reproduce-") as made:
        folder = Path(made)
        name, before = _promoted_files(tracking, run.run_id, digest, folder)
        files, words = (code, arguments) if code else _recorded(tracking, run.run_id, folder / "code")
        if digest_file(files[0]) != run.tags.get("sallyport.code_digest"):
            raise NotReproducible("The script is not the one that the training run names by its digest.")
        again = tracking.create_run(run.run_id, {"sallyport.reproduces": run.run_id}, int(time.time() * 1000))
        work = folder / "work"
        work.mkdir()
        ended = run_script(
            gateway, files, words, snapshot=run.inputs[0], work=work, limits=Limits(memory_mb=memory_mb), timeout=timeout,
            extra={"MLFLOW_RUN_ID": again},
        )  # fmt: skip
        if ended.exit_code:
            raise TrainingFailed(f"The training ended with status {ended.exit_code} when it ran again: {ended.stderr[-400:]}")
        tracking.fetch(f"runs:/{again}/{name}", folder / "again")
        after = files_of(folder / "again")
    apart = tuple(sorted(file for file in {*before, *after} - TELLS_THE_RUN if before.get(file) != after.get(file)))
    differences = _differences(run.metrics, tracking.run(again).metrics, tolerance)
    outcome = "bytes" if not apart else "differs" if differences or not run.metrics else "metrics"
    return Reproduction(digest, run.run_id, again, run.inputs[0], outcome, apart, differences)


def _promotion(gateway: Gateway, digest: str) -> dict[str, Any]:
    for one in gateway.get("/v1/promotions")["items"]:
        if one["digest"] == digest and one["run_id"]:
            return dict(one)
    raise NotReproducible("No promotion of your projects is of a tracked model with that digest.")


def _tracking(gateway: Gateway, project: str) -> Tracking:
    http = httpx.Client(
        base_url=f"{gateway.url}/mlflow/{project}", headers={"Authorization": f"Bearer {gateway.token()}"}, timeout=120
    )
    return Tracking(http, project)


def _promoted_files(tracking: Tracking, run: str, digest: str, folder: Path) -> tuple[str, dict[str, str]]:
    """The name of the run's model of that digest, and its files by digest."""
    for number, name in enumerate(tracking.model_names(run)):
        place = folder / f"before-{number}"
        tracking.fetch(f"runs:/{run}/{name}", place)
        if tree_digest(place) == digest:
            return name, files_of(place)
    raise NotReproducible("What MLflow holds of the run's model is not what was promoted, byte for byte.")


def _recorded(tracking: Tracking, run: str, target: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """The files and arguments that the run logged of itself, the script first."""
    target.mkdir()
    if not tracking.fetch_artifacts(run, CODE, target) or not (target / RECIPE).is_file():
        raise NotReproducible(f"The run holds no {CODE}; say which files trained the model with --script and --with.")
    recipe = json.loads((target / RECIPE).read_text("utf-8"))
    files = [target / name for name in recipe["files"]]
    if any(file.parent != target or not file.is_file() or digest_file(file) != recipe["files"][file.name] for file in files):
        raise NotReproducible("The files that the run logged of itself are not those its recipe names.")
    files.sort(key=lambda file: file.name != recipe["script"])
    return tuple(files), tuple(map(str, recipe["arguments"]))


def _differences(before: Mapping[str, float], after: Mapping[str, float], tolerance: float) -> dict[str, float]:
    nothing = float("nan")
    apart = {name: after.get(name, nothing) - value for name, value in before.items()}
    return {name: value for name, value in apart.items() if not abs(value) <= tolerance}
