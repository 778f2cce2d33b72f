"""Values on their way into the embedded engine and back, so that nothing is changed on the way.

The engine's C interface cuts texts at NUL, keeps the low 64 bits of a large integer and writes some characters unescaped. Only
plain values go in: any other text becomes a plain one that stands for it alone, and comes back as it was. Policy compares texts
and never looks into them (but for spaces), so no answer depends on it.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from typing import Any

# Beyond this many levels there is nothing a rule reads; the engine, which recurses, is given null instead.
DEEPEST = 40
LARGEST = 2**53 - 1  # RFC 8259 section 6; the rules take no larger number for whole either
PLAIN = re.compile(r"(?!~)[A-Za-z0-9_ .,:;/@#=+*()<>!?%&|'~\[\]-]*", re.ASCII).fullmatch
PLAIN_LINES = re.compile(r"[A-Za-z0-9_ .,:;/@#=+*()<>!?%&|'~\[\]\n-]*", re.ASCII).fullmatch
MARK = "~"
NOT_WHOLE = 0.5


def encoded(value: Any, depth: int = 0) -> Any:
    """`value` in plain texts and small numbers only. Raises TypeError for what is no JSON value."""
    if isinstance(value, str):
        return plain(value).decode()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return number(value)
    if depth == DEEPEST:
        return None
    if isinstance(value, Mapping):
        return {encoded(_text(key)): encoded(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encoded(item, depth + 1) for item in value]
    raise TypeError("Policy is asked about JSON values only.")


def decoded(value: Any) -> Any:
    """What `encoded` was given."""
    if isinstance(value, str):
        return bytes.fromhex(value[1:]).decode("utf-8", "surrogatepass") if value.startswith(MARK) else value
    if isinstance(value, dict):
        return {decoded(key): decoded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [decoded(item) for item in value]
    return value


def plain(text: str) -> bytes:
    """A plain text as it is, any other as a plain one that stands for it alone."""
    if PLAIN(text):
        return text.encode()
    return (MARK + text.encode("utf-8", "surrogatepass").hex()).encode()


def plain_all(texts: list[str]) -> tuple[bytes, ...] | None:
    """Each of `texts` as `plain` has it, where all of them are plain; None where one is not, or is no text."""
    try:
        joined = "\n".join(texts)
    except TypeError:
        return None
    return _parted(joined, len(texts))


@functools.lru_cache(maxsize=1_024)
def _parted(joined: str, number: int) -> tuple[bytes, ...] | None:
    """The plain texts that were joined; remembered, as a question names the same columns more than once, and so does the next."""
    if not PLAIN_LINES(joined) or joined.startswith(MARK) or "\n" + MARK in joined:
        return None
    parts = tuple(joined.encode().split(b"\n"))
    return parts if len(parts) == number else None


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError("Policy is asked about JSON values only.")
    return key


def number(value: float) -> float:
    """A small whole number as it is, a larger one just beyond the largest that rules take, any other as one that is not whole."""
    if isinstance(value, float) and not value.is_integer() and not math.isinf(value):
        return NOT_WHOLE
    if abs(value) > LARGEST:
        return LARGEST + 1 if value > 0 else -LARGEST - 1
    return int(value)
