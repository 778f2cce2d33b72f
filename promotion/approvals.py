"""Approvals: signatures over the digests of everything approved; quorum and separation of duties are policy's to judge."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.attestations import Signer, Statement, Subject, sign_statement
from compliance.canonical import canonical_json, digest
from compliance.entries import Actor
from policies.decisions import Decision
from promotion import requests, steps, waivers
from promotion.errors import ApprovalRefused, WrongState
from promotion.requests import Promotion
from promotion.states import State
from promotion.steps import Decide

PREDICATE_TYPE = "urn:sallyport:approval:v1"
DIES_WITH_APPROVAL = "approvals_missing"
# In production or out of it again, people sign anew when their approvals have grown old: without that, no rollback.
TAKES_APPROVALS = (State.AWAITING_APPROVAL, State.APPROVED, State.DEPLOYED, State.SUPERSEDED)


def question(
    connection: Connection[Any], promotion: Promotion, subject: Mapping[str, Any], now: datetime, *,
    extra: tuple[Mapping[str, Any], ...] = (),
) -> dict[str, Any]:  # fmt: skip
    """What policy is asked about a promotion (POLICY.md, `promote`), with `extra` approvals as if they were given."""
    made, seen = waivers.judged(connection, promotion, now)
    checks = [{key: check[key] for key in ("name", "outcome", "digest")} for check in made]
    findings = [{key: found[key] for key in ("id", "severity", "open")} for found in seen]
    return {
        "subject": dict(subject),
        "action": "promote",
        "resource": {
            **steps.resource(promotion), "checks": checks, "findings": findings,
            "approvals": [*requests.approvals(connection, promotion.id), *map(dict, extra)],
        },
        "context": {"now": int(now.timestamp())},
    }  # fmt: skip


def approve(
    connection: Connection[Any], promotion: str, *, by: Actor, subject: Mapping[str, Any], role: str, meaning: str,
    signer: Signer, decide: Decide, now: datetime,
) -> Promotion:  # fmt: skip
    """The approval is signed and stored, and the promotion approved once policy misses nothing more.

    Raises ApprovalRefused for the author's own approval, a role not held, or anything but missing approvals in the way.
    """
    found = requests.get(connection, promotion, lock=True)
    if found.state not in TAKES_APPROVALS:
        raise WrongState(f"A promotion that is {found.state} takes no approval.")
    if role not in by.roles:
        raise ApprovalRefused("You do not hold the role you want to sign in.", ("role_not_permitted",), "")
    approval = {"by": by.id, "role": role, "digest": found.digest, "at": int(now.timestamp()), "meaning": meaning}
    decision = decide(question(connection, found, subject, now, extra=(approval,)))
    if not decision.allow and decision.reasons != (DIES_WITH_APPROVAL,):
        raise ApprovalRefused("Policy does not take this approval.", decision.reasons, decision.decision_id)
    envelope = sign_statement(_statement(connection, found, approval, decision, now), signer)
    connection.execute(
        "INSERT INTO promotion.former_approvals SELECT request, envelope FROM promotion.approvals WHERE request = %s AND by = %s",
        (promotion, by.id),
    )
    connection.execute(
        "INSERT INTO promotion.approvals VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (request, by) DO UPDATE"
        " SET role = excluded.role, digest = excluded.digest, at = excluded.at, meaning = excluded.meaning,"
        " envelope = excluded.envelope",
        (promotion, by.id, role, found.digest, now, meaning, Jsonb(envelope)),
    )
    requests.record(
        connection, found, "approval:signed", "done", by, now, refs={"decision_id": decision.decision_id},
        detail={"role": role, "meaning": meaning[:200], "envelope": digest(canonical_json(envelope))},
    )  # fmt: skip
    if decision.allow and found.state is State.AWAITING_APPROVAL:
        return requests.move(connection, promotion, State.APPROVED, actor=by, now=now, refs={"decision_id": decision.decision_id})
    return found


def record_refusal(connection: Connection[Any], promotion: str, refused: ApprovalRefused, *, by: Actor, now: datetime) -> None:
    """A refused approval or deployment is in the ledger with policy's reasons."""
    found = requests.get(connection, promotion)
    event = "approval:refused" if type(refused) is ApprovalRefused else "deployment:refused"
    refs = {"decision_id": refused.decision_id} if refused.decision_id else {}
    requests.record(connection, found, event, "refused", by, now, refs=refs, reasons=refused.reasons)


def _statement(
    connection: Connection[Any], promotion: Promotion, approval: Mapping[str, Any], decision: Decision, now: datetime
) -> Statement:
    """What is signed (21 CFR 11.50: name, time, meaning), over the digests of everything it rests on."""
    rows = connection.execute(
        "SELECT name, envelope FROM promotion.checks WHERE request = %s ORDER BY name", (promotion.id,)
    ).fetchall()
    subjects = (
        Subject("model", promotion.digest),
        Subject("contract", promotion.contract_digest),
        *(Subject(f"check/{name}", digest(canonical_json(envelope))) for name, envelope in rows),
        *(Subject(f"waiver/{name}", value) for name, value in sorted(waivers.standing(connection, promotion, now).items())),
        Subject("policies", decision.policy_digest),
    )
    return Statement(subjects, PREDICATE_TYPE, dict(approval) | {"promotion": promotion.id, "decision_id": decision.decision_id})
