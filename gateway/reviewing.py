"""Access reviews carried out: answers by stewards, grants taken back, overdue questions escalated, outcomes attested."""

from __future__ import annotations

from compliance.attestations import Statement, Subject, sign_statement
from compliance.canonical import canonical_json, digest
from compliance.entries import Actor
from gateway.access import leases, requests
from gateway.catalog import reviews
from gateway.catalog.reviews import Campaign, Item
from gateway.composition import Services
from gateway.identity import Subject as Asking
from policies.decisions import Decision

PREDICATE_TYPE = "urn:sallyport:access-review:v1"
STEWARD = "data-steward"


def visible(campaign: Campaign, asking: Asking) -> Campaign:
    """The campaign with the questions a steward of those projects answers."""
    items = tuple(item for item in campaign.items if item.project in asking.projects)
    return Campaign(**{name: getattr(campaign, name) for name in campaign.__slots__} | {"items": items})


def answer(given: Services, asking: Asking, item: str, *, to: str, why: str) -> Item:
    """The answer stands, and a grant that is to end has ended with its leases. Raises Denied, ReviewOver."""
    with given.pool.connection() as connection:
        found = reviews.get_item(connection, item)
    reason = _why_not(found, asking)
    if reason:
        resource = {"type": "access-review", "id": found.id, "project": found.project}
        given.enforcer.refuse(asking, "review", resource, reason=reason, what="answer this question of the access review")
    with given.pool.connection() as connection:
        answered = reviews.answer(connection, found, to=to, why=why, actor=asking.actor(), now=given.clock())
    if to == "revoke":
        carry_out(given, answered, by=asking.actor())
    with given.pool.connection() as connection:
        return reviews.get_item(connection, item)


def carry_out(given: Services, item: Item, *, by: Actor) -> None:
    """The grant is void and no lease stands on it; safe to do again."""
    with given.pool.connection() as connection:
        if requests.get(connection, item.grant_id, lock=True).state == "granted":
            refs = {"campaign": item.campaign}
            requests.move(connection, item.grant_id, "revoked", actor=by, now=given.clock(), refs=refs)
        standing = [row for row in leases.standing(connection) if row.request == item.grant_id]
    for row in standing:
        given.access.end(row.id, by=by, why="grant-revoked")
    with given.pool.connection() as connection:
        reviews.carried_out(connection, item.id)


def follow_up(given: Services) -> None:
    """What a crash left of answers is carried out, and questions nobody answered in time are in the ledger as findings."""
    with given.pool.connection() as connection:
        reviews.note_overdue(connection, given.clock())
        waiting = reviews.to_carry_out(connection)
    for item in waiting:
        carry_out(given, item, by=reviews.SYSTEM)


def close(given: Services, asking: Asking, decision: Decision, campaign: str) -> Campaign:
    """The campaign is over, and a signed statement says who answered what about whom. Raises ReviewOver."""
    with given.pool.connection() as connection:
        found = reviews.get(connection, campaign, lock=True)
        said = {name: value for name, value in found.as_json().items() if name not in ("closed_by", "closed_at")}
        for item in said["items"]:
            item.pop("why")  # free text stays with us
        subject = Subject(f"access-review/{campaign}", digest(canonical_json(said)))
        envelope = sign_statement(Statement((subject,), PREDICATE_TYPE, {"closed_by": asking.id, **said}), given.signer)
        return reviews.close(
            connection, campaign, actor=asking.actor(), decision_id=decision.decision_id, now=given.clock(), envelope=envelope
        )


def _why_not(item: Item, asking: Asking) -> str | None:
    if asking.kind != "person" or STEWARD not in asking.roles:
        return "role_not_permitted"
    if item.project not in asking.projects:
        return "not_in_project"
    return "self_approval" if asking.id == item.holder else None
