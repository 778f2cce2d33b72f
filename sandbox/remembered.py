"""What an earlier build made of texts, so that a rebuild scrubs only those that changed, and gives the same bytes.

A text is known by a keyed digest of all that decides its outcome: the text, its person's record, the move of its dates and the
scrubber's recipe. Whatever of it changes, the text is scrubbed anew. What is kept are scrubbed texts, sealed with the project's
key (AES-256-GCM, NIST SP 800-38D): without the key nobody reads it, and nobody puts another text in. Only what the last build
used is kept, so nothing of a person outlives their rows.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from compliance.canonical import canonical_json
from sandbox.text.surrogates import Surrogates

KIND = b"remembered-texts\x00"
NONCE_BYTES, NAME_BYTES = 12, 16

Scrub = Callable[..., list[str | None]]


@dataclass(slots=True)
class Remembered:
    """`known` are the outcomes of the build before, `used` those of this one; `made` counts the texts that were scrubbed."""

    key: bytes = field(repr=False)
    known: Mapping[str, str] = field(default_factory=dict, repr=False)
    used: dict[str, str] = field(default_factory=dict, repr=False)
    taken: int = 0
    made: int = 0

    @classmethod
    def opened(cls, key: bytes, sealed: bytes | None) -> Remembered:
        """What `seal` wrote under the same key; nothing where it is absent or anything of it was changed."""
        try:
            plain = AESGCM(_sealing_key(key)).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], KIND) if sealed else b"{}"
            return cls(key, json.loads(plain))
        except (InvalidTag, ValueError):
            return cls(key)

    def seal(self) -> bytes:
        """What this build used, for the next one."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(_sealing_key(self.key)).encrypt(nonce, json.dumps(self.used).encode(), KIND)

    def scrub(
        self, scrub: Scrub, recipe: Mapping[str, Any], texts: Sequence[str | None], known: Sequence[Mapping[str, str]],
        surrogates: Sequence[Surrogates], progress: Callable[[int], None],
    ) -> list[str | None]:  # fmt: skip
        """What `scrub` would give for all texts; it is asked about those that are not remembered, each once."""
        stamp = canonical_json(dict(recipe))
        moves: Sequence[Surrogates | None] = surrogates or [None] * len(texts)
        names = [
            None if text is None else self._name(stamp, text, record, move)
            for text, record, move in zip(texts, known, moves, strict=True)
        ]
        new = {n: i for i, n in enumerate(names) if n is not None and n not in self.known and n not in self.used}
        places = list(new.values())
        rest = [[given[i] for i in places] for given in (texts, known, surrogates) if given]
        self.made += len(places)
        self.taken += sum(name is not None for name in names) - len(places)
        made = scrub(*rest[:2], progress, *rest[2:]) if places else []
        self.used |= dict(zip(new, (text or "" for text in made), strict=True))
        self.used |= {name: self.known[name] for name in names if name is not None and name in self.known}
        return [None if name is None else self.used[name] for name in names]

    def _name(self, stamp: bytes, text: str, record: Mapping[str, str], move: Surrogates | None) -> str:
        told = [sorted(record.items()), move.days if move else None, text]
        message = KIND + stamp + b"\x00" + json.dumps(told).encode()
        return hmac.digest(self.key, message, "sha256")[:NAME_BYTES].hex()


def _sealing_key(key: bytes) -> bytes:
    """A key of its own for sealing, derived from the project's."""
    return hmac.digest(key, KIND + b"seal", hashlib.sha256)
