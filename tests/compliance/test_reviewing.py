"""Access reviews on the real database: asked, answered by the right people, carried out, escalated, attested."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any

import pytest

from compliance.attestations import verify_envelope
from compliance.canonical import canonical_json, digest
from compliance.findings import Watch
from gateway import reviewing
from gateway.access import requests
from gateway.catalog import reviews
from gateway.identity import Subject
from gateway.problems import Denied
from policies.decisions import Decision
from tests.compliance.test_exporting import ALLOWED, CARL, events, services  # noqa: F401 - services is a fixture

NOW = datetime.now(UTC)
SAM = Subject("sam", "person", ("data-steward",), ("readmission",), None, mfa=True)
DANA = Subject("dana", "person", ("data-scientist",), ("readmission",), None, mfa=True)


GRANTS = (
    ("g1", "dana", "readmission", 8), ("g2", "sam", "readmission", 8), ("g3", "fay", "fraud", 8),
    ("g4", "old", "readmission", -1),
)  # fmt: skip


class Enforcer:
    """Refuses as the gateway's does; what it records is tested with the stack."""

    def refuse(self, subject: Any, action: str, resource: Any, *, reason: str, what: str) -> None:
        raise Denied(Decision(False, (reason,), "", ""), what)


class Access:
    """Keeps which leases were ended; the real one is tested with the stack."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    def end(self, lease: str, *, by: Any, why: str) -> None:
        self.ended.append(lease)


@pytest.fixture
def given(services: Any) -> Any:  # noqa: F811
    """Dana, sam and a person of another project hold grants; dana's has an open lease."""
    with services.pool.connection() as connection:
        connection.execute("RESET ROLE")
        connection.execute((resources.files("gateway.access") / "schema.sql").read_text("utf-8"))
        connection.execute("SET ROLE sallyport_app")
        for name, who, project, hours in GRANTS:
            connection.execute(
                "INSERT INTO access.requests VALUES (%s, %s, '{}', 'clinic', %s, '{}', 'debugging', 8, '', 'granted',"
                " %s, %s, %s)",
                (name, who, project, NOW, NOW, NOW + timedelta(hours=hours)),
            )
        connection.execute(
            "INSERT INTO access.leases (id, request, subject, dataset, project, state, decision_id, obligations, opened_at,"
            " expires) VALUES ('l1', 'g1', 'dana', 'clinic', 'readmission', 'open', 'd', '{}', %s, %s)",
            (NOW, NOW + timedelta(hours=1)),
        )
    services.enforcer, services.access, services.clock = Enforcer(), Access(), lambda: NOW
    return services


def start(given: Any, *projects: str) -> reviews.Campaign:
    with given.pool.connection() as connection:
        return reviews.start(
            connection, projects=projects, due_at=NOW + timedelta(days=14), actor=CARL.actor(), decision_id="d1", now=NOW
        )


def question(campaign: reviews.Campaign, holder: str) -> str:
    return next(item.id for item in campaign.items if item.holder == holder)


def state(given: Any, grant: str) -> str:
    with given.pool.connection() as connection:
        return requests.get(connection, grant).state


def test_every_grant_that_stands_is_a_question_with_what_was_done_under_it(given: Any) -> None:
    campaign = start(given)
    assert {item.grant_id for item in campaign.items} == {"g1", "g2", "g3"}
    assert next(item for item in campaign.items if item.grant_id == "g1").facts["leases"] == 1
    assert [kind for kind, _ in events(given)] == ["access-review:started", *["access-review:asked"] * 3]
    assert {item.grant_id for item in start(given, "fraud").items} == {"g3"}


def test_a_steward_sees_the_questions_of_their_own_projects_only(given: Any) -> None:
    assert {item.holder for item in reviewing.visible(start(given), SAM).items} == {"dana", "sam"}


@pytest.mark.parametrize(
    ("who", "holder", "reason"),
    [
        (DANA, "sam", "role_not_permitted"), (SAM, "fay", "not_in_project"), (SAM, "sam", "self_approval"),
        (CARL, "dana", "role_not_permitted"),
        (Subject("bot", "service", ("data-steward",), ("readmission",), None, mfa=True), "dana", "role_not_permitted"),
    ],
)  # fmt: skip
def test_nobody_else_answers_and_nobody_answers_about_themselves(given: Any, who: Subject, holder: str, reason: str) -> None:
    campaign = start(given)
    with pytest.raises(Denied) as refused:
        reviewing.answer(given, who, question(campaign, holder), to="keep", why="w")
    assert refused.value.decision.reasons == (reason,)
    assert not [kind for kind, _ in events(given) if kind == "access-review:answered"]


def test_an_answer_stands_once_and_keep_changes_nothing_else(given: Any) -> None:
    name = question(start(given), "dana")
    assert reviewing.answer(given, SAM, name, to="keep", why="in use").answer == "keep"
    with pytest.raises(reviews.ReviewOver):
        reviewing.answer(given, SAM, name, to="revoke", why="no")
    assert state(given, "g1") == "granted" and given.access.ended == []
    said = events(given)[-1][1]
    assert said["type"] == "access-review:answered" and said["detail"]["meaning"] == "the access is still needed"
    assert "in use" not in str(events(given))


def test_revoke_takes_the_grant_back_and_ends_its_leases(given: Any) -> None:
    item = reviewing.answer(given, SAM, question(start(given), "dana"), to="revoke", why="left the study")
    assert item.carried_out and state(given, "g1") == "revoked" and given.access.ended == ["l1"]
    assert [kind for kind, _ in events(given)][-2:] == ["access-review:answered", "grant:revoked"]
    assert events(given)[-1][1]["refs"]["campaign"] == item.campaign


def test_an_answer_whose_gateway_died_before_the_grant_was_taken_back_is_carried_out_later(
    given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = question(start(given), "dana")
    with monkeypatch.context() as broken:
        broken.setattr(reviewing, "carry_out", lambda *_, **__: None)
        reviewing.answer(given, SAM, name, to="revoke", why="w")
    assert state(given, "g1") == "granted"
    reviewing.follow_up(given)
    reviewing.follow_up(given)
    assert state(given, "g1") == "revoked" and given.access.ended == ["l1"]


def test_questions_nobody_answered_in_time_are_findings_once(given: Any) -> None:
    campaign = start(given)
    reviewing.answer(given, SAM, question(campaign, "dana"), to="keep", why="w")
    reviewing.follow_up(given)
    assert "access-review:overdue" not in [kind for kind, _ in events(given)]
    given.clock = lambda: NOW + timedelta(days=15)
    reviewing.follow_up(given)
    reviewing.follow_up(given)
    assert [kind for kind, _ in events(given)].count("access-review:overdue") == 2
    watch = Watch()
    for _, entry in events(given):
        watch.add(entry)
    found = [one for one in watch.found(given.clock()) if one.code == "review_overdue"]
    assert len(found) == 2 and all(question(campaign, "dana") not in one.sentence for one in found)


def test_a_campaign_is_closed_when_all_is_answered_or_its_time_is_over_and_the_outcome_is_signed(given: Any) -> None:
    campaign = start(given, "readmission")
    allowed = ALLOWED
    with pytest.raises(reviews.ReviewOver):
        reviewing.close(given, CARL, allowed, campaign.id)
    reviewing.answer(given, SAM, question(campaign, "dana"), to="keep", why="a secret reason")
    given.clock = lambda: NOW + timedelta(days=15)
    closed = reviewing.close(given, CARL, allowed, campaign.id)
    assert closed.closed_by == "carl" and closed.counts() == {"keep": 1, "revoke": 0, "open": 1}
    with given.pool.connection() as connection:
        envelope = connection.execute("SELECT envelope FROM catalog.review_campaigns").fetchone()[0]
    statement = verify_envelope(envelope, given.public_keys())
    assert statement.predicate["closed_by"] == "carl" and "a secret reason" not in str(statement)
    assert {one["holder"]: one["answer"] for one in statement.predicate["items"]} == {"dana": "keep", "sam": None}
    last = events(given)[-1][1]
    assert last["type"] == "access-review:closed" and last["detail"]["envelope"] == digest(canonical_json(envelope))
    with given.pool.connection() as connection, pytest.raises(reviews.ReviewOver):
        item = reviews.get_item(connection, question(campaign, "sam"))
        reviews.answer(connection, item, to="keep", why="w", actor=SAM.actor(), now=NOW)
