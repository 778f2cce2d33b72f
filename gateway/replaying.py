"""Each change of policies with what it turns: decisions of before it, made again under the old policies and the new ones."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from gateway.catalog import datasets
from gateway.catalog import policies as catalog
from gateway.catalog.policies import Change
from gateway.composition import Services
from policies.errors import PoliciesError
from policies.replay import Recorded, replay

DAYS, MOST = 90, 5_000
SECONDS_BETWEEN_LOOKS = 20.0
RECORDED = (
    "SELECT decision_id, allow, reasons, input FROM catalog.decisions WHERE decided_at >= %s AND decided_at < %s"
    " ORDER BY decided_at DESC, decision_id LIMIT %s"
)
log = logging.getLogger("sallyport.worker")


def replay_waiting(given: Services, *, most: int = MOST) -> int:
    """Every change of policies has its replay, in the ledger; how many were made now. Safe to do again after a crash."""
    with given.pool.connection() as connection:
        waiting = catalog.changes(connection, waiting=True)
    for change in reversed(waiting):
        result = _replayed(given, change, most)
        with given.pool.connection() as connection:
            catalog.keep_replay(connection, change, result, now=given.clock())
    return len(waiting)


def replay_until(stop: threading.Event, given: Services) -> None:
    """Changes of policies are replayed soon after they come into force; a part that is down is tried again."""
    while not stop.wait(SECONDS_BETWEEN_LOOKS):
        try:
            replay_waiting(given)
        except Exception as error:
            log.warning("replaying policies failed: %s", type(error).__name__)


def _replayed(given: Services, change: Change, most: int) -> Mapping[str, Any]:
    """What the change turns of the newest decisions of the days before it; `whole` when those were all."""
    begin = change.loaded_at - timedelta(days=DAYS)
    with given.pool.connection() as connection:
        before, after = (catalog.kept(connection, digest or "") for digest in (change.before, change.after))
        known = datasets.policy_data(connection)
        rows = connection.execute(RECORDED, (begin, change.loaded_at, most + 1)).fetchall()
    if before is None or after is None:
        return {"code": "policies_not_kept", "whole": False, "turns": []}
    recorded = [Recorded(input, name, (allow, tuple(reasons))) for name, allow, reasons, input in rows[:most]]
    try:
        made = replay(recorded, now=before, changed=after, datasets=known, processes=1)
    except PoliciesError as error:
        return {"code": error.code, "whole": False, "turns": []}
    return made | {"whole": len(rows) <= most, "days": DAYS}
