"""A real OpenID Connect provider for tests: an OpenBao of its own, whose root the tests hold, with people and groups."""

from __future__ import annotations

import base64
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from gateway.embedded import openbao
from gateway.embedded.home import free_ports

PASSWORD = "only for these tests"
CLAIMS = (
    '{"groups": {{identity.entity.groups.names}}, "login": {{identity.entity.name}}, "amr": ["pwd", "mfa"],'
    ' "training_until": {{identity.entity.metadata.training_until}}}'
)
MAPPING = """
claims: {id: login}
groups:
  hospital-stewards: {roles: [data-steward], projects: [readmission]}
  hospital-scientists: {roles: [data-scientist], projects: [readmission, income]}
  hospital-validators: {roles: [model-validator], projects: [readmission]}
"""
PEOPLE = {"grace": "hospital-stewards", "henry": "hospital-scientists", "ida": "hospital-validators", "jack": "hospital-kitchen"}


@dataclass(frozen=True)
class BaoProvider:
    """The provider as its administrator and as its people's browsers use it."""

    http: httpx.Client
    address: str
    client_id: str

    @property
    def issuer(self) -> str:
        return f"{self.address}/v1/identity/oidc/provider/default"

    def admin(self, method: str, path: str, **body: Any) -> Any:
        answer = self.http.request(method, f"/v1/{path}", headers={"X-Vault-Token": "root"}, json=body or None)
        assert answer.is_success, (path, answer.text)
        return answer.json() if answer.content else None

    def session(self, name: str) -> str:
        """What a browser holds in which `name` has logged in at the provider."""
        answer = self.http.post(f"/v1/auth/userpass/login/{name}", json={"password": PASSWORD})
        return str(answer.json()["auth"]["client_token"])

    def authorise(self, address: str, session: str) -> dict[str, str]:
        """What the provider sends back to the client when a browser with that session is led to `address`."""
        asked = dict(parse_qsl(urlsplit(address).query))
        answer = self.http.get("/v1/identity/oidc/provider/default/authorize", params=asked, headers={"X-Vault-Token": session})
        return {name: str(value) for name, value in answer.json().items() if isinstance(value, str)}


@contextmanager
def provider(redirect_uri: str, folder: Path) -> Iterator[BaoProvider]:
    """The provider runs."""
    port = free_ports(1)[0]
    command = [str(openbao.program()), "server", "-dev", "-dev-no-store-token", "-dev-root-token-id=root",
               f"-dev-listen-address=127.0.0.1:{port}"]  # fmt: skip
    with (folder / "provider.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={"HOME": str(folder), "PATH": "/usr/bin:/bin"})
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as http:
            _await(http)
            yield _configured(BaoProvider(http, f"http://127.0.0.1:{port}", ""), redirect_uri)
    finally:
        process.terminate()
        process.wait(10)


def _await(http: httpx.Client) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if http.get("/v1/sys/health").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    raise AssertionError("the provider does not start")


def _configured(made: BaoProvider, redirect_uri: str) -> BaoProvider:
    made.admin("POST", "sys/auth/userpass", type="userpass")
    accessor = made.admin("GET", "sys/auth")["data"]["userpass/"]["accessor"]
    made.admin(
        "PUT", "sys/policies/acl/person", policy='path "identity/oidc/provider/default/authorize" { capabilities = ["read"] }'
    )
    for name, group in PEOPLE.items():
        made.admin("POST", f"auth/userpass/users/{name}", password=PASSWORD, token_policies=["person"])
        facts = {"training_until": str(int(time.time()) + 86_400)}
        entity = made.admin("POST", "identity/entity", name=name, metadata=facts)["data"]["id"]
        made.admin("POST", "identity/entity-alias", name=name, canonical_id=entity, mount_accessor=accessor)
        made.admin("POST", "identity/group", name=group, member_entity_ids=[entity])
    template = base64.b64encode(CLAIMS.encode()).decode()
    made.admin("POST", "identity/oidc/scope/groups", template=template)
    made.admin("POST", "identity/oidc/provider/default", scopes_supported=["groups"], allowed_client_ids=["*"])
    for name in ("gateway", "another"):
        made.admin(
            "POST", f"identity/oidc/client/{name}", redirect_uris=[redirect_uri], assignments=["allow_all"],
            client_type="public", id_token_ttl="30m", access_token_ttl="30m",
        )  # fmt: skip
    found = made.admin("GET", "identity/oidc/client/gateway")["data"]["client_id"]
    return BaoProvider(made.http, made.address, found)
