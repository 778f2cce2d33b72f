"""A data scientist's script on a snapshot: in the jail, with the gateway's Unix socket as the only way out."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from compliance.canonical import digest_file
from gateway.client import Gateway
from gateway.commands.snapshot import fetch
from sandbox.jail import Limits, Outcome, run_isolated

# Where things stand inside; a folder of our own, because Python may be installed anywhere else.
RECIPE = "recipe.json"
SNAPSHOT, WORK, CODE = "/sallyport/snapshot", "/sallyport/work", "/sallyport/script"


def run_script(
    gateway: Gateway,
    files: Sequence[Path],
    arguments: Sequence[str],
    *,
    snapshot: str,
    work: Path,
    limits: Limits,
    timeout: int,
    extra: Mapping[str, str] | None = None,
) -> Outcome:
    """The first of `files` has run on the snapshot with the others beside it; what it wrote to /sallyport/work is in `work`.

    Beside them stands recipe.json: script, arguments, snapshot, the files by digest. A run that logs that folder as its artifacts
    `sallyport-code` can be trained again (`sallyport reproduce`). `extra` are more variables of its environment.

    It gets the caller's short-lived token for the tracking server of the snapshot's project and no other secret.
    """
    found = gateway.get(f"/v1/snapshots/{snapshot}")
    with tempfile.TemporaryDirectory(prefix="sallyport-run-") as made:
        data, code = Path(made) / "snapshot", Path(made) / "script"
        fetch(gateway, found["id"], data)
        code.mkdir()
        for file in files:
            shutil.copyfile(file, code / file.name)
        recipe = {
            "script": files[0].name, "arguments": list(arguments), "snapshot": found["digest"],
            "files": {file.name: digest_file(file) for file in files}, "python": platform.python_version(),
        }  # fmt: skip
        (code / RECIPE).write_text(json.dumps(recipe, indent=1), "utf-8")
        return run_isolated(
            [sys.executable, f"{CODE}/{files[0].name}", *arguments],
            read_only={data: SNAPSHOT, code: CODE},
            writable={work: WORK},
            socket=gateway.socket,
            env=_environment(gateway, found, files[0]) | dict(extra or {}),
            limits=limits,
            timeout=timeout,
        )


def _environment(gateway: Gateway, snapshot: dict[str, str], script: Path) -> dict[str, str]:
    return {
        "SALLYPORT_SNAPSHOT": SNAPSHOT,
        "SALLYPORT_SNAPSHOT_DIGEST": snapshot["digest"],
        "SALLYPORT_SNAPSHOT_DATASET": snapshot["dataset"],
        "SALLYPORT_PROJECT": snapshot["project"],
        "SALLYPORT_WORK": WORK,
        "SALLYPORT_CODE": CODE,
        "SALLYPORT_CODE_DIGEST": digest_file(script),
        "SALLYPORT_CODE_REVISION": _revision(script),
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:8080/mlflow/{snapshot['project']}",
        "MLFLOW_TRACKING_TOKEN": gateway.token(),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        # Sets are walked in one order (the converter to ONNX writes one out), so that one script gives one digest.
        "PYTHONHASHSEED": "0",
        "GIT_PYTHON_REFRESH": "quiet",
        "MPLCONFIGDIR": "/tmp",  # noqa: S108 - the jail's own
        "OMP_NUM_THREADS": "2",
    }


def _revision(script: Path) -> str:
    """The commit the script is at, with `-dirty` when it differs from it; empty outside a repository."""
    git = ["git", "-C", str(script.resolve().parent)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False)
        if head.returncode:
            return ""
        changed = subprocess.run(
            [*git, "status", "--porcelain", "--", script.name], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return head.stdout.strip() + ("-dirty" if changed.stdout.strip() else "")
