"""Entries found by who, what, when and with which outcome."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg import Connection, sql

from compliance.ledger import integrate

COLUMNS = ("type", "actor", "project", "object_type", "object_id", "outcome")


def find(
    connection: Connection[Any], *, after: int, limit: int, since: datetime | None = None, until: datetime | None = None,
    equal: Mapping[str, str] | None = None, text: str | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """At most `limit` entries after sequence number `after`, in order, each with its leaf hash as `hash`.

    `equal` asks for values of COLUMNS; `text` stands anywhere in the entry, such as a decision's or lease's id.
    """
    conditions: list[sql.Composable] = [sql.SQL("seq > %s")]
    values: list[Any] = [after]
    for condition, value in ((sql.SQL("recorded_at >= %s"), since), (sql.SQL("recorded_at < %s"), until)):
        if value is not None:
            conditions.append(condition)
            values.append(value)
    for column, wanted in (equal or {}).items():
        if column not in COLUMNS:
            raise ValueError("Entries are not found by that.")
        conditions.append(sql.SQL("{} = %s").format(sql.Identifier(column)))
        values.append(wanted)
    if text:
        conditions.append(sql.SQL("position(%s in convert_from(canonical, 'UTF8')) > 0"))
        values.append(text)
    query = sql.SQL("SELECT canonical, hash FROM ledger.entries WHERE {} ORDER BY seq LIMIT %s").format(
        sql.SQL(" AND ").join(conditions)
    )
    integrate(connection)
    rows = connection.execute(query, (*values, limit)).fetchall()
    return [json.loads(bytes(raw)) | {"hash": f"sha256:{bytes(leaf).hex()}"} for raw, leaf in rows]
