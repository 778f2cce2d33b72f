"""A signed snapshot in a folder, for the tests of what is done with one."""

from __future__ import annotations

import json
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from compliance.attestations import Statement, sign_statement
from sandbox.manifests import MANIFEST
from sandbox.snapshots import Built


class LocalSigner:
    """An ed25519 key in memory, in place of one in Vault (same Protocol)."""

    keyid = "k:v1"

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(b"s" * 32)

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)

    def public_key_pem(self) -> str:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


SIGNER = LocalSigner()
KEYS = {SIGNER.keyid: SIGNER.public_key_pem()}


def signed(built: Built) -> tuple[Path, Statement]:
    """The snapshot's folder with its manifest in it, and its statement."""
    (built.path / MANIFEST).write_text(json.dumps(sign_statement(built.statement, SIGNER)))
    return built.path, built.statement
