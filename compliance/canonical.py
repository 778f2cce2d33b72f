"""One byte string for one value: canonical JSON (RFC 8785) and SHA-256 digests written `sha256:<hex>`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import rfc8785

from compliance.errors import InvalidEntry

BLOCK_BYTES = 1 << 20
LARGEST_INTEGER = 2**53 - 1  # RFC 8785 3.2.2.3: what a double holds exactly
PLAIN = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False)


def canonical_json(value: Any) -> bytes:
    """The canonical JSON of `value` (RFC 8785). Raises InvalidEntry for what JSON cannot hold exactly."""
    if _plain(value):  # the standard library writes such values in the same bytes, several times faster
        return PLAIN.encode(value).encode()
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeError) as error:
        raise InvalidEntry("The value has no canonical JSON form (RFC 8785).") from error


def digest(data: bytes) -> str:
    """The SHA-256 digest of `data` as `sha256:<64 hex>`."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """The digest of the file's bytes, read in blocks."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def _plain(value: Any, depth: int = 0) -> bool:
    """Whether `value` holds nothing in which JSON of the standard library differs from RFC 8785.

    It differs in floats, in integers beyond a double, in lone surrogates and in the order of names that are not ASCII.
    """
    kind = type(value)
    if kind is str:
        return bool(value.isascii()) or _encodes(value)
    if kind is bool or value is None:
        return True
    if kind is int:
        return bool(-LARGEST_INTEGER <= value <= LARGEST_INTEGER)
    if depth > 50:
        return False
    if kind is dict:
        return all(type(name) is str and name.isascii() and _plain(item, depth + 1) for name, item in value.items())
    return (kind is list or kind is tuple) and all(_plain(item, depth + 1) for item in value)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
