"""What a cookie's holder alone can open: values sealed with a key that is derived from the cookie and kept nowhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any


def derive(purpose: str, cookie: str) -> bytes:
    """32 bytes for one purpose; the cookie is 256 random bits, so one HMAC is enough of a derivation."""
    return hmac.new(cookie.encode("utf-8", "replace"), f"sallyport web {purpose}".encode(), hashlib.sha256).digest()


def sealed(purpose: str, cookie: str, said: Mapping[str, Any]) -> bytes:
    """`said`, to be opened with the cookie alone."""
    return bytes(_box(purpose, cookie).encrypt(json.dumps(said).encode()))


def opened(purpose: str, cookie: str, box: bytes) -> dict[str, Any] | None:
    """What was sealed, or None when this cookie did not seal it."""
    from cryptography.fernet import InvalidToken

    try:
        return dict(json.loads(_box(purpose, cookie).decrypt(box)))
    except (InvalidToken, ValueError):
        return None


def form_token(cookie: str) -> str:
    """The proof that a form was made for the holder of `cookie`; the cookie cannot be told from it."""
    return derive("form", cookie).hex()


def same(given: str, expected: str) -> bool:
    """Whether both are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def _box(purpose: str, cookie: str) -> Any:
    from cryptography.fernet import Fernet

    return Fernet(base64.urlsafe_b64encode(derive(purpose, cookie)))
