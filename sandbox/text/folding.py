"""Text compared without case and diacritics."""

from __future__ import annotations

import unicodedata


def fold(text: str) -> str:
    """`text` in lower case without diacritics, character for character: the length stays."""
    return text.lower() if text.isascii() else "".join(_folded(character) for character in text)


def _folded(character: str) -> str:
    base = unicodedata.normalize("NFKD", character)[:1].lower() or character
    return base if len(base) == 1 else character
