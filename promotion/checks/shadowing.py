"""Shadow models for the membership check: trained once for a snapshot, a query and a kind of model, and kept in the live zone."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from compliance.canonical import canonical_json, digest
from promotion.checks.context import CheckContext

SCRIPT = Path(__file__).with_name("shadow_in_jail.py")
VERSION = 1  # of what is kept
BEYOND_BUDGET_SECONDS = 120  # for reading rows and a model that was begun in time


def shadows_for(context: CheckContext, snapshot: str, kind: Mapping[str, Any], *, models: int, seconds: float) -> Path | None:
    """The folder that holds `shadows.npz`; None when too few models could be trained in the time."""
    contract = context.contract
    asked = {
        "version": VERSION, "snapshot": snapshot, "features": contract.features, "positive": str(contract.positive),
        "kind": dict(kind), "inputs": [one.model_dump(mode="json") for one in contract.inputs], "models": models,
        "seconds": seconds,
    }  # fmt: skip
    kept = context.shadows / digest(canonical_json(asked)).removeprefix("sha256:")
    if not (kept / "shadows.npz").is_file():
        _train(context, snapshot, kind, models=models, seconds=seconds, kept=kept)
    return kept if (kept / "shadows.npz").is_file() else None


def _train(context: CheckContext, snapshot: str, kind: Mapping[str, Any], *, models: int, seconds: float, kept: Path) -> None:
    work = context.work / "shadows"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    (work / "contract.json").write_text(context.contract.model_dump_json(), "utf-8")
    ended = context.run_isolated(
        [sys.executable, "/sallyport/shadow_in_jail.py", json.dumps(dict(kind)), str(models), str(seconds)],
        read_only={
            SCRIPT: "/sallyport/shadow_in_jail.py", context.snapshots[snapshot][0]: "/sallyport/snapshot",
            context.holdouts[snapshot]: "/sallyport/holdout",
        },
        writable={work: "/sallyport/work"},
        env={"OMP_NUM_THREADS": "1"},  # threads that wait for each other make small models many times slower
        timeout=seconds + BEYOND_BUDGET_SECONDS,
    )  # fmt: skip
    made = work / "shadows.npz"
    if ended.exit_code or made.is_symlink() or not made.is_file():
        return
    partial = kept.with_name(f"{kept.name}.{uuid4().hex}")
    partial.mkdir(parents=True)
    made.replace(partial / made.name)
    try:
        partial.rename(kept)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)  # another check kept the same first
