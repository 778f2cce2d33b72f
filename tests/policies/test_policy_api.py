"""The gateway hands its policies to OPA servers that fetch them, and to nobody who may not have them."""

from __future__ import annotations

import io
import json
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import questions as q
import uvicorn
from fastapi import FastAPI, Request
from psycopg_pool import ConnectionPool

from gateway import problems
from gateway.api import dependencies, policy
from gateway.composition import now
from gateway.enforcement import Enforcer
from gateway.errors import GatewayError
from gateway.identity import NotAuthenticated, Subject
from policies.bundle import Bundle
from policies.client import PolicyClient
from policies.embedded import EmbeddedEngine
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
def gateway(control_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The router over a real database and real policies, served over HTTP; `known` are the contracts."""
    with ConnectionPool(control_url, min_size=1, max_size=2) as pool, socket.socket() as listener:
        state = SimpleNamespace(known=q.DATASETS, pool=pool)
        monkeypatch.setattr(policy.datasets, "policy_data", lambda _: state.known)
        state.use = lambda bundle: setattr(
            state, "enforcer",
            Enforcer(client=PolicyClient(EmbeddedEngine(bundle)), pool=pool, datasets=lambda: state.known, clock=now),
        )  # fmt: skip
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
    import httpx

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


CONFIG = """
services:
  gateway: {{url: "{url}/v1", credentials: {{bearer: {{token: {token}}}}}}}
bundles:
  sallyport: {{service: gateway, resource: policy/bundle, polling: {{min_delay_seconds: 1, max_delay_seconds: 1}}}}
"""


def until(condition: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether it came true in time."""
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.2)
    return met


def test_a_real_opa_decides_by_the_bundle_it_fetches_and_by_the_next_one_after_a_change(
    gateway: SimpleNamespace, make_server: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "opa.yaml").write_text(CONFIG.format(url=gateway.url, token="opa-token"))
    opa = make_server("--config-file", str(tmp_path / "opa.yaml"))
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
    (tmp_path / "opa.yaml").write_text(CONFIG.format(url=gateway.url, token="dana-token"))
    opa = make_server("--config-file", str(tmp_path / "opa.yaml"))
    import httpx

    time.sleep(2.5)
    assert httpx.get(f"{opa.url}/v1/data/sallyport_served/answer").json().get("result") is None
