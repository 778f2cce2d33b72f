"""Accounting of disclosures (45 CFR 164.528): for each opening of a dataset's live rows when, to whom, what, why, under what.

The ledger holds no value of live data, so it cannot say whose rows were read: an opening is a disclosure of everybody whose
rows stood in the tables it named, unless its row filters say otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from psycopg import Connection

NOTE = (
    "The ledger holds no value of live data, so it cannot tell whose rows were read: each line is a disclosure of everybody whose"
    " rows stood in the dataset then. Disclosures outside Sallyport are not in it."
)
OPENED = ("lease:opened", "lease:opened-in-emergency", "lease:opened-for-service")
QUERY = """
SELECT canonical, (
    SELECT coalesce(sum(CASE WHEN s.type = 'statement:summary'
        THEN (convert_from(s.canonical, 'UTF8')::jsonb #>> '{detail,runs}')::bigint ELSE 1 END), 0)
    FROM ledger.entries s
    WHERE s.object_type = 'lease' AND s.object_id = e.object_id AND s.type IN ('statement:run', 'statement:summary')
) FROM ledger.entries e
WHERE type = ANY(%s) AND convert_from(canonical, 'UTF8')::jsonb #>> '{refs,dataset}' = %s
    AND (%s::timestamptz IS NULL OR recorded_at >= %s) AND (%s::timestamptz IS NULL OR recorded_at < %s)
ORDER BY seq
"""


def accounting(
    connection: Connection[Any], dataset: str, *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """Each disclosure of the dataset recorded in [since, until), in order."""
    values = (list(OPENED), dataset, since, since, until, until)
    for raw, statements in connection.execute(QUERY, values).fetchall():
        yield _disclosure(json.loads(bytes(raw)), int(statements))


def _disclosure(entry: Mapping[str, Any], statements: int) -> dict[str, Any]:
    refs, detail = entry["refs"], entry["detail"]
    columns = detail.get("columns")
    return {
        "entry": entry["seq"],
        "date": entry["recorded_at"],
        "recipient": refs.get("holder") or entry["actor"]["id"],
        "recipient_kind": entry["actor"]["kind"],
        "dataset": refs["dataset"],
        "what": dict(columns) if isinstance(columns, dict) else {},
        "why": refs.get("purpose", ""),
        "under": {name: refs[name] for name in ("grant_id", "break_glass_id", "promotion_id", "decision_id") if refs.get(name)},
        "lease": entry["object"]["id"] if entry["object"]["type"] == "lease" else "",
        "statements": statements,
    }
