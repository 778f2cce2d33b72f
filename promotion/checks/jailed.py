"""Asks the jail one question about the model: the rows never leave it, only the few numbers of the answer do."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from promotion.checks.context import CheckContext
from promotion.errors import LiveRowsUnfit, SnapshotOutdated

SCORER = Path(__file__).with_name("score_in_jail.py")
SECONDS = 300
FEWEST_ROWS = 11  # as for k: no metric over fewer
FEWEST_OF_A_KIND = 5  # positives and negatives, without which a metric would tell of single persons
LARGEST_ANSWER = 1 << 20
FILES = {"snapshot": "/sallyport/snapshot", "holdout": "/sallyport/holdout", "live": "/sallyport/live"}
LIVE = "live"
NOTHING_HELD_BACK = "No rows were held back from the training snapshot."
NOT_SCORED = "The model could not be scored on the held-back rows."
TOO_FEW = "Too few rows were held back."
OUTDATED = "The training snapshot was built under another version of the dataset contract; build one anew and train on it."
UNFIT = "The live tables are not as the dataset contract says (columns, types, keys or references)."
UNREADABLE = {
    name: f"The contract's feature query does not run on the {said}."
    for name, said in {"snapshot": "snapshot's tables", "holdout": "held-back tables", "live": "live tables"}.items()
}


def ask(
    context: CheckContext,
    task: str,
    *,
    words: Collection[str] = (),
    rows: Collection[str] = ("snapshot", "holdout"),
    shadows: Path | None = None,
) -> dict[str, Any] | str:
    """The answer to `task`, whose numbers are finite or None; or a sentence that says why there is none.

    `words` are the model's own texts; `rows` what the task is about: the snapshot, the treated rows held back from it
    (`holdout`), and the same persons' rows unmasked (`live`); `shadows` a folder of shadow models' answers.
    """
    snapshot = used_snapshot(context, held_back=bool({"holdout", "live"} & set(rows)))
    if snapshot is None or ("live" in rows and context.live is None):
        return NOTHING_HELD_BACK
    work = context.work / task
    work.mkdir(parents=True, exist_ok=True)
    try:
        places = _places(context, snapshot, rows)
    except SnapshotOutdated:
        return OUTDATED
    except LiveRowsUnfit:
        return UNFIT  # its message counts what is wrong in single columns, which is for stewards, not for a model's author
    (work / "contract.json").write_text(context.contract.model_dump_json(), "utf-8")
    (work / "words.json").write_text(json.dumps(sorted(words)), "utf-8")
    if shadows is not None:
        places[shadows] = "/sallyport/shadows"
    try:
        ended = context.run_isolated(
            [sys.executable, "/sallyport/score_in_jail.py", task],
            read_only={context.folder: "/sallyport/model", SCORER: "/sallyport/score_in_jail.py", **places},
            writable={work: "/sallyport/work"},
            timeout=SECONDS,
        )
    finally:
        shutil.rmtree(context.work / LIVE, ignore_errors=True)
    answer = _read(work / "measured.json") if not ended.exit_code else None
    if answer is None or not _numbers_only(answer):
        return NOT_SCORED
    for name, sentence in UNREADABLE.items():
        if answer.get(f"unreadable_{name}"):
            return sentence
    return TOO_FEW if answer.get("rows", 0) < FEWEST_ROWS else answer


def used_snapshot(context: CheckContext, *, held_back: bool = True) -> str | None:
    """The digest of the first training snapshot, of those from which rows were held back."""
    inputs = context.run.inputs if context.run else ()
    return next((name for name in inputs if name in context.snapshots and (name in context.holdouts or not held_back)), None)


def _places(context: CheckContext, snapshot: str, rows: Collection[str]) -> dict[Path, str]:
    """Host folder -> its place in the jail. Live rows are read only now, and are gone when the jail is."""
    places = {context.snapshots[snapshot][0]: FILES["snapshot"]}
    if "holdout" in rows:
        places[context.holdouts[snapshot]] = FILES["holdout"]
    if "live" in rows:
        assert context.live is not None
        into = context.work / LIVE
        shutil.rmtree(into, ignore_errors=True)
        context.live.held_back(snapshot, into)
        places[into / "tables"] = FILES["live"]
    return places


def _read(path: Path) -> dict[str, Any] | None:
    """What was written there, if it is a plain file of a sensible size: the jail's writer is not trusted."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            value = json.loads(file.read(LARGEST_ANSWER))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _numbers_only(value: Any) -> bool:
    """The answer holds numbers under names, and no text that could carry a value out."""
    if isinstance(value, Mapping):
        return all(_numbers_only(one) for one in value.values())
    if isinstance(value, list):
        return all(_numbers_only(one) for one in value)
    return value is None or (isinstance(value, int | float) and math.isfinite(value))
