"""JupyterHub's configuration: pods of people have no more than they need, and who is in no known group does not get in."""

from __future__ import annotations

import asyncio
import base64
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from traitlets.config.loader import PyFileConfigLoader

FOLDER = Path(__file__).parents[2] / "deploy" / "jupyterhub"
MAPPING = "claims: {id: login, groups: groups}\ngroups: {scientists: {roles: [data-scientist], projects: [p]}}\n"


def id_token(seconds: float) -> str:
    """A token whose signature nobody here looks at."""
    claims = {"login": "x", "groups": ["scientists"], "aud": "hub", "exp": int(time.time() + seconds)}
    words = (base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in ({"alg": "RS256"}, claims))
    return ".".join([*words, "c2ln"])


@pytest.fixture
def issuer() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = {"issuer": url, "authorization_endpoint": f"{url}/authorize", "token_endpoint": f"{url}/token"}
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(found).encode())

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
            good = "grant_type=refresh_token" in asked and "refresh_token=good" in asked
            self.send_response(200 if good else 400)
            self.end_headers()
            self.wfile.write(json.dumps({"access_token": "a", "id_token": id_token(3600)} if good else {}).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield url
        server.shutdown()


@pytest.fixture
def loaded(issuer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "claims.yaml").write_text(MAPPING)
    for name, value in {
        "SALLYPORT_GATEWAY": "http://gateway:8000", "SALLYPORT_OIDC_ISSUER": issuer, "SALLYPORT_HUB_CLIENT_ID": "hub",
        "SALLYPORT_OIDC_CLAIMS_FILE": str(tmp_path / "claims.yaml"), "SALLYPORT_HUB_URL": "https://hub.example.org",
        "SALLYPORT_IMAGE": "sallyport:1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return PyFileConfigLoader("jupyterhub_config.py", path=str(FOLDER)).load_config()


KUBECONFIG = """
{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
 clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}], users: [{name: u, user: {}}]}
"""


def test_a_person_s_pod_has_no_account_no_capability_and_the_zone_s_label(
    loaded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jupyterhub.objects import Hub, Server
    from jupyterhub.orm import Spawner as Row
    from kubernetes_asyncio.config import kube_config
    from kubespawner import KubeSpawner

    # KubeSpawner wants to know a cluster, and asks it nothing here; the client reads $KUBECONFIG only when it is imported.
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))

    async def made() -> tuple[Any, Any]:
        spawner = KubeSpawner(_mock=True, config=loaded, hub=Hub(), orm_spawner=Row(name=""))
        spawner.server = Server(ip="0.0.0.0", port=8888)
        return spawner, await spawner.get_pod_manifest()

    spawner, pod = asyncio.run(made())
    container = pod.spec.containers[0]
    assert pod.metadata.labels["sallyport.io/zone"] == "sandbox"
    assert pod.spec.automount_service_account_token is False
    text = json.dumps(spawner.extra_container_config) + str(container.security_context)
    assert "ALL" in text and "runAsNonRoot" in text and "worker.json" in str(pod.spec)
    assert container.args[:2] == ["sallyport", "notebook-server"] or container.command == ["sallyport", "notebook-server"]
    assert {one.name: one.value for one in container.env}["SALLYPORT_GATEWAY"] == "http://gateway:8000"


def test_who_is_in_no_group_of_the_claims_file_does_not_get_in(loaded: Any) -> None:
    from oauthenticator.generic import GenericOAuthenticator

    authenticator = GenericOAuthenticator(config=loaded)

    def allowed(*groups: str) -> bool:
        state = {"groups": list(groups), "auth_state": {"oauth_user": {"login": "x", "groups": list(groups)}}}
        return bool(asyncio.run(authenticator.check_allowed("x", {"name": "x", "admin": False, **state})))

    assert (allowed("scientists"), allowed("kitchen"), allowed()) == (True, False, False)
    assert authenticator.enable_pkce and not authenticator.allow_all
    assert not loaded.JupyterHub.admin_access
    for role in loaded.JupyterHub.load_roles:
        assert all(scope == "self" or scope.endswith(("!user", "!server")) for scope in role["scopes"])


@pytest.mark.parametrize(
    ("seconds", "refresh", "answer"),
    [
        (3600, None, True),
        (60, None, True),
        (-1, None, False),
        (60, "good", "renewed"),
        (-1, "good", "renewed"),
        (-1, "bad", False),
    ],
)
def test_a_login_is_renewed_near_its_end_and_ends_where_it_cannot_be(
    loaded: Any, seconds: float, refresh: str | None, answer: Any
) -> None:
    from oauthenticator.generic import GenericOAuthenticator

    class User:
        name = "x"

        async def get_auth_state(self) -> dict[str, Any]:
            return {"token_response": {"id_token": id_token(seconds)}, "refresh_token": refresh}

    async def refreshed() -> Any:
        return await GenericOAuthenticator(config=loaded).refresh_user(User())

    found = asyncio.run(refreshed())
    if answer == "renewed":
        assert found["name"] == "x" and found["auth_state"]["id_token"] != id_token(seconds)
        assert found["auth_state"]["refresh_token"] == "good"
    else:
        assert found is answer
