"""What the database says is in production is what the store says, whatever went wrong between the two.

The database is first: a deployment is committed with its ledger entry, and then told to the store. A crash or a full volume in
between leaves the store behind; whoever calls `publish` next brings it up.
"""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from promotion import deployments, stages
from promotion.store import CHAMPION, ModelStore

ALONE = "SELECT pg_advisory_xact_lock(1511069962)"


def publish(connection: Connection[Any], store: ModelStore) -> int:
    """Each statement in the store is the one that the database holds, and no other stands there; how many changed.

    Under a lock until the caller's transaction ends, so that nobody puts back what another just replaced.

    Raises StoreUnavailable.
    """
    connection.execute(ALONE)
    wanted = {(project, name, CHAMPION): envelope for project, name, envelope in deployments.current(connection)}
    wanted |= {(one["project"], one["name"], str(one["stage"])): one["envelope"] for one in stages.every(connection)}
    changed = 0
    for (project, name, stage), envelope in wanted.items():
        if store.statement(project, name, stage=stage) != envelope:
            store.deploy(project, name, envelope, stage=stage)
            changed += 1
    for project, name, stage in store.statements():
        if stage != CHAMPION and (project, name, stage) not in wanted:
            store.withdraw(project, name, stage=stage)
            changed += 1
    return changed
