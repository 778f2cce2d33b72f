"""One byte string for one value: canonical JSON (RFC 8785) and SHA-256 digests written `sha256:<hex>`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import rfc8785

from compliance.errors import InvalidEntry

BLOCK_BYTES = 1 << 20


def canonical_json(value: Any) -> bytes:
    """The canonical JSON of `value` (RFC 8785). Raises InvalidEntry for what JSON cannot hold exactly."""
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
