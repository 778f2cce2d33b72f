"""The policies' bundle signed by a key in Vault transit, which OPA servers are configured to verify it with.

OPA takes RSA and ECDSA, not the Ed25519 of evidence; so this is a key of its own, on P-256 (ES256, RFC 7518 3.4).
"""

from __future__ import annotations

import base64
from typing import Any

from gateway.errors import VaultError
from gateway.vault import POLICIES_KEY, Vault

ALGORITHM = "ES256"


class PolicySigner:
    """The newest version of the key at the time it was made (policies.served.BundleSigner)."""

    algorithm = ALGORITHM

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        try:
            told = dict(vault.call(lambda client: client.secrets.transit.read_key(POLICIES_KEY))["data"])
        except VaultError as error:
            raise VaultError(f"Vault has no key {POLICIES_KEY}, or does not let the gateway see it.") from error
        self._version = int(told["latest_version"])
        self._public: dict[str, Any] = told["keys"]

    @property
    def keyid(self) -> str:
        return _keyid(self._version)

    def sign(self, data: bytes) -> bytes:
        """The signature of `data` as a JSON Web Signature has it: 64 bytes, r and s."""
        answer = self._vault.call(
            lambda client: client.secrets.transit.sign_data(
                POLICIES_KEY, base64.b64encode(data).decode(), key_version=self._version, hash_algorithm="sha2-256",
                marshaling_algorithm="jws",
            )
        )  # fmt: skip
        text = str(answer["data"]["signature"]).rpartition(":")[2]
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    def public_keys(self) -> dict[str, str]:
        """keyid -> PEM of every version of the key."""
        return {_keyid(int(number)): str(self._public[number]["public_key"]) for number in sorted(self._public, key=int)}


def _keyid(version: int) -> str:
    return f"{POLICIES_KEY}:v{version}"
