"""Vault, PostgreSQL, OPA and the issuer down, silent or answering nonsense: each denies, is recorded, and nothing hangs."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from leasing import NOTHING, AsUser, entries, grant, in_place, lease, left_of, paused, superuser
from psycopg_pool import ConnectionPool

import gateway.composition
import gateway.pooling
import gateway.vault
from compliance.entries import Actor
from gateway.access import leases
from gateway.access.opening import LeaseFailed
from gateway.access.service import AccessService
from gateway.api.app import create_app
from gateway.composition import Services, compose
from gateway.enforcement import Enforcer
from gateway.errors import VaultError, VaultUnavailable
from gateway.identity import IssuerUnavailable, Subject, TokenVerifier
from gateway.problems import Denied
from gateway.settings import Settings
from gateway.vault import Vault
from policies.client import PolicyClient
from policies.server import ServerEngine

PLAIN = ("encounters.systolic",)
TESTER = Actor("test", "system")
DANA = Subject("dana", "person", ("data-scientist",), ("readmission",), 2_000_000_000, mfa=True)
SECONDS = 12


def http(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)


ANSWERS = {
    "silent": None,
    "closing": b"",
    "garbage": b"\x00\xff not http at all\r\n\r\n",
    "html": http(200, b"<html>"),
    "empty": http(200, b"{}"),
    "list": http(200, b"[]"),
    "sealed": http(503, b'{"errors": ["Vault is sealed"]}'),
    "broken": http(500, b'{"errors": ["1 error occurred"]}'),
    # A byte at a time, each of them in time, for half a minute.
    "dripping": http(200, b'{"data": ' + b" " * 300),
    "dripping headers": b"HTTP/1.1 200 OK\r\nX-More: " + b"x" * 300,
}
DRIPPING = {ANSWERS["dripping"], ANSWERS["dripping headers"]}


@contextmanager
def server(answer: bytes | None) -> Iterator[int]:
    """A port that answers everything so; None: it takes connections and says nothing."""
    listening = socket.create_server(("127.0.0.1", 0))
    held: list[socket.socket] = []

    def drip(connection: socket.socket, said: bytes) -> None:
        with suppress(OSError):
            for byte in said:
                connection.sendall(bytes([byte]))
                time.sleep(0.1)

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            held.append(connection)
            if answer in DRIPPING:
                threading.Thread(target=drip, args=(connection, answer), daemon=True).start()
            elif answer is not None:
                connection.settimeout(2)
                try:
                    connection.recv(65_536)
                    connection.sendall(answer)
                except OSError:
                    pass
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        listening.close()
        for connection in held:
            connection.close()


@pytest.fixture(scope="module", autouse=True)
def services(clinic: Path) -> Iterator[Services]:
    in_place(clinic)
    given = compose(Settings.load())
    yield given
    given.close()


@pytest.fixture(params=[*ANSWERS, "refusing"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    if request.param == "refusing":
        with server(None) as free:
            pass
        yield free
        return
    with server(ANSWERS[request.param]) as found:
        yield found


@pytest.fixture
def bad_vault(port: int, monkeypatch: pytest.MonkeyPatch) -> Vault:
    """A Vault that was logged in to before it went bad."""
    monkeypatch.setattr(gateway.vault, "SECONDS_TO_ANSWER", 1)
    vault = Vault(f"http://127.0.0.1:{port}", "role", "secret")
    vault._until = time.monotonic() + 600
    return vault


def door(services: Services, **changed: Any) -> AccessService:
    return dataclasses.replace(services.access, directory=lambda subject: subject, **changed)


def in_time(call: Callable[[], Any], *errors: type[Exception]) -> Exception:
    """What `call` raised, which it did in time."""
    began = time.monotonic()
    with pytest.raises(errors) as raised:
        call()
    assert time.monotonic() - began < SECONDS
    return raised.value


def test_without_a_working_vault_no_lease_is_opened_and_the_failure_is_recorded(
    bad_vault: Vault, as_user: AsUser, services: Services, stack_home: Path
) -> None:
    name = grant(as_user, PLAIN)
    with paused(stack_home, "worker"):
        error = in_time(lambda: door(services, vault=bad_vault).open(DANA, name), LeaseFailed)
        assert "nothing of it is left" in str(error)
        (failed,) = entries(services, "lease:failed", grant_id=name)
        services.access.reconcile()
    assert left_of(services, stack_home, failed["refs"]["lease_id"]) == NOTHING


def test_without_a_working_vault_nobody_can_be_looked_up_so_nobody_is_let_in(
    bad_vault: Vault, as_user: AsUser, services: Services
) -> None:
    name = grant(as_user, PLAIN)

    def ask(subject: Subject) -> Subject | None:
        return subject if bad_vault.entity(subject.id) else None

    asking = dataclasses.replace(services.access, directory=ask)
    in_time(lambda: asking.open(DANA, name), VaultUnavailable, VaultError)


@pytest.mark.parametrize("kind", ["silent", "sealed"])
def test_revoking_without_vault_ends_sessions_and_views_at_once_and_the_identity_later(
    kind: str, clinic: Path, as_user: AsUser, services: Services, stack_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = lease(as_user, PLAIN)
    monkeypatch.setattr(gateway.vault, "SECONDS_TO_ANSWER", 1)
    with paused(stack_home, "worker"), server(ANSWERS[kind]) as port, psycopg.connect(made["dsn"], autocommit=True) as connection:
        vault = Vault(f"http://127.0.0.1:{port}", "role", "secret")
        vault._until = time.monotonic() + 600
        in_time(lambda: door(services, vault=vault).end(made["id"], by=TESTER), VaultUnavailable, VaultError)
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        left = left_of(services, stack_home, made["id"])
        assert (left["schemas"], left["keys"], left["sessions"], left["roles"]) == (0, 0, 0, 1)
        (entry,) = entries(services, "lease:ending", lease_id=made["id"])
        assert (entry["outcome"], entry["detail"]["why"]) == ("failed", "revoked")
        assert made["id"] in services.access.reconcile()
    assert left_of(services, stack_home, made["id"]) == NOTHING
    assert entries(services, "lease:revoked", lease_id=made["id"])


def test_a_lease_whose_time_is_over_shows_nothing_more_even_while_vault_is_down(
    clinic: Path, as_user: AsUser, services: Services, stack_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = lease(as_user, PLAIN)
    monkeypatch.setattr(gateway.vault, "SECONDS_TO_ANSWER", 1)
    with (
        paused(stack_home, "worker"),
        server(ANSWERS["sealed"]) as port,
        psycopg.connect(made["dsn"], autocommit=True) as connection,
    ):
        vault = Vault(f"http://127.0.0.1:{port}", "role", "secret")
        vault._until = time.monotonic() + 600
        door(services, vault=vault, clock=lambda: services.clock() + timedelta(hours=2)).reconcile()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
        assert left_of(services, stack_home, made["id"])["schemas"] == 0
        services.access.reconcile()
    assert left_of(services, stack_home, made["id"]) == NOTHING


def test_without_a_working_live_database_no_lease_is_opened(
    port: int, as_user: AsUser, services: Services, stack_home: Path
) -> None:
    name = grant(as_user, PLAIN)
    address = psycopg.conninfo.make_conninfo(host="127.0.0.1", port=port, user="x", dbname="live", connect_timeout=2)
    with paused(stack_home, "worker"):
        in_time(lambda: door(services, live=lambda: psycopg.connect(address)).open(DANA, name), LeaseFailed)
        (failed,) = entries(services, "lease:failed", grant_id=name)
        assert failed["detail"]["taken_back"] is False, "the reconciler has to look again"
        services.access.reconcile()
    assert left_of(services, stack_home, failed["refs"]["lease_id"]) == NOTHING


def test_a_live_database_that_does_not_get_on_opens_no_lease_and_holds_nobody_up(
    as_user: AsUser, services: Services, stack_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody holds the lock that a lease needs: the server answers, but never with an end."""
    monkeypatch.setattr(gateway.composition, "LIVE_SECONDS", 1)
    name = grant(as_user, PLAIN)
    with paused(stack_home, "worker"):
        with superuser(stack_home) as stuck, stuck.transaction():
            stuck.execute("LOCK TABLE masking.keys IN ACCESS EXCLUSIVE MODE")
            in_time(lambda: door(services).open(DANA, name), LeaseFailed)
        (failed,) = entries(services, "lease:failed", grant_id=name)
        services.access.reconcile()
    assert left_of(services, stack_home, failed["refs"]["lease_id"]) == NOTHING


def test_a_connection_whose_server_froze_is_found_out_and_replaced(
    as_user: AsUser, services: Services, stack_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.pooling, "CONNECT_SECONDS", 1)
    name = grant(as_user, PLAIN)
    check = gateway.pooling.still_answers
    with ConnectionPool(services.database("gateway_live", "live"), min_size=1, max_size=1, open=True, check=check) as pool:
        with pool.connection() as connection:
            pid = connection.info.backend_pid
        os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            opened = door(services, live=lambda: gateway.composition._live_connection(pool)).open(DANA, name)
            assert time.monotonic() - began < SECONDS
        finally:
            os.kill(pid, signal.SIGCONT)
    services.access.end(opened.id, by=TESTER)
    assert left_of(services, stack_home, opened.id) == NOTHING


def test_without_the_control_database_nothing_is_decided_and_the_answer_says_so(as_user: AsUser, services: Services) -> None:
    token = as_user("dana").token()
    with server(None) as port:
        pool = ConnectionPool(
            f"host=127.0.0.1 port={port} user=x dbname=control connect_timeout=2", min_size=1, max_size=1, open=True, timeout=1
        )
        enforcer = Enforcer(client=services.policy, pool=pool, datasets=lambda: {}, clock=services.clock)
        broken = dataclasses.replace(services, pool=pool, access=door(services, pool=pool, enforcer=enforcer))
        client = TestClient(create_app(broken), raise_server_exceptions=False, headers={"Authorization": f"Bearer {token}"})
        for method, path, body in (
            ("GET", "/v1/leases", None), ("POST", "/v1/leases", {"request": "x"}), ("DELETE", "/v1/leases/x", None),
            ("POST", "/v1/access-requests/x/approve", None),
        ):  # fmt: skip
            began = time.monotonic()
            answer = client.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
            assert "does not answer" in answer.json()["detail"] and time.monotonic() - began < SECONDS
        pool.close(timeout=1)


def test_without_a_working_opa_every_question_is_denied_and_the_denial_recorded(
    port: int, as_user: AsUser, services: Services
) -> None:
    name = grant(as_user, PLAIN)
    engine = ServerEngine(f"http://127.0.0.1:{port}", services.policy.engine.bundle, timeout=0.5)
    enforcer = Enforcer(client=PolicyClient(engine), pool=services.pool, datasets=lambda: {}, clock=services.clock)
    error = in_time(lambda: door(services, enforcer=enforcer).open(DANA, name), Denied)
    assert isinstance(error, Denied) and set(error.decision.reasons) <= {"engine_unavailable", "invalid_answer"}
    (made,) = entries(services, "decision:made", decision_id=error.decision.decision_id)
    assert (made["outcome"], made["reasons"]) == ("deny", list(error.decision.reasons))
    with services.pool.connection() as connection:
        assert leases.select(connection, "WHERE request = %s", (name,)) == []


def test_without_the_issuers_keys_nobody_is_known(as_user: AsUser, services: Services) -> None:
    def down() -> Any:
        raise ConnectionError

    token = as_user("dana").token()
    verifier = TokenVerifier(issuer=services.settings.oidc_issuer, audience="sallyport", fetch_keys=down)
    with pytest.raises(IssuerUnavailable, match="nobody is let in"):
        verifier.subject(token)
    app = create_app(dataclasses.replace(services, verifier=verifier))
    answer = TestClient(app, raise_server_exceptions=False).get("/v1/leases", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["code"]) == (503, "issuer_unavailable")
