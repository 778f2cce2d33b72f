"""Logins from a command line and of services at a real provider, the mapping of claims, and answers nobody should believe."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from device_provider import DeviceProvider, device_provider

import gateway.oidc
from gateway import kept_login
from gateway.claims import ClaimsMapping
from gateway.embedded.home import Home
from gateway.errors import LoginFailed, SettingsInvalid
from gateway.identity import IssuerUnavailable, NotAuthenticated, Subject, TokenVerifier
from gateway.oidc import DeviceFlowNotOffered, LoginPending, Provider

MAPPING = """
claims: {id: login}
groups:
  hospital-stewards: {roles: [data-steward], projects: [readmission]}
services:
  scorer: {name: scoring, projects: [readmission]}
"""


@pytest.fixture
def known() -> Iterator[DeviceProvider]:
    with device_provider() as made:
        yield made


@pytest.fixture
def command_line(known: DeviceProvider) -> Provider:
    return Provider(known.address, "command-line", scopes="openid")


@pytest.fixture
def mapping(tmp_path: Path) -> ClaimsMapping:
    return ClaimsMapping.load(written(tmp_path, MAPPING))


def written(folder: Path, text: str) -> Path:
    file = folder / "claims.yaml"
    file.write_text(text, "utf-8")
    return file


def verifier(known: DeviceProvider, mapping: ClaimsMapping) -> TokenVerifier:
    return TokenVerifier(
        issuer=known.address, audience="sallyport", clients=("command-line",), describe=mapping.subject,
        fetch_keys=Provider(known.address).keys,
    )  # fmt: skip


@pytest.fixture
def waits() -> list[float]:
    return []


def person(known: DeviceProvider, waits: list[float], polls: int, act: Callable[[str], None]) -> Callable[[float], None]:
    """Waiting, during which the person acts in their browser after so many polls."""

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == polls:
            act(next(iter(known.devices.values()))["user_code"])

    return wait


def test_a_person_logs_in_from_a_command_line_with_any_browser(
    known: DeviceProvider, command_line: Provider, mapping: ClaimsMapping, tmp_path: Path, waits: list[float]
) -> None:
    told: list[str] = []
    wait = person(known, waits, 3, lambda code: known.agree(code, "grace"))
    kept_login.log_in_in_browser(command_line, tmp_path, tell=told.append, wait=wait)
    (device,) = known.devices.values()
    assert f"{known.address}/device" in told[0] and device["user_code"] in told[0] and device["device_code"] not in told[0]
    assert known.polls == 3
    token = kept_login.token(command_line, tmp_path)
    assert verifier(known, mapping).subject(token) == Subject("grace", "person", ("data-steward",), ("readmission",), mfa=True)
    file = Home(tmp_path).secret(kept_login.FILE)
    assert file.stat().st_mode & 0o077 == 0


def test_a_person_who_refuses_or_never_comes_is_not_logged_in(
    known: DeviceProvider, command_line: Provider, tmp_path: Path, waits: list[float]
) -> None:
    with pytest.raises(LoginFailed, match="did not accept"):
        kept_login.log_in_in_browser(command_line, tmp_path, tell=lambda _: None, wait=person(known, waits, 2, known.refuse))
    begun = command_line.begin_device_login()
    known.devices[begun.device_code]["expires_at"] = 0
    with pytest.raises(LoginFailed, match="did not accept"):
        command_line.finish_device_login(begun)
    with pytest.raises(LoginFailed, match="sallyport login"):
        kept_login.token(command_line, tmp_path)


def test_a_provider_that_is_asked_too_often_is_asked_more_slowly(
    known: DeviceProvider, command_line: Provider, tmp_path: Path, waits: list[float]
) -> None:
    known.slow_down = True
    wait = person(known, waits, 3, lambda code: known.agree(code, "grace"))
    kept_login.log_in_in_browser(command_line, tmp_path, tell=lambda _: None, wait=wait)
    assert waits == [1, 6, 11]


def test_a_device_code_is_of_its_own_client_and_unfinished_until_the_person_agrees(
    known: DeviceProvider, command_line: Provider
) -> None:
    begun = command_line.begin_device_login()
    with pytest.raises(LoginPending):
        command_line.finish_device_login(begun)
    known.agree(begun.user_code, "grace")
    other = Provider(known.address, "scorer", secret="its secret")
    with pytest.raises(LoginFailed):
        other.finish_device_login(begun)
    assert begun.device_code not in repr(begun)
    assert command_line.finish_device_login(begun).token


def test_a_kept_login_is_renewed_near_its_end_until_the_provider_ends_it(
    known: DeviceProvider, command_line: Provider, mapping: ClaimsMapping, tmp_path: Path, waits: list[float]
) -> None:
    known.lifetime = 60  # less than the time before its end at which a token is renewed
    wait = person(known, waits, 1, lambda code: known.agree(code, "grace"))
    kept_login.log_in_in_browser(command_line, tmp_path, tell=lambda _: None, wait=wait)
    first = json.loads(Home(tmp_path).secret(kept_login.FILE).read_text("utf-8"))
    assert verifier(known, mapping).subject(kept_login.token(command_line, tmp_path)).id == "grace"
    second = json.loads(Home(tmp_path).secret(kept_login.FILE).read_text("utf-8"))
    assert second["refresh"] != first["refresh"]
    known.refreshing.clear()
    with pytest.raises(LoginFailed, match="Your login has ended"):
        kept_login.token(command_line, tmp_path)


def test_a_provider_without_device_flow_is_named_as_such(known: DeviceProvider, command_line: Provider) -> None:
    known.offers_devices = False
    with pytest.raises(DeviceFlowNotOffered):
        command_line.begin_device_login()


def test_a_service_proves_itself_by_client_credentials_and_is_the_service_the_mapping_lists(
    known: DeviceProvider, mapping: ClaimsMapping, tmp_path: Path
) -> None:
    scorer = Provider(known.address, "scorer", secret="its secret")
    kept_login.log_in_as_service(scorer, tmp_path)
    subject = verifier(known, mapping).subject(kept_login.token(scorer, tmp_path))
    assert (subject.id, subject.kind, subject.roles, subject.mfa) == ("scoring", "service", (), False)
    with pytest.raises(LoginFailed):
        Provider(known.address, "scorer", secret="another").service_token()


def test_a_service_nobody_listed_is_nobody(known: DeviceProvider, tmp_path: Path) -> None:
    token = Provider(known.address, "scorer", secret="its secret").service_token()
    unlisted = ClaimsMapping.load(written(tmp_path, "claims: {id: login}"))
    with pytest.raises(NotAuthenticated):
        verifier(known, unlisted).subject(token)


def test_the_command_logs_in_and_the_gateway_knows_who_it_is(
    known: DeviceProvider, stack_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way: command, provider, a second gateway's verifier built from the same settings."""
    from click.testing import CliRunner

    from gateway.commands.caller import connect
    from gateway.commands.login import login
    from gateway.composition import verifier as configured
    from gateway.settings import Settings

    for name, value in (
        ("HOME", str(tmp_path)), ("OIDC_ISSUER", known.address), ("OIDC_CLI_CLIENT_ID", "command-line"),
        ("OIDC_CLAIMS_FILE", str(written(tmp_path, MAPPING))), ("GATEWAY_URL", "http://127.0.0.1:1"),
        ("MODEL_SERVER_URL", "http://127.0.0.1:1"), ("VAULT_ADDR", "http://127.0.0.1:1"), ("POSTGRES_HOST", "nowhere"),
    ):  # fmt: skip
        monkeypatch.setenv(f"SALLYPORT_{name}", value)

    def agree() -> None:
        while not known.devices:
            pass
        known.agree(next(iter(known.devices.values()))["user_code"], "grace")

    threading.Thread(target=agree, daemon=True).start()
    done = CliRunner().invoke(login, [])
    assert done.exit_code == 0, done.output
    assert configured(Settings.load()).subject(connect(None).token()).id == "grace"


# --- the mapping -------------------------------------------------------------------------------------------------------


def described(mapping: ClaimsMapping, **changed: Any) -> Subject:
    claims = {
        "sub": "1",
        "login": "grace",
        "groups": ["hospital-stewards"],
        "amr": ["pwd", "mfa"],
        "training_until": 2_000_000_000,
    }
    return mapping.subject({name: value for name, value in (claims | changed).items() if value is not None})


@pytest.mark.parametrize("groups", [None, [], ["kitchen"], ["Hospital-Stewards"], "kitchen", 7, {"hospital-stewards": 1}])
def test_groups_that_are_not_listed_give_nothing(mapping: ClaimsMapping, groups: Any) -> None:
    subject = described(mapping, groups=groups)
    assert (subject.roles, subject.projects) == ((), ())


@pytest.mark.parametrize("amr", [None, [], ["pwd"], "mfa", ["MFA"], [["mfa"]], True])
def test_only_a_listed_method_is_a_second_factor(mapping: ClaimsMapping, amr: Any) -> None:
    assert described(mapping, amr=amr).mfa is False
    assert described(mapping).mfa is True


@pytest.mark.parametrize("name", [None, "", 7, "a b", "a\nb", "x" * 121, ["grace"]])
def test_who_has_no_usable_name_is_nobody(mapping: ClaimsMapping, name: Any) -> None:
    with pytest.raises(NotAuthenticated):
        described(mapping, login=name)


def test_a_person_cannot_become_a_service_by_calling_themselves_so(mapping: ClaimsMapping) -> None:
    assert described(mapping, login="scorer").kind == "person"


@pytest.mark.parametrize(
    "text", ["groups: [a]", "rolls: {}", "groups: {a: {role: [x]}}", "services: {a: {name: A B}}", ":", "- 1", "claims: {id: 7}"]
)
def test_a_mapping_that_is_not_right_stops_the_start_with_a_sentence(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsInvalid, match="SALLYPORT_OIDC_CLAIMS_FILE"):
        ClaimsMapping.load(written(tmp_path, text))


# --- answers nobody should believe ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        b"", b"<html>", b"[]", b'"x"', b"{}", b'{"issuer": "http://elsewhere"}', b'{"issuer": "ISSUER"}',
        b'{"issuer": "ISSUER", "jwks_uri": "http://elsewhere.example/keys"}', b'{"issuer": "ISSUER", "jwks_uri": "file:///etc/passwd"}',
        b'{"issuer": "ISSUER", "jwks_uri": 7}',
    ],
)  # fmt: skip
def test_a_discovery_document_that_is_not_right_lets_nobody_in(said: bytes) -> None:
    with serving(said) as issuer, pytest.raises(IssuerUnavailable):
        Provider(issuer).keys()


def test_a_provider_that_drips_its_answer_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway.oidc, "SECONDS_IN_ALL", 1.0)
    with serving(b" " * 600, seconds_a_byte=0.1) as issuer:
        began = time.monotonic()
        with pytest.raises(IssuerUnavailable):
            Provider(issuer).keys()
        assert time.monotonic() - began < 5


@contextmanager
def serving(said: bytes, seconds_a_byte: float = 0.0) -> Iterator[str]:
    """An issuer that answers so, whatever it is asked; ISSUER in it is its own address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = said.replace(b"ISSUER", issuer.encode())
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with suppress(OSError):
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    time.sleep(seconds_a_byte)

        def log_message(self, *given: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    issuer = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
