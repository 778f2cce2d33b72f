"""The gateway hands its policies to OPA servers that fetch them, and to nobody who may not have them."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import questions as q
import uvicorn
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import FastAPI, Request
from psycopg_pool import ConnectionPool

from gateway import problems
from gateway.api import dependencies, policy
from gateway.composition import approle, now
from gateway.enforcement import Enforcer
from gateway.errors import GatewayError
from gateway.identity import NotAuthenticated, Subject
from gateway.policy_signing import PolicySigner
from gateway.settings import Settings
from gateway.starting import doubts
from gateway.vault import Vault
from policies.bundle import Bundle
from policies.client import PolicyClient
from policies.embedded import EmbeddedEngine
from policies.served import SCOPE, bundle_files, opa_bundle, opa_config, packed, signature
from policies.server import ServerEngine

BUNDLE = Bundle.load()
WHO = {
    "opa-token": Subject("opa", "service"),
    "carl-token": Subject("carl", "person", roles=("compliance-officer",)),
    "dana-token": Subject("dana", "person", roles=("data-scientist", "data-steward")),
    "scorer-token": Subject("scorer", "service"),
    "opa-person-token": Subject("opa", "person"),
}
STRICTER = Bundle(BUNDLE.modules, {**BUNDLE.data, "approvers_needed": BUNDLE.data["approvers_needed"] | {"quasi": 3}}, "sha256:s")


def proven(request: Request) -> Subject:
    try:
        return WHO[dependencies.bearer_token(request)]
    except KeyError as error:
        raise NotAuthenticated("no such token") from error


@pytest.fixture
def stack_vault(stack_home: Path) -> Vault:
    settings = Settings.load()
    return Vault.login(settings.vault_addr, **approle(settings.approle_file))


@pytest.fixture
def gateway(control_url: str, stack_vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The router over a real database, real policies and a real Vault, served over HTTP; `known` are the contracts."""
    with ConnectionPool(control_url, min_size=1, max_size=2) as pool, socket.socket() as listener:
        state = SimpleNamespace(known=q.DATASETS, pool=pool, vault=stack_vault)
        monkeypatch.setattr(policy.datasets, "policy_data", lambda _: state.known)
        state.decide_by = lambda engine: setattr(
            state, "enforcer", Enforcer(client=PolicyClient(engine), pool=pool, datasets=lambda: state.known, clock=now)
        )
        state.use = lambda bundle: state.decide_by(EmbeddedEngine(bundle))
        state.use(BUNDLE)
        app = FastAPI()
        problems.install(app, (GatewayError,))
        app.include_router(policy.router, prefix="/v1")
        app.dependency_overrides[dependencies.services] = lambda: state
        app.dependency_overrides[dependencies.subject] = proven
        listener.bind(("127.0.0.1", 0))
        state.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        running = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        running.start()
        yield state
        server.should_exit = True
        running.join(10)


def fetched(gateway: SimpleNamespace, token: str | None, **headers: str) -> Any:
    given = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.get(f"{gateway.url}/v1/policy/bundle", headers=given | headers)


@pytest.mark.parametrize("token", ["opa-token", "carl-token"])
def test_the_server_that_decides_and_compliance_get_the_policies(gateway: SimpleNamespace, token: str) -> None:
    answer = fetched(gateway, token)
    assert answer.status_code == 200
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        manifest = json.load(archive.extractfile("/.manifest"))  # type: ignore[arg-type]
        data = json.load(archive.extractfile("/data.json"))  # type: ignore[arg-type]
    assert manifest["revision"] == BUNDLE.digest and data["datasets"] == q.DATASETS


@pytest.mark.parametrize(
    ("token", "status"), [(None, 401), ("none", 401), ("dana-token", 403), ("scorer-token", 403), ("opa-person-token", 403)]
)
def test_nobody_else_does_and_the_refusal_is_recorded(gateway: SimpleNamespace, token: str | None, status: int) -> None:
    answer = fetched(gateway, token)
    assert answer.status_code == status and b"clinic" not in answer.content
    with gateway.pool.connection() as connection:
        rows = connection.execute("SELECT reasons FROM catalog.decisions WHERE action = 'distribute'").fetchall()
    assert rows == ([(["role_not_permitted"],)] if status == 403 else [])


def test_the_etag_names_the_bytes_and_is_answered_with_nothing_until_they_change(gateway: SimpleNamespace) -> None:
    tag = fetched(gateway, "opa-token").headers["ETag"]
    unchanged = fetched(gateway, "opa-token", **{"If-None-Match": tag})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", tag)
    assert fetched(gateway, "opa-token", **{"If-None-Match": '"another"'}).status_code == 200
    assert fetched(gateway, "dana-token", **{"If-None-Match": tag}).status_code == 403
    gateway.known = {}
    assert fetched(gateway, "opa-token", **{"If-None-Match": tag}).status_code == 200
    gateway.use(STRICTER)
    assert fetched(gateway, "carl-token").headers["ETag"] != tag


def config(gateway: SimpleNamespace, folder: Path, token: str = "opa-token", url: str = "", **keys: Any) -> str:
    """The file that the gateway's answer to `/v1/policy/keys` makes for an OPA server, which then asks every second."""
    known = keys or PolicySigner(gateway.vault)
    given = {name: {"algorithm": "ES256", "key": pem} for name, pem in (keys or known.public_keys()).items()}
    said = opa_config(given, SCOPE, url or gateway.url, str(folder / "token"))
    said["bundles"]["sallyport"]["polling"] = {"min_delay_seconds": 1, "max_delay_seconds": 1}
    (folder / "token").write_text(token)
    (folder / "opa.yaml").write_text(yaml.safe_dump(said))
    return str(folder / "opa.yaml")


def until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.2)
    return met


def test_a_real_opa_decides_by_the_bundle_it_fetches_and_by_the_next_one_after_a_change(
    gateway: SimpleNamespace, make_server: Callable[..., Any], tmp_path: Path
) -> None:
    opa = make_server("--config-file", config(gateway, tmp_path))
    client, question = PolicyClient(ServerEngine(opa.url, BUNDLE)), q.live("p.birth")
    assert until(lambda: client.decide(question, datasets=q.DATASETS).allow)
    fewer = {"clinic": q.DATASETS["clinic"] | {"max_ttl": 60}}
    # What OPA does not have yet it is not taken at its word for; nor can anyone but the gateway give it to the server.
    assert client.decide(question, datasets=fewer).reasons == ("engine_unavailable",)
    gateway.known = fewer
    assert until(lambda: client.decide(question, datasets=fewer).allow)
    assert client.decide(question, datasets=fewer).obligations["ttl_seconds"] == 60
    gateway.use(STRICTER)
    stricter = PolicyClient(ServerEngine(opa.url, STRICTER))
    assert until(lambda: stricter.decide(question, datasets=fewer).reasons == ("approvals_missing",))
    assert client.decide(question, datasets=fewer).reasons == ("engine_unavailable",)


def test_an_opa_with_another_token_has_no_policies_and_denies(
    gateway: SimpleNamespace, make_server: Callable[..., Any], tmp_path: Path
) -> None:
    opa = make_server("--config-file", config(gateway, tmp_path, "dana-token"))
    time.sleep(2.5)
    assert httpx.get(f"{opa.url}/v1/data/sallyport_served/answer").json().get("result") is None


def test_a_server_that_fetches_gets_a_change_also_when_the_gateway_decides_by_it(
    gateway: SimpleNamespace, make_server: Callable[..., Any], tmp_path: Path
) -> None:
    """Between a changed contract and the next fetch the server answers nothing, and the fetch itself is a question to policy."""
    opa = make_server("--config-file", config(gateway, tmp_path))
    gateway.decide_by(ServerEngine(opa.url, BUNDLE))
    assert until(lambda: gateway.enforcer.peek(q.live("p.birth")).allow)
    gateway.known = {"clinic": q.DATASETS["clinic"] | {"max_ttl": 60}}
    assert until(lambda: gateway.enforcer.peek(q.live("p.birth")).obligations.get("ttl_seconds") == 60)


def test_a_real_opa_refuses_what_another_key_signed_and_the_gateway_says_so_at_its_start(
    gateway: SimpleNamespace, make_server: Callable[..., Any], tmp_path: Path
) -> None:
    another = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = another.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    opa = make_server("--config-file", config(gateway, tmp_path, **{PolicySigner(gateway.vault).keyid: pem}))
    engine = ServerEngine(opa.url, BUNDLE)
    parts = SimpleNamespace(settings=SimpleNamespace(opa_url=opa.url), vault=gateway.vault, policy=PolicyClient(engine))
    assert until(lambda: distributed(gateway) >= 2) and not engine.healthy()
    assert httpx.get(f"{opa.url}/v1/data/sallyport_served/answer").json().get("result") is None
    assert "signature" in doubts(parts)[0]  # type: ignore[arg-type]
    right = make_server("--config-file", config(gateway, tmp_path))
    assert until(ServerEngine(right.url, BUNDLE).healthy)
    parts.policy = PolicyClient(ServerEngine(right.url, BUNDLE))
    assert doubts(parts) == []  # type: ignore[arg-type]


def distributed(gateway: SimpleNamespace) -> int:
    """How often a server has fetched the bundle."""
    with gateway.pool.connection() as connection:
        return int(connection.execute("SELECT count(*) FROM catalog.decisions WHERE action = 'distribute'").fetchone()[0])


def files() -> dict[str, str]:
    strange = {"clinic": q.DATASETS["clinic"] | {"row_filters": {"model-debugging": "a\u2028b<&>\x7f\b\x01\U0001f600"}}}
    return bundle_files(BUNDLE, strange)


def verified(opa: Path, folder: Path, keys: dict[str, str], keyid: str, content: bytes, scope: str = SCOPE) -> bool:
    """Whether a real OPA takes the bundle."""
    (folder / "key.pem").write_text(keys[keyid])
    (folder / "bundle.tar.gz").write_bytes(content)
    command = [
        str(opa), "build", "--bundle", str(folder / "bundle.tar.gz"), "--verification-key", str(folder / "key.pem"),
        "--verification-key-id", keyid, "--signing-alg", "ES256", "--scope", scope, "--output", str(folder / "out.tar.gz"),
    ]  # fmt: skip
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_real_opa_verifies_every_file_of_the_bundle(opa: Path, stack_vault: Vault, tmp_path: Path) -> None:
    signer = PolicySigner(stack_vault)
    keys, given = signer.public_keys(), files()
    signed = {".signatures.json": signature(given, signer)}
    person, limits = (
        "rego/sallyport/person.rego",
        given["data.json"].replace('"break_glass_ttl_seconds":900', '"break_glass_ttl_seconds":901'),
    )
    assert limits != given["data.json"]
    assert verified(opa, tmp_path, keys, signer.keyid, packed(given | signed))
    for changed in (
        {person: given[person] + "\nx := 1\n"}, {"data.json": limits}, {"rego/more.rego": "package sallyport.more\n"},
        {".signatures.json": "{}"}, {".signatures.json": signature({**given, person: ""}, signer)},
    ):  # fmt: skip
        assert not verified(opa, tmp_path, keys, signer.keyid, packed(given | signed | changed)), list(changed)
    assert not verified(opa, tmp_path, keys, signer.keyid, packed({k: v for k, v in (given | signed).items() if k != person}))
    assert not verified(opa, tmp_path, keys, signer.keyid, opa_bundle(BUNDLE, {}))
    assert not verified(opa, tmp_path, keys, signer.keyid, packed(given | signed), scope="another")


@pytest.mark.parametrize(("token", "status"), [("opa-token", 200), ("carl-token", 200), ("dana-token", 403), (None, 401)])
def test_the_public_keys_are_told_to_those_who_may_have_the_policies(
    gateway: SimpleNamespace, token: str | None, status: int
) -> None:
    answer = httpx.get(f"{gateway.url}/v1/policy/keys", headers={"Authorization": f"Bearer {token}"} if token else {})
    assert answer.status_code == status
    if status == 200:
        newest = answer.json()["keys"][answer.json()["newest"]]
        assert newest["algorithm"] == "ES256" and newest["key"].startswith("-----BEGIN PUBLIC KEY-----")
