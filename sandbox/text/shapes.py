"""Identifiers told by their shape, less what only looks like one: scores, doses, blood pressures, plain words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sandbox.text import lexicon
from sandbox.text.patterns import PATTERNS, PLAIN_STREET
from sandbox.text.tokens import TOKEN

Span = tuple[int, int, str]

COMPILED = [(name, kind, re.compile(expression)) for name, (kind, expression) in PATTERNS.items()]
# Groups of digits with separators between: a telephone number if there are enough.
GROUPS = re.compile(
    r"(?<![\w./-])(?:\+|00)?\(?\d{1,6}\)?(?:[ ]?[-.·/ ][ ]?\(?\d{2,8}\)?){1,6}(?:\s?(?:x|ext\.?)\s?\d{1,6})?(?![\w/]|[-.]\d)"
)
PLAIN = re.compile(PLAIN_STREET)
FEWEST, MOST = 7, 15  # digits of a telephone number (E.164 allows 15)


def spans(text: str) -> Iterator[Span]:
    """(start, end, kind) of everything in `text` that has the shape of an identifier."""
    for name, kind, expression in COMPILED:
        for match in expression.finditer(text):
            group = next(
                (i for i in range(1, (match.re.groups or 0) + 1) if match[i] and i not in match.re.groupindex.values()), 0
            )
            start, end = match.span(group)
            if kind == "GEO" and not _is_place(name, text[start:end]):
                continue
            yield start, end, kind
    for match in GROUPS.finditer(text):
        if _is_phone(match[0]):
            yield *match.span(), "PHONE"


def _is_phone(text: str) -> bool:
    digits = re.sub(r"\D", "", re.split(r"x|ext", text)[0])
    if not FEWEST <= len(digits) <= MOST:
        return False
    groups = re.findall(r"\d+", text)
    if text.count(".") == 3 and all(len(g) <= 3 for g in groups):
        return False  # an IP address
    if text.startswith(("+", "(", "00")) or groups[0].startswith("0"):
        return True
    return (len(digits) >= 9 and max(map(len, groups)) >= 3) or (len(groups) == 2 and len(digits) == 7 and len(groups[0]) == 3)


def _is_place(name: str, part: str) -> bool:
    """Some word of it is no plain word, or a number stands in it."""
    words = [w.lower() for w in TOKEN.findall(part)]
    if name == "plain street":
        inner = words[: next((i for i, w in enumerate(words) if PLAIN.fullmatch(w)), 0)]
        return not any(w in lexicon.FUNCTION_WORDS or w in lexicon.clinical() for w in inner)
    if name in ("road before", "road word", "road ending", "named street", "named city"):
        return any(
            not lexicon.is_english(w) or lexicon.is_name(w) or w in lexicon.places() for w in words[(name == "road before") :]
        )
    return any(c.isdigit() for c in part) or any(not lexicon.is_english(w) or w in lexicon.places() for w in words)
