"""What is kept and what may go: exports, snapshots and prediction logs under their retention class and the holds on them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import Connection

from compliance.retention import Kept, Thing, judge, load_classes
from gateway.catalog import holds
from gateway.composition import Services
from gateway.erasing import remove_files
from gateway.identity import Subject
from policies.decisions import Decision

PREDICTIONS = (
    "SELECT project, name, (at AT TIME ZONE 'UTC')::date, max(at) FROM promotion.predictions GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
)
DELETE_PREDICTIONS = "DELETE FROM promotion.predictions WHERE project = %s AND name = %s AND at >= %s AND at < %s AND at <= %s"
# A snapshot is one by its bytes: several builds of the same bytes are kept as long as the newest of them.
SNAPSHOTS = (
    "SELECT digest, max(finished_at), CASE WHEN count(DISTINCT project) = 1 THEN min(project) END,"
    " CASE WHEN count(DISTINCT dataset) = 1 THEN min(dataset) END FROM catalog.snapshots WHERE state = 'built'"
    " GROUP BY digest ORDER BY 2"
)
# What the models now in production were trained on, which is kept while they are: the lineage checks name it.
IN_USE = (
    "SELECT convert_from(decode(checks.envelope ->> 'payload', 'base64'), 'UTF8') FROM promotion.checks AS checks JOIN ("
    "SELECT DISTINCT ON (project, name) request FROM promotion.deployments ORDER BY project, name, id DESC"
    ") AS standing ON standing.request = checks.request WHERE checks.name = 'lineage'"
)


def kept(given: Services) -> list[Kept]:
    """Everything that has a retention class: until when it is kept, and by which holds."""
    with given.pool.connection() as connection:
        return _kept(given, connection)


def delete_due(given: Services, asking: Subject, decision: Decision) -> list[Kept]:
    """What may go now is gone, each with its ledger entry committed before its files; what went.

    Safe to do again after a crash: files of what is on record as deleted are taken away then.
    """
    now = given.clock()
    with given.pool.connection() as connection:
        connection.execute(holds.ALONE)
        going = [one for one in _kept(given, connection) if one.may_go(now)]
        for one in going:
            rows = _delete_predictions(connection, one) if one.thing.kind == "predictions" else None
            holds.delete(connection, one, actor=asking.actor(), decision_id=decision.decision_id, now=now, rows=rows)
    take_files_away(given)
    return going


def take_files_away(given: Services) -> None:
    """No file is left of what is on record as deleted."""
    with given.pool.connection() as connection:
        exports, snapshots = holds.deleted(connection, "exports"), holds.deleted(connection, "snapshots")
    for name in exports:
        (given.home.folder("exports") / f"{name}.tar").unlink(missing_ok=True)
    for digest in snapshots:
        remove_files(given, digest)


def _kept(given: Services, connection: Connection[Any]) -> list[Kept]:
    """What is kept still; what was deleted is not judged again, unless rows came anew."""
    gone = {kind: holds.deleted(connection, kind) for kind in ("exports", "snapshots")}
    things = [one for one in _things(connection) if one.id not in gone.get(one.kind, ())]
    return judge(things, holds.every(connection), load_classes(given.settings.retention_days))


def _things(connection: Connection[Any]) -> list[Thing]:
    exports = connection.execute(
        "SELECT id, finished_at FROM catalog.exports WHERE state = 'ready' ORDER BY finished_at"
    ).fetchall()
    used = [text for (text,) in connection.execute(IN_USE).fetchall()]
    found = [Thing("exports", name, at) for name, at in exports]
    found += [
        Thing("snapshots", digest, at, project, dataset)
        for digest, at, project, dataset in connection.execute(SNAPSHOTS).fetchall()
        if not any(digest.removeprefix("sha256:") in text for text in used)
    ]
    found += [
        Thing("predictions", f"{project}/{name}/{day.isoformat()}", newest, project)
        for project, name, day, newest in connection.execute(PREDICTIONS).fetchall()
    ]
    return found


def _delete_predictions(connection: Connection[Any], one: Kept) -> int:
    """The day's rows are gone; how many. A row that came since is not among those judged, and stays."""
    project, name, day = one.thing.id.rsplit("/", 2)
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return connection.execute(DELETE_PREDICTIONS, (project, name, start, start + timedelta(days=1), one.thing.since)).rowcount
