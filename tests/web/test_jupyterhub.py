"""A real JupyterHub with Sallyport's configuration: people log in at a real provider and run cells in the jail."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from bao_provider import MAPPING, BaoProvider, provider

from gateway.api.app import create_app
from gateway.composition import compose
from gateway.embedded.home import free_ports
from gateway.settings import Settings

PROXY = os.environ.get("SALLYPORT_CHP") or shutil.which("configurable-http-proxy")
CONFIG = Path(__file__).parents[2] / "deploy" / "jupyterhub" / "jupyterhub_config.py"
pytestmark = [
    pytest.mark.skipif(
        PROXY is None,
        reason="NO PROXY: no JupyterHub was started; install configurable-http-proxy (npm) or name it in SALLYPORT_CHP",
    ),
    pytest.mark.timeout(400),
]
SECONDS_TO_START = 120


@dataclass(frozen=True)
class Hub:
    url: str
    api_port: int
    organisation: BaoProvider
    log: Path


@pytest.fixture(scope="module")
def hub(stack_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    """The hub runs beside a gateway that trusts the same provider; servers are processes of this account."""
    folder = Path(tmp_path_factory.mktemp("hub"))
    port, inner, proxy, here = free_ports(4)
    url = f"http://127.0.0.1:{port}"
    (folder / "claims.yaml").write_text(MAPPING, "utf-8")
    with provider(f"{url}/hub/oauth_callback", folder) as organisation, _gateway(organisation, folder, here) as socket:
        settings = {
            "PATH": f"{Path(sys.executable).parent}:{Path(str(PROXY)).parent}:{os.environ['PATH']}", "HOME": str(folder),
            "SALLYPORT_GATEWAY": f"http://127.0.0.1:{here}", "SALLYPORT_GATEWAY_SOCKET": str(socket),
            "SALLYPORT_NOTEBOOKS": str(folder / "people"), "SALLYPORT_OIDC_ISSUER": organisation.issuer,
            "SALLYPORT_HUB_CLIENT_ID": organisation.client_id, "SALLYPORT_HUB_URL": url, "SALLYPORT_HUB_BIND": url,
            "SALLYPORT_HUB_IP": "127.0.0.1", "SALLYPORT_OIDC_CLAIMS_FILE": str(folder / "claims.yaml"),
            "SALLYPORT_OIDC_SCOPES": "openid groups", "SALLYPORT_HUB_SPAWNER": "simple",
            "JUPYTERHUB_CRYPT_KEY": secrets.token_hex(32), "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(16),
        }  # fmt: skip
        words = [f"--JupyterHub.hub_port={inner}", f"--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{proxy}"]
        if os.geteuid() == 0:
            words.append("--Spawner.args=--allow-root")
        command = [sys.executable, "-m", "jupyterhub", "-f", str(CONFIG), *words]
        with (folder / "hub.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=folder, env=settings, stdout=log, stderr=log)
        try:
            _until(lambda: httpx.get(f"{url}/hub/api/", trust_env=False).status_code == 200, folder / "hub.log")
            yield Hub(url, inner, organisation, folder / "hub.log")
        finally:
            process.terminate()
            process.wait(60)


class _gateway:  # noqa: N801 - used as a context
    """A gateway on the running stack's database that trusts `organisation`, on a port and on a Unix socket."""

    def __init__(self, organisation: BaoProvider, folder: Path, port: int) -> None:
        self.organisation, self.folder, self.port = organisation, folder, port

    def __enter__(self) -> Path:
        import uvicorn

        from sandbox.notebook.way_out import open_way_out

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SALLYPORT_OIDC_ISSUER", self.organisation.issuer)
            patch.setenv("SALLYPORT_OIDC_CLIENT_ID", self.organisation.client_id)
            patch.setenv("SALLYPORT_OIDC_AUDIENCE", self.organisation.client_id)
            patch.setenv("SALLYPORT_OIDC_CLAIMS_FILE", str(self.folder / "claims.yaml"))
            given = compose(Settings.load())
        self.server = uvicorn.Server(uvicorn.Config(create_app(given), host="127.0.0.1", port=self.port, log_level="error"))
        threading.Thread(target=self.server.run, daemon=True).start()
        _until(lambda: httpx.get(f"http://127.0.0.1:{self.port}/health/live", trust_env=False).status_code == 200, None)
        socket = self.folder / "g.sock"
        open_way_out(socket, f"http://127.0.0.1:{self.port}")
        return socket

    def __exit__(self, *_: object) -> None:
        self.server.should_exit = True


def test_a_person_logs_in_at_the_provider_and_runs_a_cell_in_the_jail(hub: Hub) -> None:
    browser = httpx.Client(base_url=hub.url, follow_redirects=True, timeout=60, trust_env=False)
    assert _log_in(hub, browser, "henry") == 200, hub.log.read_text()[-3000:]
    token = _own_token(browser, "henry")
    browser.get("/hub/spawn/henry")
    headers = {"Authorization": f"token {token}"}
    _until(lambda: browser.get("/user/henry/api/status", headers=headers).status_code == 200, hub.log)
    offered = browser.get("/user/henry/api/kernelspecs", headers=headers).json()
    assert list(offered["kernelspecs"]) == ["sallyport"]
    said = _run(hub, "henry", token, browser, CELL)
    assert said == "['lo'] False henry", (said, hub.log.read_text()[-3000:])
    assert browser.get("/user/henry/api/terminals", headers=headers).status_code == 404


def test_who_is_in_no_group_that_the_gateway_knows_does_not_get_in(hub: Hub) -> None:
    browser = httpx.Client(base_url=hub.url, follow_redirects=True, timeout=60, trust_env=False)
    assert _log_in(hub, browser, "jack") == 403


def test_another_persons_server_is_closed(hub: Hub) -> None:
    browser = httpx.Client(base_url=hub.url, follow_redirects=True, timeout=60, trust_env=False)
    assert _log_in(hub, browser, "grace") == 200
    headers = {"Authorization": f"token {_own_token(browser, 'grace')}"}
    assert browser.get("/user/henry/api/contents", headers=headers).status_code == 403
    assert browser.get("/hub/api/users/henry", headers=headers).status_code in (403, 404)


CELL = """
import socket, os, sandbox.client as sp
from sandbox.client import connection
print([name for _, name in socket.if_nameindex()], any(name.startswith("JUPYTERHUB") for name in os.environ),
      connection.call("GET", "/v1/whoami")["id"])
"""


def _log_in(hub: Hub, browser: httpx.Client, name: str) -> int:
    """What the hub answers a person whom the provider knows."""
    started = browser.get("/hub/oauth_login", follow_redirects=False)
    assert started.status_code == 302, started.text[:500]
    sent = hub.organisation.authorise(started.headers["location"], hub.organisation.session(name))
    assert parse_qs(urlsplit(started.headers["location"]).query)["code_challenge_method"] == ["S256"]
    return browser.get("/hub/oauth_callback", params=sent, follow_redirects=True).status_code


def _own_token(browser: httpx.Client, name: str) -> str:
    headers = {"X-XSRFToken": browser.cookies.get("_xsrf", path="/hub/") or "", "Referer": f"{browser.base_url}/hub/home"}
    answer = browser.post(f"/hub/api/users/{name}/tokens", json={"note": "test"}, headers=headers)
    assert answer.is_success, answer.text
    return str(answer.json()["token"])


def _run(hub: Hub, name: str, token: str, browser: httpx.Client, code: str) -> str:
    """What a cell in a new kernel prints."""
    import websocket

    headers = {"Authorization": f"token {token}"}
    kernel = browser.post(f"/user/{name}/api/kernels", json={"name": "sallyport"}, headers=headers).json()["id"]
    address = f"{hub.url.replace('http', 'ws')}/user/{name}/api/kernels/{kernel}/channels"
    channel = websocket.create_connection(address, header=[f"Authorization: token {token}"], timeout=90)
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "s", "username": name, "version": "5.3"}
    content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
    channel.send(json.dumps(
        {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []}
    ))  # fmt: skip
    said = ""
    while True:
        message: dict[str, Any] = json.loads(channel.recv())
        if message.get("parent_header", {}).get("msg_id") != header["msg_id"]:
            continue
        said += message["content"].get("text", "") + message["content"].get("ename", "")
        if message["header"]["msg_type"] == "execute_reply":
            time.sleep(0.3)
            channel.close()
            return said.strip()


def _until(answered: Any, log: Path | None) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            if answered():
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < end, log.read_text()[-4000:] if log else "does not start"
        time.sleep(0.2)
