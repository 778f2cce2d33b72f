"""Logging in at an organisation's OpenID Connect provider: authorization code with PKCE, device flow, client credentials.

The one module that imports authlib. What a provider answers is believed only after TokenVerifier checked the token in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from gateway.deadlines import TimedSession
from gateway.errors import LoginFailed, SettingsInvalid
from gateway.identity import IssuerUnavailable
from gateway.settings import Settings

SECONDS_TO_ANSWER = 5
SECONDS_IN_ALL = 10.0
KNOWN_SECONDS = 600
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
CALLBACK = "/web/login/callback"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class DeviceFlowNotOffered(LoginFailed):
    """The provider has no login for devices without a browser of their own."""

    code: ClassVar[str] = "device_flow_not_offered"


class LoginPending(LoginFailed):
    """The person has not finished the login in the browser yet."""

    code: ClassVar[str] = "login_pending"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login gave; nothing of it is shown."""

    token: str = field(repr=False)
    refresh: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """A login that a person finishes in any browser (RFC 8628)."""

    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    interval: float
    expires_in: float


class Provider:
    """One issuer as its discovery document describes it (OpenID Connect Discovery 1.0), and one client of ours at it."""

    def __init__(
        self, issuer: str, client_id: str = "", *, secret: str | None = None, scopes: str = "openid", redirect_uri: str = ""
    ) -> None:
        self.issuer, self.client_id, self.redirect_uri = issuer, client_id, redirect_uri
        self._secret, self._scopes = secret, scopes
        self._known: dict[str, Any] = {}
        self._until = 0.0

    def keys(self) -> Mapping[str, Any]:
        """The provider's public keys (RFC 7517). Raises IssuerUnavailable."""
        return _json(self._address("jwks_uri"))

    def login_address(self, *, state: str, nonce: str, verifier: str, max_age: int | None = None) -> str:
        """Where a browser goes to log in (RFC 6749 4.1.1, RFC 7636)."""
        more = {} if max_age is None else {"max_age": str(max_age)}
        with self._client() as client:
            address, _ = client.create_authorization_url(
                self._address("authorization_endpoint"), state=state, code_verifier=verifier, nonce=nonce, **more
            )
        return str(address)

    def exchange(self, code: str, verifier: str) -> Tokens:
        """The tokens behind a code, which is spent by this. Raises LoginFailed, IssuerUnavailable."""
        return self._tokens(grant_type="authorization_code", code=code, code_verifier=verifier, redirect_uri=self.redirect_uri)

    def refresh(self, refresh_token: str) -> Tokens:
        """Newer tokens of the same login. Raises LoginFailed when the provider has ended it, IssuerUnavailable."""
        made = self._tokens(grant_type="refresh_token", refresh_token=refresh_token)
        return Tokens(made.token, made.refresh or refresh_token)

    def service_token(self) -> str:
        """A token of the client itself (RFC 6749 4.4). Raises LoginFailed, IssuerUnavailable."""
        with self._client() as client:
            answer = _asked(lambda: client.fetch_token(self._address("token_endpoint"), grant_type="client_credentials"))
        return _text(answer, "access_token")

    def begin_device_login(self) -> DeviceLogin:
        """A login was begun that a person finishes in a browser. Raises DeviceFlowNotOffered, IssuerUnavailable."""
        if "device_authorization_endpoint" not in self._document():
            raise DeviceFlowNotOffered("The identity provider does not offer logins from a command line.")
        form = {"client_id": self.client_id, "scope": self._scopes}
        answer = _json(self._address("device_authorization_endpoint"), form)
        return DeviceLogin(
            _text(answer, "device_code"), _text(answer, "user_code"), _web(_text(answer, "verification_uri")),
            float(answer.get("interval", 5)), float(answer.get("expires_in", 600)),
        )  # fmt: skip

    def finish_device_login(self, begun: DeviceLogin) -> Tokens:
        """The tokens, once the person has agreed. Raises LoginPending until then, LoginFailed when they did not."""
        return self._tokens(grant_type=DEVICE_GRANT, device_code=begun.device_code)

    def _tokens(self, **sent: str) -> Tokens:
        with self._client() as client:
            answer = _asked(lambda: client.fetch_token(self._address("token_endpoint"), **sent))
        refresh = answer.get("refresh_token")
        return Tokens(_text(answer, "id_token"), refresh if isinstance(refresh, str) else None)

    def _client(self) -> Any:
        from authlib.integrations.requests_client import OAuth2Session

        class Session(TimedSession, OAuth2Session):  # type: ignore[misc]
            seconds_in_all = SECONDS_IN_ALL

        return Session(
            client_id=self.client_id, client_secret=self._secret, scope=self._scopes, redirect_uri=self.redirect_uri,
            code_challenge_method="S256", default_timeout=SECONDS_TO_ANSWER,
            token_endpoint_auth_method="client_secret_basic" if self._secret else "none",
        )  # fmt: skip

    def _address(self, name: str) -> str:
        try:
            return _web(str(self._document()[name]))
        except KeyError as error:
            raise IssuerUnavailable(f"The identity provider does not say its {name}, so nobody is let in.") from error

    def _document(self) -> Mapping[str, Any]:
        """The discovery document, which must be the configured issuer's own (Discovery 1.0, 4.3)."""
        if time.monotonic() > self._until:
            found = _json(self.issuer.rstrip("/") + "/.well-known/openid-configuration")
            if found.get("issuer") != self.issuer:
                raise IssuerUnavailable("The identity provider calls itself by another name than the settings do.")
            self._known, self._until = dict(found), time.monotonic() + KNOWN_SECONDS
        return self._known


def login_provider(settings: Settings) -> Provider | None:
    """Where people log in to the pages, if the settings name a client there. Raises SettingsInvalid."""
    if settings.oidc_client_id is None:
        return None
    return Provider(
        settings.oidc_issuer, settings.oidc_client_id, secret=_secret(settings.oidc_client_secret_file),
        scopes=settings.oidc_scopes, redirect_uri=settings.gateway_url.rstrip("/") + CALLBACK,
    )  # fmt: skip


def command_line_provider(settings: Settings) -> Provider | None:
    """Where people log in from a command line, and services for themselves, if the settings name a client there."""
    client = settings.oidc_cli_client_id or settings.oidc_client_id
    if client is None:
        return None
    secret = None if settings.oidc_cli_client_id else _secret(settings.oidc_client_secret_file)
    return Provider(settings.oidc_issuer, client, secret=secret, scopes=settings.oidc_scopes)


def signing_keys(settings: Settings) -> Callable[[], Mapping[str, Any]]:
    """Gets the issuer's keys, from where the settings or its discovery document say. Raises IssuerUnavailable when called."""
    address = settings.oidc_jwks_url
    return Provider(settings.oidc_issuer).keys if address is None else lambda: _json(address)


def _secret(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text("utf-8").strip() or None
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"SALLYPORT_OIDC_CLIENT_SECRET_FILE: {file} cannot be read.") from error


def _asked(ask: Any) -> Mapping[str, Any]:
    """The token endpoint's answer. Raises LoginFailed where it refuses, IssuerUnavailable where it fails."""
    import requests
    from authlib.integrations.base_client import OAuthError

    try:
        answer = ask()
    except OAuthError as error:
        if error.error in ("authorization_pending", "slow_down"):
            raise LoginPending(error.error) from error
        raise LoginFailed("The identity provider did not accept the login; begin it again.") from error
    except (requests.RequestException, ValueError, TypeError) as error:
        raise IssuerUnavailable("The identity provider does not answer, so nobody is let in.") from error
    if not isinstance(answer, Mapping):
        raise IssuerUnavailable("The identity provider answered with something that cannot be read.")
    return answer


def _json(address: str, form: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    """The JSON object at the address, or the answer to the form. Raises IssuerUnavailable."""
    import requests

    session = TimedSession()
    session.seconds_in_all = SECONDS_IN_ALL
    try:
        answer = session.request("GET" if form is None else "POST", address, data=form, timeout=SECONDS_TO_ANSWER)
        answer.raise_for_status()
        found = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise IssuerUnavailable("The identity provider does not answer, so nobody is let in.") from error
    finally:
        session.close()
    if not isinstance(found, dict):
        raise IssuerUnavailable("The identity provider answered with something that cannot be read.")
    return found


def _text(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise LoginFailed(f"The identity provider gave no {name}; ask your operator whether the scopes are right.")
    return value


def _web(address: str) -> str:
    """An address that may be gone to: https, or http on this machine alone. Raises IssuerUnavailable."""
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise IssuerUnavailable("The identity provider names an address that is not https.")
    return address
