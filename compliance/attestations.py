"""Signed statements about bytes: in-toto Statement v1 in a DSSE envelope, ed25519 (RFC 8032).

The private key is wherever the Signer keeps it (in Sallyport: Vault transit); this module never sees it.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from compliance.canonical import canonical_json
from compliance.errors import UntrustedAttestation

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


class Signer(Protocol):
    """Signs with one ed25519 key that it does not give away."""

    @property
    def keyid(self) -> str: ...

    def sign(self, data: bytes) -> bytes:
        """The 64-byte ed25519 signature of `data`."""
        ...

    def public_key_pem(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Subject:
    """Bytes by name and digest (`sha256:<hex>`)."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Statement:
    """What is said (`predicate`, of `predicate_type`) about which bytes (`subjects`)."""

    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The in-toto Statement v1."""
        return {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": s.name, "digest": {"sha256": s.digest.removeprefix("sha256:")}} for s in self.subjects],
            "predicateType": self.predicate_type,
            "predicate": dict(self.predicate),
        }


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: DSSE's pre-authentication encoding (DSSE v1)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_statement(statement: Statement, signer: Signer) -> dict[str, Any]:
    """The DSSE envelope of `statement`, signed."""
    payload = canonical_json(statement.as_json())
    signature = signer.sign(pae(PAYLOAD_TYPE, payload))
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": signer.keyid, "sig": base64.b64encode(signature).decode()}],
    }


def verify_envelope(envelope: Any, public_keys: Mapping[str, str]) -> Statement:
    """The statement in `envelope`, signed by one of `public_keys` (keyid -> PEM). Raises UntrustedAttestation."""
    try:
        payload = base64.b64decode(envelope["payload"], validate=True)
        signed = pae(envelope["payloadType"], payload)
        if envelope["payloadType"] != PAYLOAD_TYPE or not any(
            _signed_by(signature, signed, public_keys) for signature in envelope["signatures"]
        ):
            raise UntrustedAttestation("No trusted key signed this attestation.")
        return _statement(json.loads(payload))
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise UntrustedAttestation("This is not an attestation of the right form.") from error


def said(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The predicate in an envelope of this project's own database, whose signature was or will be verified elsewhere."""
    return dict(json.loads(base64.b64decode(envelope["payload"]))["predicate"])


def _signed_by(signature: Mapping[str, str], data: bytes, public_keys: Mapping[str, str]) -> bool:
    pem = public_keys.get(signature["keyid"])
    if pem is None:
        return False
    key = load_pem_public_key(pem.encode())
    if not isinstance(key, Ed25519PublicKey):
        return False
    try:
        key.verify(base64.b64decode(signature["sig"], validate=True), data)
    except InvalidSignature:
        return False
    return True


def _statement(value: Mapping[str, Any]) -> Statement:
    if value["_type"] != STATEMENT_TYPE:
        raise UntrustedAttestation("This is not an in-toto Statement v1.")
    subjects = tuple(Subject(s["name"], "sha256:" + s["digest"]["sha256"]) for s in value["subject"])
    return Statement(subjects, value["predicateType"], value["predicate"])
