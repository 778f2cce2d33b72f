"""Stages beside the champion: a challenger that answers a share of the requests, and a shadow that answers none.

Each is put there by a decision of policy, over exactly the bytes that were approved, under a signature that names the stage: a
statement for a shadow makes no champion. Both hear the champion's requests, so they take what it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.attestations import Signer, sign_statement
from compliance.canonical import canonical_json, digest
from compliance.entries import Actor
from promotion import requests
from promotion.deployments import require_allowed, require_deployer, statement
from promotion.errors import NotComparable, NotDeployed, WrongState
from promotion.model_contracts import load_model_contract
from promotion.requests import Promotion
from promotion.states import State
from promotion.steps import Decide
from promotion.store import ModelStore

FROM = (State.APPROVED, State.SUPERSEDED)
NEWEST = (
    "SELECT DISTINCT ON (project, name, stage) project, name, stage, request, digest, share, set_by, set_at, envelope"
    " FROM promotion.stages ORDER BY project, name, stage, id DESC"
)
COMPARED = (
    "SELECT digest, sum(rows)::bigint, sum(positives)::bigint FROM promotion.predictions WHERE project = %s AND name = %s"
    " GROUP BY digest"
)


class Stage(StrEnum):
    """Where a model may stand beside the champion."""

    CHALLENGER = "challenger"
    SHADOW = "shadow"


def place(
    connection: Connection[Any], promotion: str, stage: Stage, *, share: int, store: ModelStore, by: Actor,
    subject: Mapping[str, Any], signer: Signer, decide: Decide, now: datetime,
) -> dict[str, Any]:  # fmt: skip
    """The promotion stands in that stage in the database; the envelope is to be given to the store once this is committed.

    `share`: of a hundred requests, how many a challenger answers. Raises WrongState, NotDeployed, NotComparable,
    DeploymentRefused, Tampered.
    """
    found = requests.get(connection, promotion, lock=True)
    require_deployer(found, subject, decide, now)
    if found.state not in FROM:
        raise WrongState(f"A promotion that is {found.state} cannot stand beside the champion.")
    _require_comparable(connection, found)
    decision = require_allowed(connection, found, store=store, subject=subject, decide=decide, now=now)
    share = share if stage is Stage.CHALLENGER else 0
    said = {"stage": str(stage), "share": share}
    envelope = sign_statement(statement(connection, found, decision, by, now, extra=said), signer)
    connection.execute(
        "INSERT INTO promotion.stages (project, name, stage, request, digest, share, set_by, set_at, decision_id, envelope)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (found.project, found.name, stage, found.id, found.digest, share, by.id, now, decision.decision_id, Jsonb(envelope)),
    )
    requests.record(
        connection, found, "model:staged", "done", by, now, refs={"decision_id": decision.decision_id},
        detail={**said, "version": found.version, "envelope": digest(canonical_json(envelope))},
    )  # fmt: skip
    return envelope


def withdraw(connection: Connection[Any], project: str, name: str, stage: Stage, *, by: Actor, now: datetime) -> None:
    """Nobody stands in that stage any more, in the database; then it is the store's turn. Raises NotDeployed."""
    for one in standing(connection, project, name):
        if one["stage"] == stage:
            _end(connection, one, by, now)
            return
    raise NotDeployed(f"No {stage} stands beside {project}/{name}.")


def leave(connection: Connection[Any], promotion: Promotion, *, by: Actor, now: datetime) -> list[Stage]:
    """The stages in which that promotion stood: it has become the champion, and stands in none."""
    left = [one for one in standing(connection, promotion.project, promotion.name) if one["promotion"] == promotion.id]
    for one in left:
        _end(connection, one, by, now)
    return [Stage(one["stage"]) for one in left]


def standing(connection: Connection[Any], project: str, name: str) -> list[dict[str, Any]]:
    """Who stands beside the champion of that name."""
    return [one for one in every(connection) if (one["project"], one["name"]) == (project, name)]


def every(connection: Connection[Any]) -> list[dict[str, Any]]:
    """Who stands beside any champion, for the store to agree with."""
    names = ("project", "name", "stage", "promotion", "digest", "share", "set_by", "set_at", "envelope")
    rows = connection.execute(NEWEST).fetchall()
    return [dict(zip(names, row, strict=True)) for row in rows if row[-1] is not None]


def compared(connection: Connection[Any], project: str, name: str) -> list[dict[str, Any]]:
    """Who stands beside the champion, each with the rows it was asked for and the share it found positive."""
    rows = connection.execute(COMPARED, (project, name)).fetchall()
    found = {
        key: {"rows": count, "positive_rate": round(positive / count, 4) if count else None} for key, count, positive in rows
    }
    nothing = {"rows": 0, "positive_rate": None}
    return [
        {key: one[key] for key in ("stage", "promotion", "digest", "share", "set_by")}
        | {"set_at": one["set_at"].isoformat(), **found.get(one["digest"], nothing)}
        for one in standing(connection, project, name)
    ]


def _end(connection: Connection[Any], one: Mapping[str, Any], by: Actor, now: datetime) -> None:
    connection.execute(
        "INSERT INTO promotion.stages (project, name, stage, request, digest, share, set_by, set_at, decision_id)"
        " VALUES (%s, %s, %s, %s, %s, 0, %s, %s, '')",
        (one["project"], one["name"], one["stage"], one["promotion"], one["digest"], by.id, now),
    )
    found = requests.get(connection, one["promotion"])
    requests.record(connection, found, "model:unstaged", "done", by, now, detail={"stage": one["stage"]})


def _require_comparable(connection: Connection[Any], found: Promotion) -> None:
    row = connection.execute(
        "SELECT contract FROM promotion.requests WHERE project = %s AND name = %s AND state = %s",
        (found.project, found.name, State.DEPLOYED),
    ).fetchone()
    if row is None:
        raise NotDeployed(f"No champion {found.project}/{found.name} is deployed, beside which this model could stand.")
    theirs, ours = ({(c.name, c.type) for c in load_model_contract(text).inputs} for text in (str(row[0]), found.contract))
    if theirs != ours:
        raise NotComparable("The model's inputs are not the champion's, so it cannot hear the same requests.")
