"""How access ends before its time and goes on within it: policy asked again, grants revoked, renewal, break-glass, services."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from click.testing import CliRunner
from leasing import NOTHING, AsUser, entries, grant, in_place, lease, left_of, paused, superuser

from compliance.attestations import Statement, sign_statement
from compliance.attestations import Subject as Signed
from compliance.canonical import canonical_json
from gateway.access import leases, reconciling
from gateway.access.service import AccessService
from gateway.access.services import DeploymentNotTrusted
from gateway.cli import cli
from gateway.client import Refusal
from gateway.commands.access import open_lease
from gateway.composition import Services, compose
from gateway.demo.domains import __file__ as demo
from gateway.identity import Subject
from gateway.problems import Denied
from gateway.settings import Settings
from policies.decisions import Decision
from promotion.model_contracts import load_model_contract

PLAIN = ("encounters.systolic",)
DANA = Subject("dana", "person", ("data-scientist",), ("readmission",), 2_000_000_000, mfa=True)


@pytest.fixture(scope="module", autouse=True)
def services(clinic: Path) -> Iterator[Services]:
    in_place(clinic)
    given = compose(Settings.load())
    yield given
    given.close()


@pytest.fixture
def opened(clinic: Path, as_user: AsUser, stack_home: Path) -> Iterator[dict[str, Any]]:
    """An open lease, while the worker stands still so that the test is the one that reconciles."""
    made = lease(as_user, PLAIN)
    with paused(stack_home, "worker"):
        yield made


def why(services: Services, name: str) -> str:
    (entry,) = [*entries(services, "lease:revoked", lease_id=name), *entries(services, "lease:expired", lease_id=name)]
    return str(entry["detail"]["why"])


def changed(services: Services, **facts: Any) -> AccessService:
    """The service, where the issuer now says this of everybody it is asked about."""
    return dataclasses.replace(services.access, directory=lambda subject: dataclasses.replace(subject, **facts))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"training_until": 1_000}, "training_expired"),
        ({"roles": ()}, "role_not_permitted"),
        ({"projects": ("income",)}, "not_in_project"),
    ],
)
def test_a_lease_ends_when_its_holder_would_no_longer_get_it(
    opened: dict[str, Any], services: Services, stack_home: Path, facts: dict[str, Any], expected: str
) -> None:
    assert opened["id"] not in services.access.reconcile()
    with psycopg.connect(opened["dsn"], autocommit=True) as connection:
        assert opened["id"] in changed(services, **facts).reconcile()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    assert why(services, opened["id"]) == expected
    assert left_of(services, stack_home, opened["id"]) == NOTHING


def test_a_lease_ends_when_its_holder_is_removed(opened: dict[str, Any], services: Services) -> None:
    gone = dataclasses.replace(services.access, directory=lambda subject: None)
    assert opened["id"] in gone.reconcile()
    assert why(services, opened["id"]) == "person-removed"


class Answering:
    """The enforcer, with another answer."""

    def __init__(self, services: Services, answer: Decision) -> None:
        self._enforcer, self._answer = services.enforcer, answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._enforcer, name)

    def peek(self, question: Any) -> Decision:
        return self._answer

    decide = peek


def test_a_lease_ends_when_policy_would_mask_it_otherwise(opened: dict[str, Any], services: Services) -> None:
    obliged = {**opened["obligations"], "columns": {"encounters.systolic": "null"}}
    door = dataclasses.replace(services.access, enforcer=Answering(services, Decision(True, (), "d2", "p2", obliged)))  # type: ignore[arg-type]
    assert opened["id"] in door.reconcile()
    assert why(services, opened["id"]) == "obligations-changed"
    (entry,) = entries(services, "lease:revoked", lease_id=opened["id"])
    assert entry["refs"]["ended_by_decision"] == "d2"


def test_a_lease_outlives_a_moment_without_policy_but_not_a_lasting_one(opened: dict[str, Any], services: Services) -> None:
    silent = Answering(services, Decision(False, ("engine_unavailable",), "", ""))
    door = dataclasses.replace(services.access, enforcer=silent)  # type: ignore[arg-type]
    later = dataclasses.replace(door, clock=lambda: services.clock() + timedelta(seconds=reconciling.SECONDS_WITHOUT_ANSWER + 1))
    assert opened["id"] not in door.reconcile()
    assert opened["id"] in later.reconcile()
    assert why(services, opened["id"]) == "engine_unavailable"


def test_a_lease_whose_holder_changed_its_own_settings_ends(opened: dict[str, Any], services: Services) -> None:
    with psycopg.connect(opened["dsn"], autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")
        connection.execute("ALTER ROLE CURRENT_USER SET statement_timeout = 0")
    assert opened["id"] in services.access.reconcile()
    assert why(services, opened["id"]) == "settings-changed"


def test_a_lease_whose_tables_were_replaced_ends(opened: dict[str, Any], services: Services, stack_home: Path) -> None:
    with superuser(stack_home) as live:
        live.execute(f"DROP VIEW {opened['schema']}.encounters")
    assert opened["id"] in services.access.reconcile()
    assert why(services, opened["id"]) == "dataset-changed"


def test_revoking_a_grant_ends_its_leases_at_once(
    opened: dict[str, Any], as_user: AsUser, services: Services, stack_home: Path
) -> None:
    with psycopg.connect(opened["dsn"], autocommit=True) as connection:
        began = time.monotonic()
        assert as_user("stella").post(f"/v1/access-requests/{opened['request']}/revoke")["state"] == "revoked"
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    # Well under a second when nothing else runs; here it shows that nobody waits for the reconciler's round of five.
    assert time.monotonic() - began < 4
    assert left_of(services, stack_home, opened["id"]) == NOTHING
    with pytest.raises(Refusal) as refusal:
        as_user("dana").post("/v1/leases", {"request": opened["request"]})
    assert "grant_revoked" in refusal.value.reasons


def test_a_lease_and_its_open_connection_live_on_within_the_grant(clinic: Path, as_user: AsUser, services: Services) -> None:
    name = grant(as_user, PLAIN, hours=3)
    made = open_lease(as_user("dana"), {"request": name})
    with psycopg.connect(made["dsn"], autocommit=True) as connection:
        time.sleep(1.1)
        renewed = as_user("dana").post(f"/v1/leases/{made['id']}/renew")
        assert made["expires"] < renewed["expires"]
        assert connection.execute("SELECT count(*) FROM encounters").fetchone()
        valid = connection.execute(
            "SELECT rolvaliduntil > now() + interval '118 minutes' FROM pg_roles WHERE rolname = current_user"
        )
        assert valid.fetchone() == (True,), "PostgreSQL lets it log in as long"
    assert entries(services, "lease:renewed", lease_id=made["id"])
    for other in ("sam", "stella"):
        with pytest.raises(Refusal):
            as_user(other).post(f"/v1/leases/{made['id']}/renew")
    as_user("dana").delete(f"/v1/leases/{made['id']}")
    with pytest.raises(Refusal) as refusal:
        as_user("dana").post(f"/v1/leases/{made['id']}/renew")
    assert refusal.value.problem_code == "lease_not_open"


def test_a_renewal_never_goes_beyond_the_grant(clinic: Path, as_user: AsUser, services: Services) -> None:
    name = grant(as_user, PLAIN, hours=0.5)
    made = open_lease(as_user("dana"), {"request": name})
    as_user("dana").post(f"/v1/leases/{made['id']}/renew")
    with services.pool.connection() as connection:
        row = connection.execute(
            "SELECT l.expires <= r.expires FROM access.leases l JOIN access.requests r ON r.id = l.request WHERE l.id = %s",
            (made["id"],),
        ).fetchone()
    assert row == (True,)
    as_user("dana").delete(f"/v1/leases/{made['id']}")


def test_a_steward_sees_who_has_access_now_and_the_command_says_it(opened: dict[str, Any], as_user: AsUser) -> None:
    shown = CliRunner().invoke(cli, ["access", "list", "--as", "sam", "--json"])
    (one,) = [item for item in json.loads(shown.stdout)["leases"] if item["id"] == opened["id"]]
    assert (one["subject"], one["state"], one["columns"]) == ("dana", "open", {"encounters.systolic": "clear"})
    table = CliRunner().invoke(cli, ["access", "list", "--as", "sam"])
    assert opened["id"] in table.stderr and "Who has access now" in table.stderr
    ended = CliRunner().invoke(cli, ["access", "revoke", opened["id"], "--as", "sam"])
    assert json.loads(ended.stdout) == {"id": opened["id"], "state": "ended"}
    assert opened["id"] not in CliRunner().invoke(cli, ["access", "list", "--as", "sam", "--json"]).stdout


def breaking(as_user: AsUser, user: str = "omar", **other: Any) -> dict[str, Any]:
    body = {
        "dataset": "clinic",
        "columns": ["patients.ssn", "patients.birth_date"],
        "justification": "wrong dose",
        "incident": "INC-7",
    }
    return dict(as_user(user).post("/v1/break-glass", body | other))


def test_somebody_on_call_reads_live_data_in_an_incident_for_minutes_masked(
    clinic: Path, as_user: AsUser, services: Services
) -> None:
    answer = CliRunner().invoke(cli, [
        "access", "break-glass", "clinic", "--columns", "patients.ssn,patients.birth_date", "--justification", "wrong dose",
        "--incident", "INC-7", "--as", "omar",
    ])  # fmt: skip
    made = json.loads(answer.stdout)
    assert made["obligations"]["ttl_seconds"] == 900 and made["break_glass"]["overdue"] is False
    with psycopg.connect(made["dsn"]) as connection:
        rows = connection.execute("SELECT ssn, birth_date FROM patients").fetchall()
    assert len(rows) == 400 and all(len(ssn) == 32 and (day.month, day.day) == (1, 1) for ssn, day in rows)
    used = made["break_glass"]["id"]
    assert entries(services, "break-glass:used", break_glass_id=used)
    (due,) = entries(services, "break-glass:review-due", break_glass_id=used)
    (begun,) = entries(services, "lease:opened-in-emergency", lease_id=made["id"])
    assert due["seq"] < begun["seq"] and begun["refs"]["break-glass_id"] == used
    assert "wrong dose" not in json.dumps([due, begun]), "free text stays out of the ledger"
    as_user("omar").delete(f"/v1/leases/{made['id']}")


@pytest.mark.parametrize(
    ("user", "other", "expected"),
    [
        ("dana", {}, "role_not_permitted"),
        ("omar", {"justification": "  "}, "justification_missing"),
        ("omar", {"incident": ""}, "justification_missing"),
        ("omar", {"columns": ["patients.nothing"]}, "unknown_column"),
    ],
)
def test_break_glass_is_denied(clinic: Path, as_user: AsUser, user: str, other: dict[str, Any], expected: str) -> None:
    with pytest.raises(Refusal) as refusal:
        breaking(as_user, user, **other)
    assert refusal.value.reasons == (expected,)


def test_a_use_of_break_glass_is_reviewed_once_by_another_and_overdue_until_then(
    clinic: Path, as_user: AsUser, services: Services, stack_home: Path
) -> None:
    made = breaking(as_user)
    used = made["break_glass"]["id"]
    as_user("omar").delete(f"/v1/leases/{made['id']}")
    body = {"outcome": "justified", "note": "the dose was wrong indeed"}
    for user, reason in (("omar", "self_approval"), ("vera", "role_not_permitted")):
        with pytest.raises(Refusal) as refusal:
            as_user(user).post(f"/v1/break-glass/{used}/review", body)
        assert refusal.value.reasons == (reason,)
    with paused(stack_home, "worker"):
        tomorrow = dataclasses.replace(services.access, clock=lambda: services.clock() + timedelta(hours=25))
        tomorrow.reconcile()
        tomorrow.reconcile()
    assert len(entries(services, "break-glass:review-overdue", break_glass_id=used)) == 1
    reviewed = as_user("sam").post(f"/v1/break-glass/{used}/review", body)
    assert (reviewed["outcome"], reviewed["reviewed_by"]) == ("justified", "sam")
    with pytest.raises(Refusal) as refusal:
        as_user("stella").post(f"/v1/break-glass/{used}/review", body)
    assert refusal.value.problem_code == "already_reviewed"


MODEL = "readmission/scorer"


@pytest.fixture(scope="module")
def deployed(services: Services) -> Iterator[str]:
    """A deployment of a model in the database, signed as a real one is; the id of its promotion."""
    text = (Path(demo).parent / "clinic" / "model.yaml").read_text("utf-8").replace("name: readmission", "name: scorer")
    contract, digest = load_model_contract(text), "sha256:" + "1" * 64
    subjects = (Signed("model", digest), Signed("contract", contract.digest))
    promotion = uuid4().hex
    envelope = sign_statement(Statement(subjects, "https://example.org/deployment", {}), services.signer)
    with services.pool.connection() as connection:
        connection.execute(
            "INSERT INTO promotion.requests SELECT %s, 'readmission', 'scorer', (SELECT count(*) + 1 FROM promotion.requests),"
            " %s, 'low', 'dana', NULL, %s, %s, 'deployed', now(), now()", (promotion, digest, text, contract.digest),
        )  # fmt: skip
        connection.execute(
            "INSERT INTO promotion.deployments (project, name, request, digest, deployed_by, deployed_at, decision_id, envelope)"
            " VALUES ('readmission', 'scorer', %s, %s, 'vera', now(), 'x', %s)", (promotion, digest, json.dumps(envelope)),
        )  # fmt: skip
    yield promotion
    with services.pool.connection() as connection:
        connection.execute("UPDATE promotion.requests SET state = 'superseded' WHERE id = %s", (promotion,))


def test_the_service_of_a_deployed_model_reads_its_contracts_columns_in_the_clear(
    deployed: str, as_user: AsUser, services: Services
) -> None:
    made = open_lease(as_user("scoring"), {"model": MODEL})
    assert set(made["obligations"]["columns"].values()) == {"clear"} and made["obligations"]["ttl_seconds"] == 3600
    with psycopg.connect(made["dsn"]) as connection:
        assert connection.execute("SELECT count(DISTINCT birth_date) FROM patients").fetchone()[0] > 50  # type: ignore[index]
        with pytest.raises(psycopg.errors.UndefinedColumn):
            connection.execute("SELECT ssn FROM patients")
    assert entries(services, "lease:opened-for-service", lease_id=made["id"])[0]["actor"]["kind"] == "service"
    as_user("scoring").delete(f"/v1/leases/{made['id']}")


def test_a_service_gets_no_column_beyond_the_contract_and_a_person_nothing_by_a_model(deployed: str, as_user: AsUser) -> None:
    for user, body, expected in (
        ("scoring", {"model": MODEL, "columns": ["patients.ssn"]}, "column_not_granted"),
        ("dana", {"model": MODEL}, "no_grant"),
        ("scoring", {"dataset": "clinic", "columns": ["patients.ssn"], "purpose": "model-debugging"}, "no_promotion"),
    ):
        with pytest.raises(Refusal) as refusal:
            as_user(user).post("/v1/leases", body)
        assert expected in refusal.value.reasons
    with pytest.raises(Refusal) as refusal:
        as_user("scoring").post("/v1/leases", {"model": "readmission/nothing"})
    assert refusal.value.problem_code == "model_not_found"


def test_another_service_than_the_one_that_scores_gets_nothing(deployed: str, services: Services) -> None:
    other = Subject("reporting", "service", (), ("readmission",))
    door = dataclasses.replace(services.access, directory=lambda subject: subject)
    with pytest.raises(Denied) as refusal:
        door.open_for_model(other, MODEL, (), public_keys=services.public_keys())
    assert refusal.value.decision.reasons == ("promotion_mismatch",)


def test_a_deployment_that_was_only_written_into_the_database_is_not_trusted(deployed: str, services: Services) -> None:
    scoring = Subject("scoring", "service", (), ("readmission",))
    with services.pool.connection() as connection:
        text = connection.execute("SELECT contract FROM promotion.requests WHERE id = %s", (deployed,)).fetchone()[0]  # type: ignore[index]
        wider = text.replace("  - patients.birth_date\n", "  - patients.birth_date\n  - patients.ssn\n")
        assert canonical_json(wider) != canonical_json(text)
        connection.execute("UPDATE promotion.requests SET contract = %s WHERE id = %s", (wider, deployed))
    try:
        with pytest.raises(DeploymentNotTrusted):
            services.access.open_for_model(scoring, MODEL, (), public_keys=services.public_keys())
    finally:
        with services.pool.connection() as connection:
            connection.execute("UPDATE promotion.requests SET contract = %s WHERE id = %s", (text, deployed))


def test_a_services_lease_ends_when_its_model_is_superseded(
    deployed: str, as_user: AsUser, services: Services, stack_home: Path
) -> None:
    made = open_lease(as_user("scoring"), {"model": MODEL})
    with paused(stack_home, "worker"):
        with services.pool.connection() as connection:
            connection.execute("UPDATE promotion.requests SET state = 'superseded' WHERE id = %s", (deployed,))
        assert made["id"] in services.access.reconcile()
        with services.pool.connection() as connection:
            connection.execute("UPDATE promotion.requests SET state = 'deployed' WHERE id = %s", (deployed,))
    assert why(services, made["id"]) == "not_deployed"
    with services.pool.connection() as connection, pytest.raises(leases.LeaseNotFound):
        leases.get(connection, "0" * 16)
