"""Waivers and closed findings: signed statements that a failed check is accepted for a time, and findings put to rest.

Policy says who may do either, and of which checks. A waiver counts until it expires, for exactly the bytes it was given for;
while it counts, its check is `waived` and the findings of that check are closed. Afterwards both are as if it had never been.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.attestations import Signer, Statement, Subject, sign_statement
from compliance.canonical import canonical_json, digest
from compliance.entries import Actor
from policies.decisions import Decision
from promotion import requests, steps
from promotion.errors import FindingNotFound, WaiverRefused, WrongState
from promotion.requests import Promotion
from promotion.states import TRANSITIONS
from promotion.steps import Decide

PREDICATE_TYPE = "urn:sallyport:waiver:v1"
LONGEST = timedelta(days=366)


def waive(
    connection: Connection[Any], promotion: str, check: str, *, by: Actor, subject: Mapping[str, Any], why: str, until: datetime,
    signer: Signer, decide: Decide, now: datetime,
) -> Promotion:  # fmt: skip
    """The failed check is waived until then, under a signature. Raises WaiverRefused, WrongState."""
    found = _open(connection, promotion)
    decision = _require_allowed(steps.question(found, "waive", subject, now, check=check), decide)
    role = _role(decision, by)
    if check not in {one["name"] for one in requests.checks(connection, promotion) if one["outcome"] == "failed"}:
        raise WaiverRefused("That check did not fail, so there is nothing to waive.")
    if not now < until <= now + LONGEST:
        raise WaiverRefused(f"A waiver ends in the future, at most {LONGEST.days} days from now.")
    said = {"check": check, "by": by.id, "role": role, "why": why, "at": int(now.timestamp()), "until": int(until.timestamp())}
    envelope = sign_statement(_statement(connection, found, check, said), signer)
    connection.execute(
        "INSERT INTO promotion.waivers (request, check_name, by, role, digest, why, at, until, envelope)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (found.id, check, by.id, role, found.digest, why, now, until, Jsonb(envelope)),
    )
    requests.record(
        connection, found, "waiver:signed", "done", by, now, refs={"check": check, "decision_id": decision.decision_id},
        detail={"role": role, "why": why[:200], "until": until.isoformat(), "envelope": digest(canonical_json(envelope))},
    )  # fmt: skip
    return found


def close_finding(
    connection: Connection[Any], promotion: str, finding: str, *, by: Actor, subject: Mapping[str, Any], why: str,
    decide: Decide, now: datetime,
) -> Promotion:  # fmt: skip
    """The finding is closed, by whom and why. Raises WaiverRefused, FindingNotFound, WrongState."""
    found = _open(connection, promotion)
    decision = _require_allowed(steps.question(found, "close", subject, now), decide)
    role = _role(decision, by)
    row = connection.execute(
        "UPDATE promotion.findings SET open = false, closed_by = %s, closed_at = %s, closed_why = %s"
        " WHERE request = %s AND id = %s AND open RETURNING severity",
        (by.id, now, why, promotion, finding),
    ).fetchone()
    if row is None:
        raise FindingNotFound("The promotion has no open finding of that id.")
    detail = {"finding": finding[:100], "severity": row[0], "why": why[:200], "role": role}
    refs = {"decision_id": decision.decision_id}
    requests.record(connection, found, "finding:closed", "done", by, now, refs=refs, detail=detail)
    return found


def record_refusal(connection: Connection[Any], promotion: str, refused: WaiverRefused, *, by: Actor, now: datetime) -> None:
    """A refused waiver, or closing of a finding, is in the ledger."""
    found = requests.get(connection, promotion)
    refs = {"decision_id": refused.decision_id} if refused.decision_id else {}
    requests.record(connection, found, "waiver:refused", "refused", by, now, refs=refs, reasons=refused.reasons)


def waivers(connection: Connection[Any], promotion: str) -> list[dict[str, Any]]:
    """Every waiver there ever was of the promotion, oldest first; times in seconds since the epoch."""
    rows = connection.execute(
        "SELECT check_name, by, role, digest, why, floor(extract(epoch FROM at))::bigint,"
        " floor(extract(epoch FROM until))::bigint FROM promotion.waivers WHERE request = %s ORDER BY id",
        (promotion,),
    ).fetchall()
    names = ("check", "by", "role", "digest", "why", "at", "until")
    return [dict(zip(names, row, strict=True)) for row in rows]


def standing(connection: Connection[Any], promotion: Promotion, now: datetime) -> dict[str, str]:
    """check -> digest of the newest waiver's envelope, of those that count now."""
    rows = connection.execute(
        "SELECT check_name, envelope FROM promotion.waivers WHERE request = %s AND digest = %s AND at <= %s AND until > %s"
        " ORDER BY id",
        (promotion.id, promotion.digest, now, now),
    ).fetchall()
    return {check: digest(canonical_json(envelope)) for check, envelope in rows}


def judged(connection: Connection[Any], promotion: Promotion, now: datetime) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The promotion's checks and findings as they count now: failed checks under a waiver are `waived`, their findings closed."""
    waived = standing(connection, promotion, now)
    checks = [
        one | {"outcome": "waived" if one["outcome"] == "failed" and one["name"] in waived else one["outcome"]}
        for one in requests.checks(connection, promotion.id)
    ]
    findings = [one | {"open": one["open"] and one["check"] not in waived} for one in requests.findings(connection, promotion.id)]
    return checks, findings


def _open(connection: Connection[Any], promotion: str) -> Promotion:
    found = requests.get(connection, promotion, lock=True)
    if not TRANSITIONS[found.state]:
        raise WrongState(f"A promotion that is {found.state} is over; submit the model anew.")
    return found


def _require_allowed(asked: Mapping[str, Any], decide: Decide) -> Decision:
    """Policy's yes, with the roles that permit it."""
    decision = decide(asked)
    if not decision.allow:
        raise WaiverRefused("Policy does not let you do this.", decision.reasons, decision.decision_id)
    return decision


def _role(decision: Decision, by: Actor) -> str:
    """The role in which `by` acts: the first that permits it, where policy says which do."""
    return str(next(iter(decision.obligations.get("roles") or by.roles), ""))


def _statement(connection: Connection[Any], promotion: Promotion, check: str, said: dict[str, Any]) -> Statement:
    row = connection.execute(
        "SELECT envelope FROM promotion.checks WHERE request = %s AND name = %s", (promotion.id, check)
    ).fetchone()
    subjects = (
        Subject("model", promotion.digest),
        Subject("contract", promotion.contract_digest),
        Subject(f"check/{check}", digest(canonical_json(row[0] if row else {}))),
    )
    return Statement(subjects, PREDICATE_TYPE, said | {"promotion": promotion.id})
