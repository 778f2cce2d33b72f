"""The smallest whole provider for tests, from authlib's server side: device flow, refresh and client credentials, over HTTP."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc8628 import (
    DEVICE_CODE_GRANT_TYPE,
    DeviceAuthorizationEndpoint,
    DeviceCodeGrant,
    DeviceCredentialDict,
)
from flask import Flask, jsonify
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

KEY = RSAKey.generate_key(2048, {"kid": "device", "use": "sig", "alg": "RS256"})
AUDIENCE = "sallyport"


@dataclass
class Client(ClientMixin):
    """One registered client."""

    client_id: str
    secret: str | None
    grants: tuple[str, ...]

    def get_client_id(self) -> str:
        return self.client_id

    def get_default_redirect_uri(self) -> str:
        return ""

    def get_allowed_scope(self, scope: str) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return False

    def check_client_secret(self, client_secret: str) -> bool:
        return self.secret is not None and secrets.compare_digest(self.secret, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method == "none") == (self.secret is None)

    def check_response_type(self, response_type: str) -> bool:
        return False

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grants


@dataclass
class DeviceProvider:
    """What the provider knows; tests play the person in the browser by `agree` and `refuse`."""

    address: str = ""
    interval: int = 1
    lifetime: int = 600
    slow_down: bool = False
    clients: dict[str, Client] = field(default_factory=dict)
    devices: dict[str, dict[str, Any]] = field(default_factory=dict)
    agreed: dict[str, tuple[str, bool]] = field(default_factory=dict)
    refreshing: dict[str, str] = field(default_factory=dict)
    polls: int = 0
    offers_devices: bool = True

    def agree(self, user_code: str, name: str) -> None:
        self.agreed[user_code] = (name, True)

    def refuse(self, user_code: str) -> None:
        self.agreed[user_code] = ("", False)

    def id_token(self, client: Client, name: str) -> str:
        now = int(time.time())
        said = {
            "iss": self.address, "aud": client.client_id, "sub": f"id-of-{name}", "login": name,
            "iat": now, "exp": now + self.lifetime,
            "auth_time": now, "amr": ["mfa"], "groups": ["hospital-stewards"],
        }  # fmt: skip
        return jwt.encode({"alg": "RS256", "kid": KEY.kid}, said, KEY)

    def access_token(self, client: Client) -> str:
        now = int(time.time())
        said = {
            "iss": self.address, "aud": AUDIENCE, "sub": client.client_id, "client_id": client.client_id, "iat": now,
            "exp": now + self.lifetime,
        }  # fmt: skip
        return jwt.encode({"alg": "RS256", "kid": KEY.kid, "typ": "at+jwt"}, said, KEY)


@contextmanager
def device_provider() -> Iterator[DeviceProvider]:
    """The provider runs."""
    known = DeviceProvider()
    known.clients = {
        "command-line": Client("command-line", None, (DEVICE_CODE_GRANT_TYPE, "refresh_token")),
        "scorer": Client("scorer", "its secret", ("client_credentials",)),
    }
    app = application(known)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    known.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()


def application(known: DeviceProvider) -> Flask:
    app = Flask("device-provider")
    server = AuthorizationServer(app, query_client=known.clients.get, save_token=lambda token, request: None)
    server.register_token_generator("default", lambda **given: token_of(known, **given))

    class Device(DeviceCodeGrant):
        def query_device_credential(self, device_code: str) -> Any:
            known.polls += 1
            found = known.devices.get(device_code)
            return DeviceCredentialDict(found) if found else None

        def query_user_grant(self, user_code: str) -> Any:
            return known.agreed.get(user_code)

        def should_slow_down(self, credential: Any) -> bool:
            return known.slow_down

    class Refresh(grants.RefreshTokenGrant):
        TOKEN_ENDPOINT_AUTH_METHODS = ["none"]  # noqa: RUF012 - authlib's own form
        INCLUDE_NEW_REFRESH_TOKEN = True

        def authenticate_refresh_token(self, refresh_token: str) -> Any:
            name = known.refreshing.pop(refresh_token, None)  # each is good for one renewal
            return Refreshing(name) if name else None

        def authenticate_user(self, refresh_token: Any) -> Any:
            return refresh_token.name

        def revoke_old_credential(self, refresh_token: Any) -> None:
            pass

    class Begin(DeviceAuthorizationEndpoint):
        INTERVAL = 1

        def get_verification_uri(self) -> str:
            return f"{known.address}/device"

        def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
            known.devices[data["device_code"]] = {
                **data, "client_id": client_id, "scope": scope, "expires_at": time.time() + data["expires_in"],
            }  # fmt: skip

    server.register_grant(Device)
    server.register_grant(Refresh)
    server.register_grant(grants.ClientCredentialsGrant)
    server.register_endpoint(Begin)

    @app.get("/.well-known/openid-configuration")
    def discovery() -> Any:
        said = {"issuer": known.address, "jwks_uri": f"{known.address}/keys", "token_endpoint": f"{known.address}/token"}
        if known.offers_devices:
            said["device_authorization_endpoint"] = f"{known.address}/device_authorization"
        return jsonify(said)

    @app.get("/keys")
    def keys() -> Any:
        return jsonify({"keys": [KEY.as_dict(private=False)]})

    @app.post("/device_authorization")
    def begin() -> Any:
        return server.create_endpoint_response(Begin.ENDPOINT_NAME)

    @app.post("/token")
    def token() -> Any:
        return server.create_token_response()

    return app


@dataclass(frozen=True)
class Refreshing:
    """A refresh token's login."""

    name: str

    def check_client(self, client: Any) -> bool:
        return True

    def get_scope(self) -> str:
        return "openid"


def token_of(known: DeviceProvider, *, grant_type: str, client: Any, user: Any = None, **given: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"token_type": "Bearer", "expires_in": known.lifetime, "access_token": known.access_token(client)}
    if user:
        renewal = secrets.token_urlsafe(16)
        known.refreshing[renewal] = user
        said |= {"id_token": known.id_token(client, user), "refresh_token": renewal}
    return said
