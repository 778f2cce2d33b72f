"""Asks the jail one question about the model: the rows never leave it, only the few numbers of the answer do."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from promotion.checks.context import CheckContext

SCORER = Path(__file__).with_name("score_in_jail.py")
SECONDS = 300
FEWEST_ROWS = 11  # as for k: no metric over fewer
FEWEST_OF_A_KIND = 5  # positives and negatives, without which a metric would tell of single persons
LARGEST_ANSWER = 1 << 20
NOTHING_HELD_BACK = "No rows were held back from the training snapshot."
NOT_SCORED = "The model could not be scored on the held-back rows."
TOO_FEW = "Too few rows were held back."


def ask(context: CheckContext, task: str, *, words: Collection[str] = (), held_back: bool = True) -> dict[str, Any] | str:
    """The answer to `task`, whose numbers are finite or None; or a sentence that says why there is none.

    `words` are the model's own texts; a task that is not about rows held back needs none.
    """
    used = [
        name
        for name in (context.run.inputs if context.run else ())
        if name in context.snapshots and (name in context.holdouts or not held_back)
    ]
    if not used:
        return NOTHING_HELD_BACK
    work = context.work / task
    work.mkdir(parents=True, exist_ok=True)
    (work / "contract.json").write_text(context.contract.model_dump_json(), "utf-8")
    (work / "words.json").write_text(json.dumps(sorted(words)), "utf-8")
    places = {context.folder: "/sallyport/model", context.snapshots[used[0]][0]: "/sallyport/snapshot"}
    if held_back:
        places[context.holdouts[used[0]]] = "/sallyport/holdout"
    ended = context.run_isolated(
        [sys.executable, "/sallyport/score_in_jail.py", task],
        read_only={**places, SCORER: "/sallyport/score_in_jail.py"},
        writable={work: "/sallyport/work"},
        timeout=SECONDS,
    )
    answer = _read(work / "measured.json") if not ended.exit_code else None
    if answer is None or not _numbers_only(answer):
        return NOT_SCORED
    return TOO_FEW if answer.get("rows", 0) < FEWEST_ROWS else answer


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
