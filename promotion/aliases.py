"""MLflow's alias `champion`: it follows what is in production, and is moved by this service alone.

Nothing here trusts the alias: production is what was signed. It is kept right for whoever looks there, and a change that somebody
else made is a finding and in the ledger before it is put back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import uuid4

from psycopg import Connection

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append

ALIAS = "champion"
KEEPER = Actor("alias-keeper", "service")
ALONE = "SELECT pg_try_advisory_xact_lock(1511069961)"
# What is in production and came from a tracked run, with the alias as we set it last.
STANDING = (
    "SELECT d.project, d.name, d.digest, d.request, r.run_id, a.version, a.digest, coalesce(a.done, false) FROM ("
    " SELECT DISTINCT ON (project, name) * FROM promotion.deployments ORDER BY project, name, id DESC) AS d"
    " JOIN promotion.requests r ON r.id = d.request LEFT JOIN promotion.aliases a ON a.project = d.project AND a.name = d.name"
    " WHERE coalesce(r.run_id, '') <> '' ORDER BY 1, 2"
)
SET = (
    "INSERT INTO promotion.aliases VALUES (%s, %s, %s, %s, %s, false) ON CONFLICT (project, name)"
    " DO UPDATE SET version = excluded.version, digest = excluded.digest, set_at = excluded.set_at, done = false"
)
FINDING = (
    "INSERT INTO promotion.findings (request, id, severity, detail, open, check_name, owner)"
    " SELECT id, %s, 'medium', %s, true, 'monitoring', author FROM promotion.requests WHERE id = %s"
)


class Registry(Protocol):
    """A project's part of MLflow's model registry."""

    def register(self, name: str, run_id: str, digest: str) -> str:
        """The number of a registered version that stands for these bytes."""

    def alias(self, name: str, alias: str) -> str | None:
        """The version that the alias names; None where it names none."""

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """The alias names that version."""


@dataclass(frozen=True, slots=True)
class Champion:
    """A model in production, and the alias as it was set for it last."""

    project: str
    name: str
    digest: str
    promotion: str
    run_id: str
    version: str | None
    of: str | None
    done: bool


def standing(connection: Connection[Any]) -> list[Champion]:
    """The models in production that MLflow knows."""
    return [Champion(*row) for row in connection.execute(STANDING).fetchall()]


def follow(connection: Connection[Any], one: Champion, registry: Registry, now: datetime) -> bool:
    """The alias names what is in production; whether somebody else had moved it. Each step is committed before the next."""
    if one.version is None or one.of != one.digest:
        version = registry.register(one.name, one.run_id, one.digest)
        connection.execute(SET, (one.project, one.name, version, one.digest, now))
        _record(connection, one, "model:alias-moved", {"version": version}, now)
        connection.commit()
        _put(connection, one, registry, version)
        return False
    if not one.done:  # a service was killed in between
        _put(connection, one, registry, one.version)
        return False
    found = registry.alias(one.name, ALIAS)
    if found == one.version:
        return False
    said = f"Somebody moved MLflow's alias {ALIAS} of this model past the gateway; it was put back."
    connection.execute(FINDING, (f"alias-{uuid4().hex[:8]}", said, one.promotion))
    _record(connection, one, "model:alias-changed", {"version": one.version, "found": found or "none"}, now)
    connection.commit()
    _put(connection, one, registry, one.version)
    return True


def _put(connection: Connection[Any], one: Champion, registry: Registry, version: str) -> None:
    registry.set_alias(one.name, ALIAS, version)
    connection.execute("UPDATE promotion.aliases SET done = true WHERE project = %s AND name = %s", (one.project, one.name))
    connection.commit()


def _record(connection: Connection[Any], one: Champion, event: str, detail: dict[str, str], now: datetime) -> None:
    outcome: Any = "done" if event == "model:alias-moved" else "failed"
    append(connection, Entry(
        type=event, actor=KEEPER, object=ObjectRef("model", f"{one.project}/{one.name}", one.digest), project=one.project,
        outcome=outcome, refs={"promotion": one.promotion}, detail=detail, occurred_at=now,
    ))  # fmt: skip
