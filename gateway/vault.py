"""Vault (or OpenBao) as the gateway uses it: signatures, project keys, short-lived database identities, secrets.

The one module that imports hvac; its errors become ours, and every call has a time limit for all of it.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import hvac
import requests
from hvac.exceptions import Forbidden, InvalidPath, InvalidRequest, VaultDown

from gateway.deadlines import TimedSession
from gateway.errors import VaultError, VaultUnavailable

SECONDS_TO_ANSWER = 10
DRIPPING = 2  # times as long for a whole answer
SIGNING_KEY = "sallyport-evidence"
PROJECTS_KEY = "sallyport-projects"
POLICIES_KEY = "sallyport-policies"
RENEW_BEFORE_SECONDS = 60
KNOWN_KEYS_SECONDS = 5  # a rotated key is trusted everywhere after that


@dataclass(frozen=True, slots=True)
class Credential:
    """A database identity that Vault made and will end; the password is not shown."""

    username: str
    password: str = field(repr=False)
    lease_id: str
    ttl: int


class TransitSigner:
    """Signs with an ed25519 key that never leaves Vault transit (compliance.attestations.Signer)."""

    def __init__(self, vault: Vault, key: str) -> None:
        self._vault, self._key = vault, key
        versions = self._read()
        self._version = versions["latest_version"]
        self._public = base64.b64decode(versions["keys"][str(self._version)]["public_key"])
        self._known, self._known_until = _pems(key, versions), time.monotonic() + KNOWN_KEYS_SECONDS

    @property
    def keyid(self) -> str:
        return f"{self._key}:v{self._version}"

    def sign(self, data: bytes) -> bytes:
        """The 64-byte ed25519 signature of `data`."""
        answer = self._vault.call(
            lambda client: client.secrets.transit.sign_data(self._key, base64.b64encode(data).decode(), key_version=self._version)
        )
        return base64.b64decode(answer["data"]["signature"].rpartition(":")[2])

    def public_key_pem(self) -> str:
        return _pem(self._public)

    def public_keys(self) -> dict[str, str]:
        """keyid -> PEM of every version of the key, also of those it was rotated to or away from; at most some seconds old.

        While Vault does not answer it is what was known last: public keys do not stop being true.
        """
        if time.monotonic() >= self._known_until:
            try:
                self._known = _pems(self._key, self._read())
            except VaultUnavailable:
                return dict(self._known)
            self._known_until = time.monotonic() + KNOWN_KEYS_SECONDS
        return dict(self._known)

    def _read(self) -> dict[str, Any]:
        return dict(self._vault.call(lambda client: client.secrets.transit.read_key(self._key))["data"])


class Vault:
    """One AppRole login; the token is renewed by logging in again shortly before it ends."""

    def __init__(self, address: str, role_id: str, secret_id: str) -> None:
        self.address = address
        self._role_id, self._secret_id = role_id, secret_id
        self._client = new_client(address)
        self._lock = threading.Lock()
        self._until = 0.0

    @classmethod
    def login(cls, address: str, role_id: str, secret_id: str) -> Vault:
        """A Vault that has logged in once. Raises VaultUnavailable, VaultError."""
        vault = cls(address, role_id, secret_id)
        vault._ensure_token()
        return vault

    def call(self, ask: Callable[[Any], Any]) -> Any:
        """What `ask` gets from Vault. Raises VaultUnavailable, VaultError."""
        self._ensure_token()
        return translated(lambda: ask(self._client))

    def signer(self, key: str = SIGNING_KEY) -> TransitSigner:
        """A signer with the evidence key."""
        return TransitSigner(self, key)

    def new_data_key(self) -> tuple[bytes, str]:
        """A new 256-bit key and its wrapped form, which alone may be stored."""
        data = self.call(lambda c: c.secrets.transit.generate_data_key(PROJECTS_KEY, "plaintext"))["data"]
        return base64.b64decode(data["plaintext"]), data["ciphertext"]

    def unwrap_data_key(self, wrapped: str) -> bytes:
        """The key that was wrapped."""
        data = self.call(lambda c: c.secrets.transit.decrypt_data(PROJECTS_KEY, wrapped))["data"]
        return base64.b64decode(data["plaintext"])

    def write_database_role(self, name: str, *, creation: list[str], revocation: list[str], ttl: int, max_ttl: int) -> None:
        """Vault can make PostgreSQL roles named after `name` by these statements, living `ttl` seconds."""
        self.call(
            lambda c: c.secrets.database.create_role(
                name, db_name="live", creation_statements=creation, revocation_statements=revocation,
                default_ttl=f"{ttl}s", max_ttl=f"{max_ttl}s",
            )
        )  # fmt: skip

    def delete_database_role(self, name: str) -> None:
        """Vault makes no more roles of that name."""
        self.call(lambda c: c.secrets.database.delete_role(name))

    def list_database_roles(self, prefix: str) -> list[str]:
        """The names of Vault's database roles that begin with `prefix`."""
        try:
            answer = self.call(lambda c: c.secrets.database.list_roles())
        except VaultError as error:
            if isinstance(error.__cause__, InvalidPath):
                return []
            raise
        return sorted(name for name in answer["data"]["keys"] if name.startswith(prefix))

    def credential(self, role: str) -> Credential:
        """A new PostgreSQL identity of `role`."""
        return credential_of(self.call(lambda c: c.secrets.database.generate_credentials(role)))

    def wrapped_credential(self, role: str, wrap_ttl: int) -> str:
        """A token that gives a new identity of `role` once, within `wrap_ttl` seconds; the gateway never sees it."""
        answer = self.call(lambda c: c.adapter.get(f"/v1/database/creds/{role}", wrap_ttl=f"{wrap_ttl}s"))
        return str(_body(answer)["wrap_info"]["token"])

    def revoke_lease(self, lease_id: str) -> None:
        """The lease has ended, its PostgreSQL role and sessions with it."""
        self.call(lambda c: c.sys.revoke_lease(lease_id))

    def revoke_leases_of_role(self, role: str) -> None:
        """Every lease of the database role has ended."""
        self.call(lambda c: c.adapter.post(f"/v1/sys/leases/revoke-prefix/database/creds/{role}", json={"sync": True}))

    def renew_leases_of_role(self, role: str, seconds: int) -> int:
        """Every lease of the database role lives `seconds` from now if its longest life allows; the least they got, 0 if none."""
        path = f"/v1/sys/leases/lookup/database/creds/{role}"
        try:
            found = list(_data(self.call(lambda c: c.adapter.list(path))).get("keys", ()))
        except VaultError as error:
            if isinstance(error.__cause__, InvalidPath):
                return 0
            raise
        prefix = f"database/creds/{role}/"
        return min((self._renewed(prefix + name, seconds) for name in found), default=0)

    def _renewed(self, lease_id: str, seconds: int) -> int:
        return int(self.call(lambda c: c.sys.renew_lease(lease_id, increment=seconds))["lease_duration"])

    def entity(self, name: str) -> dict[str, Any] | None:
        """What the embedded issuer says of `name` now: its metadata, or None when it does not exist or is disabled."""
        try:
            found = _data(self.call(lambda c: c.adapter.get(f"/v1/identity/entity/name/{quote(name, safe='')}")))
        except VaultError as error:
            if isinstance(error.__cause__, InvalidPath):
                return None
            raise
        return None if found.get("disabled") else dict(found.get("metadata") or {})

    def read_secret(self, path: str) -> dict[str, Any]:
        """The key-value secret at `path`."""
        answer = self.call(lambda c: c.secrets.kv.v2.read_secret_version(path, raise_on_deleted_version=True))
        return dict(answer["data"]["data"])

    def health(self) -> bool:
        """Vault answers and is unsealed."""
        try:
            status = translated(lambda: self._client.sys.read_health_status(method="GET"))
        except (VaultUnavailable, VaultError):
            return False
        return not _body(status).get("sealed", True)

    def _ensure_token(self) -> None:
        with self._lock:
            if time.monotonic() < self._until:
                return
            answer = translated(lambda: self._client.auth.approle.login(self._role_id, self._secret_id))
            self._until = time.monotonic() + max(answer["auth"]["lease_duration"] - RENEW_BEFORE_SECONDS, 1)


def unwrap(address: str, token: str) -> Credential:
    """The credential behind a wrapping token, which is spent by this."""
    client = new_client(address, token)
    return credential_of(_body(translated(client.sys.unwrap)))


def new_client(address: str, token: str | None = None, *, seconds_in_all: float | None = None) -> Any:
    """An hvac client that trusts no environment variable; no call lasts longer, however slowly its answer drips."""
    session = TimedSession()
    session.seconds_in_all = seconds_in_all or SECONDS_TO_ANSWER * DRIPPING
    client = hvac.Client(url=address, token=token, timeout=SECONDS_TO_ANSWER, session=session)
    if token is None:
        client.token = None
    return client


def credential_of(answer: Mapping[str, Any]) -> Credential:
    """The credential in Vault's answer."""
    data = answer["data"]
    return Credential(data["username"], data["password"], answer["lease_id"], int(answer["lease_duration"]))


def translated(call: Callable[[], Any]) -> Any:
    """What `call` gives; Vault's errors become ours, without what was sent."""
    try:
        return call()
    except (VaultDown, requests.RequestException) as error:
        raise VaultUnavailable("Vault does not answer, or is sealed.") from error
    except Forbidden as error:
        raise VaultError("Vault does not let the gateway do this.") from error
    except (InvalidRequest, InvalidPath) as error:
        raise VaultError("Vault refused the request.") from error
    except hvac.exceptions.VaultError as error:
        raise VaultUnavailable("Vault answered with an error of its own.") from error


def _pems(key: str, versions: Mapping[str, Any]) -> dict[str, str]:
    """keyid -> PEM of every version that Vault tells of."""
    numbers = sorted(versions["keys"], key=int)
    return {f"{key}:v{number}": _pem(base64.b64decode(versions["keys"][number]["public_key"])) for number in numbers}


def _pem(raw: bytes) -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = Ed25519PublicKey.from_public_bytes(raw)
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def _body(answer: Any) -> dict[str, Any]:
    """The JSON object that Vault answered with. Raises VaultUnavailable when it is none."""
    try:
        return dict(answer if isinstance(answer, Mapping) else answer.json())
    except (ValueError, TypeError, AttributeError) as error:
        raise VaultUnavailable("Vault answered with something that cannot be read.") from error


def _data(answer: Any) -> dict[str, Any]:
    """The `data` of Vault's answer. Raises VaultUnavailable when there is none."""
    data = _body(answer).get("data")
    if not isinstance(data, Mapping):
        raise VaultUnavailable("Vault answered with something that cannot be read.")
    return dict(data)
