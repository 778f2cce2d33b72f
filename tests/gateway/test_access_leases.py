"""An open lease: it shows what policy's obligations say, its role can do nothing else, and when it ends nothing of it is left."""

from __future__ import annotations

import csv
import dataclasses
import hmac
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg
import pytest
from leasing import NOTHING, AsUser, entries, grant, in_place, lease, left_of, paused, superuser

from compliance.entries import Actor
from compliance.ledger import integrate
from gateway.access import leases, opening, views
from gateway.access.service import AccessService
from gateway.catalog import datasets
from gateway.catalog.projects import wrapped_key
from gateway.client import Refusal
from gateway.composition import Services, compose
from gateway.errors import VaultError, VaultUnavailable
from gateway.identity import Subject
from gateway.settings import Settings
from gateway.vault import unwrap
from sandbox.treatments import zip3
from sandbox.treatments.keyed import Keyed

TESTER = Actor("test", "system")
DANA = Subject("dana", "person", ("data-scientist",), ("readmission",), 2_000_000_000, mfa=True)


@pytest.fixture(scope="module", autouse=True)
def services(clinic: Path) -> Iterator[Services]:
    in_place(clinic)
    given = compose(Settings.load())
    yield given
    given.close()


@pytest.fixture(scope="module")
def opened(clinic: Path, as_user: AsUser) -> dict[str, Any]:
    """A lease that the tests of what it may see and do share."""
    return lease(as_user)


@pytest.fixture(scope="module")
def inside(opened: dict[str, Any]) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(opened["dsn"], autocommit=True) as connection:
        connection.execute("SET default_transaction_read_only = off")  # a lease may; it must not matter
        yield connection


@pytest.fixture(scope="module")
def bystander(clinic: Path, as_user: AsUser) -> dict[str, Any]:
    """Somebody else's lease at the same time."""
    return lease(as_user, ("encounters.systolic",))


def patients(clinic: Path) -> list[dict[str, str]]:
    with (clinic / "patients.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def key_of(services: Services) -> bytes:
    with services.pool.connection() as connection:
        return services.vault.unwrap_data_key(wrapped_key(connection, "readmission"))


def test_pseudonyms_are_those_of_the_projects_snapshots(
    clinic: Path, inside: psycopg.Connection[Any], services: Services
) -> None:
    keyed = Keyed(key_of(services), "mrn")
    consenting = [row for row in patients(clinic) if row["research_consent"].lower() == "true"]
    expected = {keyed.mac("mrn", row["mrn"])[:16].hex() for row in consenting}
    assert {value for (value,) in inside.execute("SELECT mrn FROM patients")} == expected
    assert hmac.new(keyed.key, b"mrn\x00" + consenting[0]["mrn"].encode(), "sha256").hexdigest()[:32] in expected


def test_dates_and_zip_codes_are_generalised_as_in_snapshots(clinic: Path, inside: psycopg.Connection[Any]) -> None:
    consenting = [row for row in patients(clinic) if row["research_consent"].lower() == "true"]
    zips = zip3.treat(pl.Series("zip", [row["zip"] for row in consenting]), {}, Keyed(b"")).to_list()
    expected = sorted((row["birth_date"][:4], area) for row, area in zip(consenting, zips, strict=True))
    rows = inside.execute("SELECT birth_date, zip FROM patients").fetchall()
    assert {(day.month, day.day) for day, _ in rows} == {(1, 1)}
    assert sorted((str(day.year), area) for day, area in rows) == expected


def test_the_row_filter_holds_on_the_persons_table_and_on_every_table_below(
    clinic: Path, inside: psycopg.Connection[Any], services: Services
) -> None:
    keyed = Keyed(key_of(services), "patient")
    agreed = {
        keyed.mac("patient", r["patient_id"])[:16].hex() for r in patients(clinic) if r["research_consent"].lower() == "true"
    }
    assert 0 < len(agreed) < len(patients(clinic))
    for table in ("patients", "encounters", "notes"):
        seen = {value for (value,) in inside.execute(f"SELECT patient_id FROM {table}")}
        assert seen and seen <= agreed, table


def test_columns_that_were_not_granted_are_not_there(inside: psycopg.Connection[Any]) -> None:
    for column in ("ssn", "surname", "research_consent"):
        with pytest.raises(psycopg.errors.UndefinedColumn):
            inside.execute(f"SELECT {column} FROM patients")


FORBIDDEN = [
    "SET ROLE live_reader", "SET ROLE lease_definer", "SET ROLE vault_admin", "SET SESSION AUTHORIZATION postgres",
    "TABLE clinic.patients", "TABLE masking.keys", "SELECT masking.pseudonym('a', 'patient', 'guess')",
    "SELECT sessions.end_of_lease('0123456789abcdef')",
    "CREATE TABLE x (a int)", "CREATE TEMP TABLE x (a int)", "CREATE TEMP VIEW x AS SELECT 1", "CREATE SCHEMA x",
    "CREATE TABLE public.x (a int)", "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE ROLE x", "CREATE DATABASE x",
    "CREATE EXTENSION dblink", "SELECT 1 INTO x", "CREATE OR REPLACE VIEW patients AS SELECT 1", "DROP VIEW patients",
    "COPY patients TO PROGRAM 'cat'", "COPY patients TO '/tmp/leak'", "SELECT * FROM patients FOR UPDATE",
    "SELECT lo_creat(-1)", "SELECT lo_create(0)", "SELECT lo_from_bytea(0, 'a')", "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/leak')", "SELECT lowrite(0, 'a')", "SELECT lo_get(1)",
    "SELECT pg_read_file('/etc/passwd')", "SELECT pg_ls_dir('.')", "SELECT pg_stat_file('PG_VERSION')",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
    "SELECT * FROM pg_stat_activity", "SELECT * FROM pg_stat_get_activity(NULL)", "SELECT * FROM pg_locks",
    "SELECT * FROM pg_stat_user_tables", "SELECT pg_stat_get_live_tuples(1259)", "SELECT * FROM pg_statistic",
    "SELECT reltuples FROM pg_class", "SELECT relpages FROM pg_class", "SELECT pg_relation_size(1259)",
    "SELECT definition FROM pg_views", "SELECT pg_get_viewdef('patients'::regclass)", "SELECT ev_action FROM pg_rewrite",
    "SELECT * FROM pg_authid", "SELECT * FROM pg_shadow", "SELECT * FROM pg_hba_file_rules", "SHOW data_directory",
    "SELECT query_to_xml('TABLE clinic.patients', true, true, '')", "SELECT pg_logical_emit_message(false, 'a', 'b')",
    "SELECT pg_advisory_lock(1)", "SELECT pg_export_snapshot()", "SELECT pg_notify('a', 'b')",
    "SET log_duration = off", "SET log_statement = 'none'", "SET compute_query_id = off", "SET temp_file_limit = -1",
    "ALTER ROLE CURRENT_USER RESET log_duration", "ALTER ROLE CURRENT_USER CREATEROLE", "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER ROLE CURRENT_USER CONNECTION LIMIT -1", "ALTER ROLE CURRENT_USER VALID UNTIL 'infinity'",
    "GRANT lease_holder TO PUBLIC",
    "SET session_preload_libraries = 'x'", "LOAD 'auto_explain'", "ALTER SYSTEM SET log_statement = 'none'", "CHECKPOINT",
    "SELECT * FROM dblink('', '')", "CREATE PUBLICATION p", "CREATE SERVER s FOREIGN DATA WRAPPER w",
    "ALTER ROLE CURRENT_USER SET note.kept = 'for the next'", "COMMENT ON VIEW patients IS 'for the next'",
    "SECURITY LABEL ON VIEW patients IS 'x'", "ALTER ROLE CURRENT_USER RENAME TO x", "REASSIGN OWNED BY CURRENT_USER TO postgres",
    "DO $$ BEGIN EXECUTE 'TABLE clinic.patients'; END $$", "DO $$ BEGIN PERFORM masking.pseudonym('a', 'b', 'c'); END $$",
    "ALTER DATABASE live SET log_duration = off", "SET application_name TO DEFAULT; TABLE clinic.patients",
    "SELECT pg_reload_conf()", "SELECT pg_rotate_logfile()", "SELECT pg_switch_wal()", "SELECT pg_stat_reset()",
]  # fmt: skip


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_a_lease_cannot(inside: psycopg.Connection[Any], statement: str) -> None:
    with pytest.raises(psycopg.Error) as refused:
        inside.execute(statement)
    assert not isinstance(refused.value, psycopg.errors.ReadOnlySqlTransaction), "only its own setting kept it from doing so"
    assert not isinstance(refused.value, psycopg.errors.SyntaxError)


def test_a_lease_sees_nothing_of_another(
    inside: psycopg.Connection[Any], opened: dict[str, Any], bystander: dict[str, Any]
) -> None:
    other = bystander["schema"]
    for statement in (f"TABLE {other}.encounters", f"SELECT masking.pseudonym('{bystander['id']}', 'patient', 'x')",
                      f'SET ROLE "{bystander["username"]}"', f'ALTER ROLE "{bystander["username"]}" PASSWORD \'x\''):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            inside.execute(statement)
    with psycopg.connect(bystander["dsn"]) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(f"TABLE {opened['schema']}.patients")


def test_a_condition_is_never_tried_on_rows_that_are_left_out(clinic: Path, inside: psycopg.Connection[Any]) -> None:
    """An error, a notice or a plan must not tell of them: each kind of condition would, were it pushed below the filter."""
    total = len(patients(clinic))
    seen = [(row[0].year, row[1]) for row in inside.execute("SELECT birth_date, zip FROM patients")]
    areas = zip3.treat(pl.Series("zip", [row["zip"] for row in patients(clinic)]), {}, Keyed(b"")).to_list()
    hidden = {(int(row["birth_date"][:4]), area) for row, area in zip(patients(clinic), areas, strict=True)} - set(seen)
    notices: list[str] = []
    inside.add_notice_handler(lambda notice: notices.append(str(notice.message_primary)))
    assert hidden
    for pair in hidden:  # 1/0 only for what only rows left out have
        condition = "1 / ((extract(year FROM birth_date) = %s AND zip = %s)::int - 1) <= 0"
        inside.execute(f"SELECT count(*) FROM patients WHERE {condition}", pair)
    plan = "\n".join(
        str(row[0]) for row in inside.execute("EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM patients WHERE race = 'white'")
    )
    removed = {line.strip() for line in plan.splitlines() if "Rows Removed" in line}
    other = "\n".join(str(row[0]) for row in inside.execute("EXPLAIN (ANALYZE) SELECT * FROM patients WHERE race = 'nobody'"))
    filtered = [line for line in other.splitlines() if "Rows Removed by Filter" in line]
    assert len(removed) == len(filtered) == 2, "the filter's rows and the condition's rows are counted apart"
    assert str(total - len(seen)) in filtered[1], "and the filter's count is the same whatever is asked"
    assert not notices


def test_a_statement_does_not_run_beyond_its_timeout_even_when_the_session_lifts_it(
    opened: dict[str, Any], services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(opened["dsn"], autocommit=True) as connection:
        assert connection.execute("SHOW statement_timeout").fetchone() == ("1min",)
        connection.execute("SET statement_timeout = '100ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(5)")
        connection.execute("SET statement_timeout = 0")
        monkeypatch.setattr(views, "STATEMENT_TIMEOUT", "1s")
        monkeypatch.setattr(views, "GRACE_SECONDS", 0)
        with ThreadPoolExecutor(1) as pool:
            sleeping = pool.submit(connection.execute, "SELECT pg_sleep(60)")
            time.sleep(1.3)
            with services.access.live() as live:
                assert views.end_overrunning(live) == [opened["id"]]
            with pytest.raises(psycopg.OperationalError):
                sleeping.result(timeout=5)
    with services.pool.connection() as connection:  # and nobody else's session was touched
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_connections_are_limited(opened: dict[str, Any], inside: psycopg.Connection[Any]) -> None:
    more: list[psycopg.Connection[Any]] = []
    with pytest.raises(psycopg.OperationalError, match="too many connections"):
        for _ in range(views.CONNECTIONS + 1):
            more.append(psycopg.connect(opened["dsn"]))
    for connection in more:
        connection.close()


def test_a_wrapped_credential_is_spent_once(clinic: Path, as_user: AsUser, services: Services) -> None:
    name = grant(as_user, ("encounters.systolic",))
    answer = as_user("dana").post("/v1/leases", {"request": name})
    assert unwrap(answer["vault_address"], answer["wrapping_token"]).username.startswith(f"lease-{answer['id']}")
    with pytest.raises((VaultError, VaultUnavailable)):
        unwrap(answer["vault_address"], answer["wrapping_token"])
    as_user("dana").delete(f"/v1/leases/{answer['id']}")


def test_a_wrapped_credential_expires(clinic: Path, as_user: AsUser, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "WRAP_SECONDS", 1)
    made = services.access.open(DANA, grant(as_user, ("encounters.systolic",)))
    time.sleep(1.5)
    with pytest.raises((VaultError, VaultUnavailable)):
        unwrap(services.vault.address, made.wrapping_token)
    services.access.end(made.id, by=TESTER)


def test_neither_ledger_nor_database_nor_logs_hold_a_credential(
    stack_home: Path, opened: dict[str, Any], services: Services
) -> None:
    password = psycopg.conninfo.conninfo_to_dict(opened["dsn"])["password"]
    found = [path.name for path in (stack_home / "logs").iterdir() if str(password) in path.read_text("utf-8", "replace")]
    assert found == []
    with services.pool.connection() as connection:
        integrate(connection)
        held = connection.execute(
            "SELECT count(*) FROM ledger.entries WHERE position(%s IN convert_from(canonical, 'UTF8')) > 0", (password,)
        ).fetchone()
    assert held == (0,)


def test_revoking_ends_open_sessions_within_a_second_and_leaves_nothing(
    clinic: Path, as_user: AsUser, services: Services, stack_home: Path
) -> None:
    made = lease(as_user, ("encounters.systolic",))
    with psycopg.connect(made["dsn"], autocommit=True) as idle, ThreadPoolExecutor(1) as pool:
        running = pool.submit(psycopg.connect(made["dsn"], autocommit=True).execute, "SELECT pg_sleep(50)")
        time.sleep(0.2)
        began = time.monotonic()
        as_user("sam").delete(f"/v1/leases/{made['id']}")
        took = time.monotonic() - began
        for use in (lambda: idle.execute("SELECT 1"), lambda: running.result(timeout=1), lambda: psycopg.connect(made["dsn"])):
            with pytest.raises(psycopg.OperationalError):
                use()
    assert took < 2, "a second on a machine of its own; this one is shared with other tests"
    assert left_of(services, stack_home, made["id"]) == NOTHING
    assert entries(services, "lease:revoked", lease_id=made["id"])[0]["actor"]["id"] == "sam"


def test_somebody_else_does_not_end_a_lease(opened: dict[str, Any], as_user: AsUser, services: Services) -> None:
    with pytest.raises(Refusal) as refusal:
        as_user("vera").delete(f"/v1/leases/{opened['id']}")
    assert refusal.value.reasons == ("role_not_permitted",)
    assert entries(services, "lease:revocation-refused", lease_id=opened["id"])


def short(services: Services, seconds: int) -> AccessService:
    """A service whose leases live so long."""

    class Short:
        def __getattr__(self, name: str) -> Any:
            return getattr(services.enforcer, name)

        def decide(self, *given: Any, **options: Any) -> Any:
            decision = services.enforcer.decide(*given, **options)
            return dataclasses.replace(decision, obligations={**decision.obligations, "ttl_seconds": seconds})

    return dataclasses.replace(services.access, enforcer=Short())  # type: ignore[arg-type]


def test_a_lease_ends_by_itself_in_vault_also_when_the_gateway_is_gone(
    clinic: Path, as_user: AsUser, services: Services, stack_home: Path
) -> None:
    name = grant(as_user, ("encounters.systolic",))
    with paused(stack_home, "gateway", "worker"):
        made = short(services, 2).open(DANA, name)
        secret = unwrap(services.vault.address, made.wrapping_token)
        dsn = psycopg.conninfo.make_conninfo(
            services.database("gateway_live", "live"), user=secret.username, password=secret.password
        )
        with psycopg.connect(dsn, autocommit=True) as connection:
            assert connection.execute("SELECT count(*) FROM encounters").fetchone()
            deadline = time.monotonic() + 8
            while left_of(services, stack_home, made.id)["roles"] and time.monotonic() < deadline:
                time.sleep(0.2)
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        # A clock set back by hours does not keep the gateway from seeing that it is over.
        back = dataclasses.replace(services.access, clock=lambda: services.clock() - timedelta(hours=5))
        assert made.id in back.reconcile()
    assert left_of(services, stack_home, made.id) == NOTHING
    assert entries(services, "lease:expired", lease_id=made.id)


class Crash(Exception):
    """The process dies here."""


@pytest.mark.parametrize("where", ["views", "role", "credential"])
def test_what_a_crash_in_the_middle_left_is_removed(
    clinic: Path, as_user: AsUser, services: Services, stack_home: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    name = grant(as_user, ("encounters.systolic",))

    def die(*given: Any, **options: Any) -> Any:
        raise Crash

    class Dying:
        def __getattr__(self, attribute: str) -> Any:
            dies = {"role": "write_database_role", "credential": "wrapped_credential"}.get(where)
            return die if attribute == dies else getattr(services.vault, attribute)

    door = dataclasses.replace(services.access, vault=Dying())  # type: ignore[arg-type]
    with paused(stack_home, "worker"):
        if where == "views":
            monkeypatch.setattr(views, "create", die)
        with pytest.raises(Crash):
            door.open(DANA, name)
        monkeypatch.undo()
        with services.pool.connection() as connection:
            row = leases.select(connection, "WHERE request = %s", (name,))[0]
        assert row.state == "opening" and row.id not in services.access.reconcile(), "it may still be at work"
        later = dataclasses.replace(services.access, clock=lambda: services.clock() + timedelta(minutes=5))
        assert row.id in later.reconcile()
    assert left_of(services, stack_home, row.id) == NOTHING


def test_orphans_on_either_side_are_removed(services: Services, stack_home: Path) -> None:
    only_views, only_vault = "a" * 16, "b" * 16
    with paused(stack_home, "worker"):
        with services.pool.connection() as connection:
            contract = datasets.get(connection, "clinic").contract
        with services.access.live() as live:
            views.create(live, lease=only_views, contract=contract, columns={"patients.sex": "clear"}, row_filter=None, key=b"k")
        services.vault.write_database_role(
            f"lease-{only_vault}", creation=views.creation(only_views), revocation=views.REVOCATION, ttl=60, max_ttl=60
        )
        services.vault.credential(f"lease-{only_vault}")
        assert {only_views, only_vault} <= set(services.access.reconcile())
    for name in (only_views, only_vault):
        assert left_of(services, stack_home, name) == NOTHING
        assert entries(services, "lease:orphan-removed", lease_id=name)


def test_two_leases_opened_at_once_on_one_grant_are_each_whole(clinic: Path, as_user: AsUser, services: Services) -> None:
    name = grant(as_user, ("encounters.systolic",))
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: services.access.open(DANA, name), range(4)))
    assert len({one.id for one in made}) == 4
    as_user("sam").post(f"/v1/access-requests/{name}/revoke")
    for one in made:
        assert entries(services, "lease:revoked", lease_id=one.id)[0]["detail"]["why"] == "grant-revoked"


def test_a_lease_that_is_ended_while_it_is_being_opened_is_not_left(
    clinic: Path, as_user: AsUser, services: Services, stack_home: Path
) -> None:
    name = grant(as_user, ("encounters.systolic",))

    class Slow:
        def __getattr__(self, attribute: str) -> Any:
            return getattr(services.vault, attribute)

        def wrapped_credential(self, role: str, seconds: int) -> str:
            services.access.end(role.removeprefix("lease-"), by=TESTER)
            services.vault.write_database_role(
                role, creation=views.creation(role.removeprefix("lease-"))[:1], revocation=views.REVOCATION, ttl=60, max_ttl=60
            )
            return services.vault.wrapped_credential(role, seconds)

    door = dataclasses.replace(services.access, vault=Slow())  # type: ignore[arg-type]
    with pytest.raises(opening.LeaseFailed):
        door.open(DANA, name)
    with services.pool.connection() as connection:
        (row,) = leases.select(connection, "WHERE request = %s", (name,))
    assert left_of(services, stack_home, row.id) == NOTHING


def test_every_row_of_the_live_catalogue_that_names_a_lease_is_one_that_stands(services: Services, stack_home: Path) -> None:
    services.access.reconcile()
    with superuser(stack_home) as live, services.pool.connection() as connection:
        known = {row.id for row in leases.standing(connection)}
        assert set(views.standing(live)) <= known
