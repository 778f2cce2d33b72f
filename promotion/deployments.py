"""Deployment: policy is asked again, the statement is signed, the store points at exactly the approved bytes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.attestations import Signer, Statement, Subject, said, sign_statement
from compliance.canonical import canonical_json, digest
from compliance.entries import Actor
from policies.decisions import Decision
from promotion import requests, steps, waivers
from promotion.approvals import question
from promotion.drift import is_profile
from promotion.errors import DeploymentRefused, NotDeployed, Tampered, WrongState
from promotion.model_contracts import load_model_contract
from promotion.requests import Promotion
from promotion.states import State
from promotion.steps import Decide
from promotion.store import PREDICATE_TYPE, ModelStore
from promotion.tree import tree_digest


def deploy(
    connection: Connection[Any], promotion: str, *, store: ModelStore, by: Actor, subject: Mapping[str, Any], signer: Signer,
    decide: Decide, now: datetime,
) -> tuple[Promotion, dict[str, Any]]:  # fmt: skip
    """The promotion is deployed in the database; the envelope is to be given to the store once this is committed.

    Raises DeploymentRefused when policy denies, Tampered when the store's bytes are not the approved ones.
    """
    found = requests.get(connection, promotion, lock=True)
    require_deployer(found, subject, decide, now)
    if State.DEPLOYED not in _next(found):
        raise WrongState(f"A promotion that is {found.state} cannot be deployed.")
    decision = require_allowed(connection, found, store=store, subject=subject, decide=decide, now=now)
    envelope = sign_statement(statement(connection, found, decision, by, now), signer)
    _supersede(connection, found, by, now)
    connection.execute(
        "INSERT INTO promotion.deployments (project, name, request, digest, deployed_by, deployed_at, decision_id, envelope)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        (found.project, found.name, found.id, found.digest, by.id, now, decision.decision_id, Jsonb(envelope)),
    )
    refs = {"decision_id": decision.decision_id}
    detail = {"envelope": digest(canonical_json(envelope)), "version": found.version}
    moved = requests.move(connection, promotion, State.DEPLOYED, actor=by, now=now, refs=refs, detail=detail)
    return moved, envelope


def require_deployer(found: Promotion, subject: Mapping[str, Any], decide: Decide, now: datetime) -> None:
    """Policy lets this subject put models like this one into production. Raises DeploymentRefused."""
    decision = decide(steps.question(found, "deploy", subject, now))
    if not decision.allow:
        raise DeploymentRefused("Policy does not let you deploy this model.", decision.reasons, decision.decision_id)


def require_allowed(
    connection: Connection[Any], found: Promotion, *, store: ModelStore, subject: Mapping[str, Any], decide: Decide, now: datetime
) -> Decision:
    """Policy's yes to putting the promotion into production now, and the store holds exactly its bytes.

    Raises DeploymentRefused, Tampered.
    """
    decision = decide(question(connection, found, subject, now))
    if not decision.allow:
        raise DeploymentRefused("Policy does not allow this deployment.", decision.reasons, decision.decision_id)
    folder = store.folder(found.digest)
    if not folder.is_dir() or tree_digest(folder) != found.digest:
        raise Tampered("The bytes in the store are not those that were approved.")
    return decision


def earlier(
    connection: Connection[Any], project: str, name: str, *, digest: str | None = None, version: int | None = None
) -> str:
    """The promotion by which that digest, or that version, was deployed before. Raises NotDeployed."""
    row = connection.execute(
        "SELECT d.request FROM promotion.deployments d JOIN promotion.requests r ON r.id = d.request"
        " WHERE d.project = %s AND d.name = %s AND (d.digest = %s OR r.version = %s) ORDER BY d.id DESC LIMIT 1",
        (project, name, digest, version),
    ).fetchone()
    if row is None:
        raise NotDeployed("That was never deployed under this name.")
    return str(row[0])


def history(connection: Connection[Any], project: str, name: str) -> list[dict[str, Any]]:
    """What was in production under that name, newest first."""
    rows = connection.execute(
        "SELECT d.digest, r.version, d.deployed_by, d.deployed_at, d.request FROM promotion.deployments d"
        " JOIN promotion.requests r ON r.id = d.request WHERE d.project = %s AND d.name = %s ORDER BY d.id DESC",
        (project, name),
    ).fetchall()
    return [
        {"digest": value, "version": version, "deployed_by": by, "deployed_at": at.isoformat(), "promotion": request}
        for value, version, by, at, request in rows
    ]


def current(connection: Connection[Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """(project, name, envelope) of what the database says is in production, for the store to agree with."""
    rows = connection.execute(
        "SELECT DISTINCT ON (project, name) project, name, envelope FROM promotion.deployments ORDER BY project, name, id DESC"
    ).fetchall()
    return [(project, name, envelope) for project, name, envelope in rows]


def _training(envelopes: Mapping[str, Any], promotion: Promotion) -> dict[str, Any]:
    """What the model was trained on, in counts, for the server and the watcher of a model whose contract asks for drift."""
    contract = load_model_contract(promotion.contract)
    if not contract.watches_drift or "check/performance" not in envelopes:
        return {}
    training = (said(envelopes["check/performance"]).get("evidence") or {}).get("training")
    return {"training": training} if is_profile(training, contract) else {}


def _next(promotion: Promotion) -> tuple[State, ...]:
    from promotion.states import TRANSITIONS

    return TRANSITIONS[promotion.state]


def _supersede(connection: Connection[Any], promotion: Promotion, by: Actor, now: datetime) -> None:
    rows = connection.execute(
        "SELECT id FROM promotion.requests WHERE project = %s AND name = %s AND state = %s FOR UPDATE",
        (promotion.project, promotion.name, State.DEPLOYED),
    ).fetchall()
    for (other,) in rows:
        requests.move(connection, other, State.SUPERSEDED, actor=by, now=now, refs={"by": promotion.id})


def statement(
    connection: Connection[Any], promotion: Promotion, decision: Decision, by: Actor, now: datetime, *,
    extra: Mapping[str, Any] | None = None,
) -> Statement:  # fmt: skip
    """What is signed of a deployment: everything that was approved, by digest. `extra` is said of it besides."""
    rows = connection.execute(
        "SELECT 'approval/' || by, envelope FROM promotion.approvals WHERE request = %s UNION ALL"
        " SELECT 'check/' || name, envelope FROM promotion.checks WHERE request = %s ORDER BY 1",
        (promotion.id, promotion.id),
    ).fetchall()
    subjects = (
        Subject("model", promotion.digest),
        Subject("contract", promotion.contract_digest),
        *(Subject(name, digest(canonical_json(envelope))) for name, envelope in rows),
        *(Subject(f"waiver/{name}", value) for name, value in sorted(waivers.standing(connection, promotion, now).items())),
        Subject("policies", decision.policy_digest),
    )
    predicate = {
        "model": f"{promotion.project}/{promotion.name}",
        "version": promotion.version,
        "promotion": promotion.id,
        "run_id": promotion.run_id or "",
        "contract": promotion.contract,
        "deployed_by": by.id,
        "deployed_at": int(now.timestamp()),
        "decision_id": decision.decision_id,
        **_training(dict(rows), promotion),
        **(extra or {}),
    }
    return Statement(subjects, PREDICATE_TYPE, predicate)
