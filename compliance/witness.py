"""A witness: a second signer, run by somebody else, that signs a checkpoint only when the ledger has grown since the last it saw.

What it saw last stands in a file of its own. Whoever rewrites the ledger would have to rewrite that too, and holds neither key.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key, load_pem_public_key

from compliance.attestations import Signer
from compliance.checkpoints import ORIGIN, cosign_checkpoint, key_id, size_of
from compliance.errors import CheckpointRefused
from compliance.publishing import root_of
from compliance.verify import consistent


class FileSigner:
    """An ed25519 key in a PEM file of the witness's own. Raises ValueError for another kind of file."""

    def __init__(self, path: Path) -> None:
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("The key is not an ed25519 private key.")
        self._key = key

    @property
    def keyid(self) -> str:
        return "witness"

    def sign(self, data: bytes) -> bytes:
        """The 64-byte ed25519 signature of `data`."""
        return self._key.sign(data)

    def public_key_pem(self) -> str:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@dataclass(frozen=True, slots=True)
class Witness:
    """Signs as `name` what the log of `log_key` (PEM) says, as long as it agrees with what stands in `state`."""

    name: str
    signer: Signer
    log_key: str
    state: Path
    origin: str = ORIGIN

    def last(self) -> bytes | None:
        """The last checkpoint signed, whose size a consistency proof must begin at."""
        return self.state.read_bytes() if self.state.exists() else None

    def sign(self, checkpoint: bytes, proof: Sequence[bytes], *, now: datetime) -> bytes:
        """The checkpoint with this witness's signature, which is remembered. Raises CheckpointRefused."""
        self._require_signed_by_the_log(checkpoint)
        with self._alone():
            self._require_growth(checkpoint, proof)
            cosigned = cosign_checkpoint(checkpoint, self.signer, name=self.name, now=now)
            partial = self.state.with_suffix(".partial")
            with partial.open("wb") as file:
                file.write(cosigned)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self.state)
        return cosigned

    def _require_growth(self, checkpoint: bytes, proof: Sequence[bytes]) -> None:
        before = self.last()
        if before is None:
            return
        old, size = size_of(before), size_of(checkpoint)
        if size < old:
            raise CheckpointRefused(f"The ledger had {old} entries and is said to have {size}: it was cut.")
        if not consistent(old, root_of(before), size, root_of(checkpoint), list(proof)):
            raise CheckpointRefused(f"Nothing proves that the ledger of {size} entries begins with the {old} seen before.")

    def _require_signed_by_the_log(self, checkpoint: bytes) -> None:
        key = load_pem_public_key(self.log_key.encode())
        text, _, signatures = checkpoint.partition(b"\n\n")
        wanted = key_id(self.origin, self.log_key)
        if not text.startswith(self.origin.encode() + b"\n") or len(root_of(checkpoint)) != 32:
            raise CheckpointRefused("This is not a checkpoint of the ledger that is witnessed.")
        for name, raw in _signatures(signatures):
            if name == self.origin and raw[:4] == wanted and isinstance(key, Ed25519PublicKey):
                try:
                    key.verify(raw[4:], text + b"\n")
                    return
                except InvalidSignature:
                    continue
        raise CheckpointRefused("The ledger's key did not sign this checkpoint.")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process of this witness compares and signs meanwhile."""
        self.state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.state.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _signatures(lines: bytes) -> Iterator[tuple[str, bytes]]:
    import base64
    import binascii

    for line in lines.decode("utf-8", "replace").splitlines():
        words = line.split(" ")
        if len(words) == 3 and words[0] == "\u2014":
            try:
                yield words[1], base64.b64decode(words[2], validate=True)
            except binascii.Error:
                continue
