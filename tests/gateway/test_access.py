"""Door 2: who gets a grant, by whose approval, and what policy and the gateway refuse."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from leasing import COLUMNS, AsUser, ask, entries, grant, in_place

from gateway.access.requests import WrongState
from gateway.access.service import AccessService
from gateway.client import Refusal
from gateway.composition import Services, compose
from gateway.identity import Subject
from gateway.problems import Denied
from gateway.settings import Settings
from policies.client import PolicyClient
from policies.errors import EngineFailed

PLAIN = ("encounters.encounter_class",)


@pytest.fixture(scope="module", autouse=True)
def services(clinic: Path) -> Iterator[Services]:
    in_place(clinic)
    given = compose(Settings.load())
    yield given
    given.close()


def person(name: str, role: str, **changed: Any) -> Subject:
    return dataclasses.replace(
        Subject(name, "person", (role,), ("readmission",), 2_000_000_000, mfa=True), **changed
    )  # fmt: skip


def trusting(services: Services, **changed: Any) -> AccessService:
    """The service, believing what a subject says of itself, so that any person can be tried."""
    return dataclasses.replace(services.access, directory=lambda subject: subject, **changed)


def reasons(call: Any) -> tuple[str, ...]:
    with pytest.raises((Refusal, Denied)) as refusal:
        call()
    error = refusal.value
    return error.decision.reasons if isinstance(error, Denied) else error.reasons


def unmendable(call: Any) -> tuple[str, ...]:
    return tuple(reason for reason in reasons(call) if reason != "approvals_missing")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"purpose": "marketing"}, ("purpose_not_permitted",)),
        ({"columns": ["patients.shoe_size"]}, ("unknown_column",)),
        ({"purpose": "'; DROP TABLE access.requests; --"}, ("purpose_not_permitted",)),
        ({"columns": ['patients.ssn" FROM clinic.patients; --']}, ("unknown_column",)),
    ],
)
def test_what_no_approval_could_mend_is_denied_at_once(
    clinic: Path, as_user: AsUser, changed: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert unmendable(lambda: ask(as_user("dana"), **changed)) == expected


def test_a_person_without_the_role_cannot_even_ask(clinic: Path, as_user: AsUser) -> None:
    assert unmendable(lambda: ask(as_user("vera"))) == ("role_not_permitted",)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"training_until": 1_000}, ("training_expired",)),
        ({"mfa": False}, ("mfa_required",)),
        ({"projects": ("synthea",)}, ("not_in_project",)),
    ],
)
def test_who_lacks_training_mfa_or_membership_is_denied_at_once(
    services: Services, changed: dict[str, Any], expected: tuple[str, ...]
) -> None:
    asking = person("pia", "data-scientist", **changed)
    assert unmendable(lambda: trusting(services).request(
        asking, dataset="clinic", columns=PLAIN, purpose="model-debugging", hours=1, why="x"
    )) == expected  # fmt: skip


def test_one_steward_is_enough_for_columns_that_identify_nobody(clinic: Path, as_user: AsUser) -> None:
    asked = ask(as_user("dana"), PLAIN)
    assert as_user("sam").post(f"/v1/access-requests/{asked['id']}/approve")["state"] == "granted"


@pytest.mark.parametrize("column", ["patients.ssn", "patients.race"])
def test_two_stewards_are_needed_for_direct_and_sensitive_columns(clinic: Path, as_user: AsUser, column: str) -> None:
    asked = ask(as_user("dana"), (column,))
    assert as_user("sam").post(f"/v1/access-requests/{asked['id']}/approve")["state"] == "pending"
    assert as_user("sam").post(f"/v1/access-requests/{asked['id']}/approve")["state"] == "pending", "the same one again"
    assert reasons(lambda: as_user("dana").post("/v1/leases", {"request": asked["id"]})) == ("approvals_missing",)
    assert as_user("stella").post(f"/v1/access-requests/{asked['id']}/approve")["state"] == "granted"


def test_nobody_approves_their_own_request_whatever_their_role(clinic: Path, as_user: AsUser, services: Services) -> None:
    asked = ask(as_user("sam"), PLAIN)["id"]
    assert reasons(lambda: as_user("sam").post(f"/v1/access-requests/{asked}/approve")) == ("self_approval",)
    refused = entries(services, "access-request:approval-refused", grant_id=asked)
    assert [(entry["actor"]["id"], entry["reasons"]) for entry in refused] == [("sam", ["self_approval"])]


def test_who_is_no_steward_neither_approves_nor_rejects(clinic: Path, as_user: AsUser) -> None:
    asked = ask(as_user("dana"), PLAIN)["id"]
    for verb, body in (("approve", None), ("reject", {"why": "no"})):
        assert reasons(lambda: as_user("vera").post(f"/v1/access-requests/{asked}/{verb}", body)) == ("role_not_permitted",)  # noqa: B023


def test_a_steward_of_another_project_counts_for_nothing(services: Services, as_user: AsUser) -> None:
    asked = ask(as_user("dana"), PLAIN)["id"]
    stranger = person("stan", "data-steward", projects=("synthea",))
    door = trusting(services)
    for step in (door.approve, partial(door.reject, why="no"), door.revoke_grant):
        assert reasons(lambda: step(stranger, asked)) == ("not_in_project",)  # noqa: B023
    service = person("robot", "data-steward", kind="service")
    assert reasons(lambda: door.approve(service, asked)) == ("role_not_permitted",)


def test_a_decided_request_takes_no_more_approvals(clinic: Path, as_user: AsUser, services: Services) -> None:
    asked = ask(as_user("dana"), PLAIN)["id"]
    as_user("sam").post(f"/v1/access-requests/{asked}/reject", {"why": "no need"})
    assert [one["detail"] for one in entries(services, "access-request:rejected", grant_id=asked)] == [{"why": "no need"}]
    with pytest.raises(Refusal) as refusal:
        as_user("stella").post(f"/v1/access-requests/{asked}/approve")
    assert refusal.value.problem_code == "wrong_state"
    assert reasons(lambda: as_user("dana").post("/v1/leases", {"request": asked}))


def test_only_the_asker_withdraws_a_request(clinic: Path, as_user: AsUser) -> None:
    asked = ask(as_user("dana"), PLAIN)["id"]
    assert reasons(lambda: as_user("sam").post(f"/v1/access-requests/{asked}/withdraw")) == ("role_not_permitted",)
    assert as_user("dana").post(f"/v1/access-requests/{asked}/withdraw")["state"] == "withdrawn"


def test_racing_approvals_grant_once(services: Services, as_user: AsUser) -> None:
    asked = ask(as_user("dana"))["id"]
    door, stewards = trusting(services), [person(f"steward{n}", "data-steward") for n in range(6)]

    def approve(steward: Subject) -> str:
        try:
            return door.approve(steward, asked).state
        except WrongState:
            return "late"

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(approve, stewards))
    assert len(entries(services, "grant:created", grant_id=asked)) == 1
    with services.pool.connection() as connection:
        row = connection.execute("SELECT state, expires - not_before FROM access.requests WHERE id = %s", (asked,)).fetchone()
    assert row == ("granted", timedelta(hours=1))


def test_nothing_is_granted_while_policy_does_not_answer(services: Services, as_user: AsUser) -> None:
    asked = ask(as_user("dana"), PLAIN)["id"]

    class Broken:
        name, bundle = "broken", services.policy.engine.bundle

        def ask(self, input: Any, datasets: Any) -> Any:
            raise EngineFailed("down")

        def healthy(self) -> bool:
            return False

    enforcer = type(services.enforcer)(
        client=PolicyClient(Broken()), pool=services.pool, datasets=lambda: {}, clock=services.clock
    )  # fmt: skip
    door = trusting(services, enforcer=enforcer)
    assert reasons(lambda: door.approve(person("sam", "data-steward"), asked)) == ("engine_unavailable",)
    assert reasons(lambda: door.open(person("dana", "data-scientist"), grant(as_user, PLAIN))) == ("engine_unavailable",)
    assert as_user("dana").get("/v1/access-requests")["items"][1]["state"] == "pending"


def test_a_grant_begins_and_ends_with_its_time_also_under_a_clock_set_back(services: Services, as_user: AsUser) -> None:
    name, dana = grant(as_user, PLAIN), person("dana", "data-scientist")
    early = trusting(services, clock=lambda: services.clock() - timedelta(hours=3))
    late = trusting(services, clock=lambda: services.clock() + timedelta(hours=3))
    assert reasons(lambda: early.open(dana, name)) == ("grant_not_yet_valid",)
    assert reasons(lambda: late.open(dana, name)) == ("grant_expired",)
    late.reconcile()
    assert entries(services, "grant:expired", grant_id=name)
    assert "grant_revoked" in reasons(lambda: trusting(services).open(dana, name)), "what was seen to expire stays expired"


def test_somebody_elses_grant_opens_nothing(clinic: Path, as_user: AsUser) -> None:
    assert "grant_mismatch" in reasons(lambda: as_user("stella").post("/v1/leases", {"request": grant(as_user, PLAIN)}))


def test_whom_the_issuer_no_longer_knows_gets_nothing_with_an_unexpired_token(services: Services, as_user: AsUser) -> None:
    name = grant(as_user, PLAIN)
    gone = dataclasses.replace(services.access, directory=lambda subject: None)
    with pytest.raises(Exception, match="issuer does not know"):
        gone.open(person("dana", "data-scientist"), name)


def test_a_steward_sees_who_may_read_what(clinic: Path, as_user: AsUser) -> None:
    name = grant(as_user)
    shown = {item["id"]: item for item in as_user("sam").get("/v1/access-requests")["items"]}[name]
    assert (shown["subject"], shown["state"], set(shown["columns"])) == ("dana", "granted", set(COLUMNS))
