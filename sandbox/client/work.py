"""From notebook to production, and out: tracked runs, models to promote, files to release."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.client import connection, data
from sandbox.client.display import Progress, table
from sandbox.client.errors import ClientError, NotFound

AT_WORK = ("submitted", "checking")
POLL_SECONDS = 0.5
# What its owner does where it stands.
NEXT = {
    "refused": "Mend what failed, and promote again.",
    "awaiting-approval": "Others sign it now: .refresh() shows how it stands.",
    "approved": "It may be deployed, or released, now.",
    "in-review": "Two people look at each file now: .refresh() shows how it stands.",
    "returned": "Change what the findings name, and export again.",
}


@contextmanager
def track(experiment: str, dataset: str | None = None, *, project: str | None = None) -> Iterator[Any]:
    """An MLflow run in your project's workspace, bound to the digest of the snapshot of `dataset`; log into it as ever.

    In a notebook the run also holds the code of the cells so far, and its digest, which promotion asks for.
    """
    import mlflow
    from mlflow.data.http_dataset_source import HTTPDatasetSource
    from mlflow.data.pandas_dataset import from_pandas

    os.environ["MLFLOW_TRACKING_TOKEN"] = connection.token()
    mlflow.set_tracking_uri(f"{connection.address()}/mlflow/{project or _project(dataset)}")
    with _without_hints():
        mlflow.set_experiment(experiment)
    with mlflow.start_run() as run:
        if dataset is not None:
            digest = data.snapshot_digest(dataset)
            source = HTTPDatasetSource(f"http://snapshots.sallyport/v1/snapshots/{digest}")  # type: ignore[no-untyped-call]
            first = data.load(dataset, data.tables(dataset)[0]).head(0)  # its columns; no row is sent along
            with _without_hints():
                mlflow.log_input(from_pandas(first, source=source, name="snapshot", digest=digest[7:43]), "training")
        if code := _cells_so_far():
            mlflow.set_tag("sallyport.code_digest", "sha256:" + hashlib.sha256(code.encode()).hexdigest())
            mlflow.log_text(code, "notebook/cells.py")
        yield run


@contextmanager
def _without_hints() -> Iterator[None]:
    """MLflow does not speak of what is done here: a notebook shows hints in red, and a newcomer can do nothing about these."""
    logger = logging.getLogger("mlflow.tracking.fluent")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logger.setLevel(before)


def _cells_so_far() -> str:
    """The code of this notebook's cells, in the order they were run; empty outside of a notebook."""
    if "IPython" not in sys.modules:
        return ""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return "\n\n".join(shell.history_manager.input_hist_raw).strip() if shell and shell.history_manager else ""


@dataclass(frozen=True, slots=True)
class Submitted:
    """Something the gateway looks at: a promotion or a release, as it was when it was looked at."""

    kind: str
    facts: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.facts["id"])

    @property
    def state(self) -> str:
        return str(self.facts["state"])

    def refresh(self) -> Submitted:
        """The same as it is now."""
        return Submitted(self.kind, connection.call("GET", f"/v1/{self.kind}/{self.id}"))

    def wait(self, seconds: float = 600) -> Submitted:
        """The same once the automatic checks have ended, or after `seconds`."""
        until, now, progress = time.monotonic() + seconds, self, Progress("checking")
        while now.state in AT_WORK and time.monotonic() < until:
            time.sleep(POLL_SECONDS)
            now = now.refresh()
            progress.at(len(now.facts.get("checks", ())), None)
        progress.end()
        return now

    def plot(self) -> Any:
        """A matplotlib figure of how each check ended."""
        from sandbox.client import plots

        return plots.checks(f"{self.id[:8]}: {self.state}", self.facts.get("checks", ()))

    def _repr_html_(self) -> str:
        title = f"{self.kind.rstrip('s').replace('-', ' ')} {self.id[:8]}: {self.state}"
        checks = [
            {"what": one["name"], "outcome": one["outcome"], "said": one["summary"]} for one in self.facts.get("checks", ())
        ]
        found = [
            {"what": one.get("code", one["id"]), "outcome": one.get("weight", one.get("severity")),
             "said": f"{one.get('file', '')} {one.get('place', '')} {one.get('sentence', one.get('detail', ''))}".strip()}
            for one in self.facts.get("findings", ())
        ]  # fmt: skip
        return table(title, [*checks, *found], ("what", "outcome", "said"), NEXT.get(self.state, ""))


def promote(model: str, contract: str | Path, *, project: str | None = None, wait: bool = True) -> Submitted:
    """Submit a tracked model (runs:/RUN/NAME or models:/ID) with its model contract; its checks run at the gateway."""
    path = Path(contract)
    if not path.is_file():
        raise NotFound(f"There is no model contract {path}.", "Write one: sallyport new NAME makes an example.")
    form = {"project": project or _project(None), "contract": path.read_text("utf-8"), "model": model}
    submitted = Submitted(
        "promotions", connection.call("POST", "/v1/promotions", files={key: (None, value) for key, value in form.items()})
    )
    return submitted.wait() if wait else submitted


def safe_table(frame: Any, groups: Sequence[str], values: Sequence[str] = ()) -> tuple[Any, dict[str, Any]]:
    """A pandas table of counts (and means of `values`) by `groups`, and the declaration the airlock asks of it.

    Small groups are left for the checks to find: merge or drop them before you export.
    """
    grouped = frame.groupby(list(groups), observed=True)
    made = grouped.size().rename("n").to_frame()
    evidence = made[[]].copy()
    for value in values:
        made[f"mean_{value}"] = grouped[value].mean()
        largest = grouped[value].apply(lambda column: [*sorted(column.abs().fillna(0), reverse=True)[:2], 0, 0])
        evidence[f"mean_{value}__largest"] = [float(one[0]) for one in largest]
        evidence[f"mean_{value}__second"] = [float(one[1]) for one in largest]
    declared = {"groups": list(groups), "count": "n", "evidence_rows": evidence.to_dict("records")}
    return made.reset_index(), declared


def export(
    files: Mapping[str, Any] | Sequence[str | Path], *, why: str, tables: Mapping[str, Any] | None = None,
    project: str | None = None, wait: bool = True,
) -> Submitted:  # fmt: skip
    """Ask files out of the sandbox: paths, or name -> text, bytes or a table (written as CSV). Two people review them.

    `tables` declares of a file's table its groups and count, as `safe_table` gives it.
    """
    named = files if isinstance(files, Mapping) else {Path(path).name: Path(path).read_bytes() for path in files}
    sent: list[tuple[str, Any]] = [("files", (name, io.BytesIO(_bytes(value)))) for name, value in named.items()]
    form = {"project": project or _project(None), "why": why, "tables": json.dumps(dict(tables or {}))}
    submitted = Submitted("egress-requests", connection.call("POST", "/v1/egress-requests", data=form, files=sent))
    return submitted.wait() if wait else submitted


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if hasattr(value, "to_csv"):
        return str(value.to_csv(index=False)).encode()
    if hasattr(value, "write_csv"):
        return str(value.write_csv()).encode()
    raise ClientError("This is neither text, bytes nor a table.", "Give a path, a text, bytes, or a pandas or Polars table.")


def _project(dataset: str | None) -> str:
    """The project of the dataset's snapshot; the variable SALLYPORT_PROJECT; or the only one you are in."""
    if given := os.environ.get("SALLYPORT_PROJECT"):
        return given
    if dataset is not None:
        for one in data.snapshots():
            if dataset in (one.dataset, one.id, one.digest):
                return one.project
    projects = connection.call("GET", "/v1/whoami")["projects"]
    if len(projects) == 1:
        return str(projects[0])
    raise ClientError("It is not clear which project this is for.", f"Name it with project=: {', '.join(projects)}.")
