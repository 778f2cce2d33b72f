"""What waits for somebody, what they have, and what went wrong, read from the tables the API reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from compliance.paging import every_page
from gateway.access import break_glass as emergencies
from gateway.access import requests as access
from gateway.access.break_glass import BreakGlass
from gateway.airlock import requests as egress
from gateway.airlock import votes
from gateway.airlock.requests import Egress
from gateway.catalog import reviews, snapshots
from gateway.catalog.findings import Raised, standing
from gateway.catalog.reviews import Campaign
from gateway.composition import Services
from gateway.identity import Subject
from gateway.reviewing import STEWARD
from gateway.web.offers import offers, signing_roles
from policies.explain import sentence
from promotion import requests as promotions
from promotion.states import State
from sandbox.airlock.states import State as Leaving

LOOK_BACK = timedelta(days=7)
MOST = 100


@dataclass(frozen=True, slots=True)
class Item:
    """One line on the home page: what it is, what is said of it, since when, and where it leads."""

    title: str
    said: str
    at: datetime
    link: str


def waits(given: Services, asking: Subject) -> list[Item]:
    """What the holder of these roles is to do next, oldest first."""
    data = given.policy.engine.bundle.data
    can = offers(asking, data)
    with given.pool.connection() as connection:
        asked = access.every(connection, asking.projects)
        models = promotions.every(connection, asking.projects)
        signed = {one.id for one in models if any(a["by"] == asking.id for a in promotions.approvals(connection, one.id))}
        used = emergencies.every(connection, asking.projects)
        leaving = egress.every(connection, asking.projects)
        asked_of = reviews.every(connection)
        voted = votes.voters(connection, [one.id for one in leaving])
        raised = standing(connection) if "audit" in can else []
    found = [
        *_found(raised),
        *_access(asked, asking, can, given.clock()),
        *_reviews(used, asking, can),
        *_held(asked_of, asking),
        *_egress(leaving, voted, asking, can),
    ]
    for one in models:
        name = f"{one.name} version {one.version}"
        roles = signing_roles(asking, data, one.tier)
        if one.state is State.AWAITING_APPROVAL and roles and one.author != asking.id and one.id not in signed:
            said = f"Its checks passed; a signature as {' or '.join(roles)} is asked for."
            found.append(Item(name, said, one.submitted_at, f"/web/promotions/{one.id}"))
        if one.state is State.APPROVED and "deploy" in can:
            found.append(Item(name, "It is approved and can be deployed.", one.submitted_at, f"/web/promotions/{one.id}"))
    return sorted(found, key=lambda item: item.at)[:MOST]


def _access(asked: list[access.AccessRequest], asking: Subject, can: frozenset[str], now: datetime) -> Iterator[Item]:
    for one in asked:
        link, approved = f"/web/access/{one.id}", any(a["by"] == asking.id for a in one.approvals)
        if one.state == "pending" and "decide" in can and one.subject != asking.id and not approved:
            yield Item(f"{one.subject} asks for {one.dataset}", f"For {one.purpose}, {one.hours:g} h.", one.created_at, link)
        if one.state == "granted" and one.subject == asking.id and one.expires and one.expires > now:
            yield Item(f"Your access to {one.dataset} is granted", "You can open a lease on it.", one.created_at, link)


def _found(raised: list[Raised]) -> Iterator[Item]:
    if raised:
        overdue = sum(one.escalated_at is not None for one in raised)
        said = f"{len(raised)} stand, {overdue} of them overdue; `sallyport audit findings` lists them with their entries."
        yield Item("Findings of the continuous checks", said, raised[0].raised_at, "/web/audit?type=finding%3Araised")


def _held(campaigns: list[Campaign], asking: Subject) -> Iterator[Item]:
    for one in campaigns:
        mine = [item for item in one.items if item.project in asking.projects and item.holder != asking.id and not item.answer]
        if mine and not one.closed_at and STEWARD in asking.roles:
            said = f"{len(mine)} questions of an access review wait for an answer."
            yield Item("Who is to keep which access", said, one.started_at, "/web/access-reviews")


def _reviews(used: list[BreakGlass], asking: Subject, can: frozenset[str]) -> Iterator[Item]:
    for one in used:
        if one.outcome is None and "decide" in can and one.subject != asking.id:
            yield Item(f"{one.subject} broke the glass on {one.dataset}", "A review is due.", one.at, "/web/leases#glass")


def _egress(leaving: list[Egress], voted: Mapping[str, frozenset[str]], asking: Subject, can: frozenset[str]) -> Iterator[Item]:
    for one in leaving:
        link = f"/web/egress/{one.id}"
        if one.state is Leaving.IN_REVIEW and "review" in can and one.author != asking.id and asking.id not in voted[one.id]:
            yield Item(f"{one.author} asks files out of {one.project}", "Your review is asked for.", one.submitted_at, link)
        if one.state is Leaving.APPROVED and one.author == asking.id:
            yield Item(f"Your files may leave {one.project}", "Both reviews passed; release them.", one.changed_at, link)


def wrong(given: Services, asking: Subject) -> list[Item]:
    """What was denied, refused or failed lately in what concerns this person, newest first."""
    since = given.clock() - LOOK_BACK
    with given.pool.connection() as connection:
        denied = connection.execute(
            "SELECT decision_id, decided_at, action, reasons FROM catalog.decisions WHERE subject = %s AND NOT allow"
            " AND decided_at > %s ORDER BY decided_at DESC LIMIT %s", (asking.id, since, MOST),
        ).fetchall()  # fmt: skip
        built = snapshots.every(connection, projects=asking.projects)
        models = promotions.every(connection, asking.projects)
        asked = access.every(connection, asking.projects)
        leaving = egress.every(connection, asking.projects)
    found = [Item(f"Denied: {action}", " ".join(map(sentence, reasons)), at, "") for _, at, action, reasons in denied]
    found += [
        Item(f"Snapshot of {one.dataset} {one.state}", one.detail or "", one.finished_at, f"/web/datasets/{one.dataset}")
        for one in built if one.state in ("refused", "failed") and one.finished_at and one.finished_at > since
    ]  # fmt: skip
    found += [
        Item(
            f"{one.name} version {one.version} {one.state}", "Its dossier says why.", one.submitted_at,
            f"/web/promotions/{one.id}",
        )
        for one in models if one.state in (State.REFUSED, State.REJECTED) and one.submitted_at > since
    ]  # fmt: skip
    found += [
        Item(f"Access to {one.dataset} rejected", f"Asked for {one.purpose}.", one.created_at, f"/web/access/{one.id}")
        for one in asked if one.state == "rejected" and one.subject == asking.id and one.created_at > since
    ]  # fmt: skip
    found += [
        Item(f"Files out of {one.project} returned", "Its page says what was found.", one.changed_at, f"/web/egress/{one.id}")
        for one in leaving if one.state is Leaving.RETURNED and one.author == asking.id and one.changed_at > since
    ]  # fmt: skip
    return sorted(found, key=lambda item: item.at, reverse=True)[:MOST]


def has(given: Services, asking: Subject) -> dict[str, Any]:
    """The grants and leases that this person holds now."""
    now = given.clock()
    with given.pool.connection() as connection:
        asked = access.every(connection, asking.projects)
    grants = [one for one in asked if one.subject == asking.id and one.state == "granted" and one.expires and one.expires > now]
    return {"grants": grants, "leases": [one for one in running(given, asking) if one["subject"] == asking.id]}


def running(given: Services, asking: Subject) -> list[dict[str, Any]]:
    """The leases that are open now in this person's projects."""
    now = given.clock()
    found = every_page(lambda page: given.access.leases(asking.projects, page), "opened_at")
    return [one.as_json() for one in found if one.expires > now]
