"""Accounting of disclosures (45 CFR 164.528): for each opening of a dataset's live rows when, to whom, what, why, under what.

The ledger holds no value of live data, so it cannot say whose rows were read: an opening is a disclosure of everybody whose
rows stood in the tables it named, unless its row filters say otherwise. Of one person an accounting is a list of `Line`s.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from psycopg import Connection

from compliance.ledger import integrate

NOTE = (
    "The ledger holds no value of live data, so it cannot tell whose rows were read: each line is a disclosure of everybody whose"
    " rows stood in the dataset then. Disclosures outside Sallyport are not in it."
)
OPENED = ("lease:opened", "lease:opened-in-emergency", "lease:opened-for-service")
NOTE_OF_PERSON = (
    "`yes` means that the person was found there by their pseudonym; `could have` that nobody can tell: the ledger holds no"
    " value of live data, predictions keep their inputs as a hash, and outputs are of groups. What is said of rows and row"
    " filters is of the day of this accounting. Disclosures outside Sallyport are not in it."
)
LINE_COLUMNS = ("kind", "date", "until", "recipient", "recipient_kind", "what", "why", "under", "held", "basis", "entry")
READS = """
SELECT canonical FROM ledger.entries WHERE type = 'check:live-read'
    AND convert_from(canonical, 'UTF8')::jsonb #>> '{refs,dataset}' = %s
    AND (%s::timestamptz IS NULL OR recorded_at >= %s) AND (%s::timestamptz IS NULL OR recorded_at < %s)
ORDER BY seq
"""
RELEASED = """
SELECT canonical FROM ledger.entries WHERE type = 'egress:released' AND project = %s
    AND (%s::timestamptz IS NULL OR recorded_at >= %s) AND (%s::timestamptz IS NULL OR recorded_at < %s)
ORDER BY seq
"""
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


@dataclass(frozen=True, slots=True)
class Line:
    """One way in which a person's data went, or could have gone, to a recipient; `held` is "yes" or "could have"."""

    kind: str  # live-access, model-check, snapshot, prediction, released-output
    date: str
    recipient: str
    recipient_kind: str
    what: str
    why: str
    held: str
    basis: str
    until: str = ""
    under: Mapping[str, str] = field(default_factory=dict)
    entry: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {name: value for name in LINE_COLUMNS for value in (asdict(self)[name],)}


def accounting(
    connection: Connection[Any], dataset: str, *, since: datetime | None = None, until: datetime | None = None
) -> Iterator[dict[str, Any]]:
    """Each disclosure of the dataset recorded in [since, until), in order."""
    integrate(connection)
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


def live_reads(
    connection: Connection[Any], dataset: str, since: datetime | None, until: datetime | None, basis: str
) -> Iterator[Line]:
    """Each reading of the dataset's live rows by a check of a model."""
    integrate(connection)
    for (raw,) in connection.execute(READS, (dataset, since, since, until, until)).fetchall():
        entry = json.loads(bytes(raw))
        yield Line(
            "model-check", entry["recorded_at"], entry["actor"]["id"], entry["actor"]["kind"],
            f"live rows of the tables {entry['detail'].get('tables', '')}", f"check {entry['refs'].get('check', '')} of a model",
            "could have", basis, under={"promotion": str(entry["refs"].get("promotion", entry["object"]["id"]))},
            entry=entry["seq"],
        )  # fmt: skip


def released(connection: Connection[Any], project: str, since: datetime | None, until: datetime | None) -> Iterator[Line]:
    """Each release of outputs of the dataset's project."""
    basis = "an output of the project, which two people looked at before it left; whose rows went into it is not on record"
    integrate(connection)
    for (raw,) in connection.execute(RELEASED, (project, since, since, until, until)).fetchall():
        entry = json.loads(bytes(raw))
        yield Line(
            "released-output", entry["recorded_at"], entry["actor"]["id"], entry["actor"]["kind"],
            f"the files of the request {entry['object']['id']}", "release of outputs", "could have", basis,
            under={"egress": entry["object"]["id"]}, entry=entry["seq"],
        )  # fmt: skip
