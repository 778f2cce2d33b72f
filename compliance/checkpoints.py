"""Checkpoints: what the ledger's size and root were, as C2SP tlog-checkpoint signed notes that any such tool can check."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from compliance.attestations import Signer
from compliance.errors import UntrustedAttestation

ORIGIN = "sallyport/ledger"
ED25519, COSIGNATURE = 0x01, 0x04  # C2SP signed-note and tlog-cosignature: the byte that tells the kind of signature


def note_text(origin: str, size: int, root: bytes) -> bytes:
    """The text that is signed: origin, size, root (C2SP tlog-checkpoint)."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()


def sign_checkpoint(size: int, root: bytes, signer: Signer, *, origin: str = ORIGIN) -> bytes:
    """The checkpoint as a signed note, under the key name `origin`."""
    text = note_text(origin, size, root)
    return text + b"\n" + signature_line(origin, key_id(origin, signer.public_key_pem()), signer.sign(text))


def cosign_checkpoint(checkpoint: bytes, signer: Signer, *, name: str, now: datetime) -> bytes:
    """The checkpoint with the witness `name`'s signature at `now` added (C2SP tlog-cosignature); checks nothing."""
    text, _, _ = checkpoint.partition(b"\n\n")
    seconds = int(now.timestamp())
    signature = signer.sign(cosigned(text + b"\n", seconds))
    line = signature_line(name, key_id(name, signer.public_key_pem(), COSIGNATURE), seconds.to_bytes(8, "big") + signature)
    return checkpoint + line


def cosigned(text: bytes, seconds: int) -> bytes:
    """The bytes a witness signs for the checkpoint `text` at `seconds` since the epoch."""
    return b"cosignature/v1\ntime %d\n%b" % (seconds, text)


def key_id(name: str, public_key_pem: str, kind: int = ED25519) -> bytes:
    """The four bytes by which a note names the key (C2SP signed-note)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + _raw(public_key_pem)).digest()[:4]


def verifier_key(name: str, public_key_pem: str, kind: int = ED25519) -> str:
    """The key in the form in which other tools take it: name+hash+base64(kind || key)."""
    key = base64.b64encode(bytes([kind]) + _raw(public_key_pem)).decode()
    return f"{name}+{key_id(name, public_key_pem, kind).hex()}+{key}"


def signature_line(name: str, identifier: bytes, signature: bytes) -> bytes:
    """One signature of a note."""
    return f"\u2014 {name} {base64.b64encode(identifier + signature).decode()}\n".encode()


def size_of(checkpoint: bytes) -> int:
    """The number of leaves a checkpoint speaks of. Raises UntrustedAttestation for what is none."""
    try:
        return int(checkpoint.split(b"\n")[1])
    except (IndexError, ValueError) as error:
        raise UntrustedAttestation("This is not a checkpoint.") from error


def _raw(public_key_pem: str) -> bytes:
    key = load_pem_public_key(public_key_pem.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise UntrustedAttestation("The key is not an ed25519 key.")
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
