"""Invented values in the place of identifiers: the same person, the same surrogate within one project; dates moved, shapes kept.

Every choice is a keyed hash (HMAC) of what stood there, so that no table of pairs exists and another project's choices differ.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache

from sandbox.text import lexicon
from sandbox.text.folding import fold

WORD = re.compile(r"[^\W\d_]+")
SIGN = re.compile(r"[^\W_]")
LETTERS, DIGITS = "ABCDEFGHJKLMNPQRSTUVWXYZ", "0123456789"
ROADS = ("street", "avenue", "road")
OVER_89 = "over 89"
# How a date is written, and whether the year stands in it.
NUMERIC = re.compile(r"(?P<a>\d{1,4})(?P<s> ?[-/.] ?)(?P<b>\d{1,2})(?P=s)(?P<c>\d{4}|\d{2})(?![\d:])")
SPELLED = (
    "%B %d, %Y", "%B %d %Y", "%d %B %Y", "%b %d, %Y", "%b %d %Y", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d %b %y", "%b %d, %y",
)  # fmt: skip
MONTHS_AND_DAYS = ("%B %d", "%d %B", "%b %d", "%d %b", "%B %Y", "%b %Y")
NO_YEAR = 2000  # leap, so that every day exists


@dataclass(frozen=True, slots=True)
class Surrogates:
    """What stands in for the identifiers of one person's texts: `key` is the project's, `days` the move of the person's dates."""

    key: bytes = field(repr=False)
    days: int

    def instead(self, kind: str, value: str) -> str:
        """The surrogate of `value`; a date in no known form, of which nothing realistic can be said, becomes a tag."""
        match kind:
            case "NAME":
                return WORD.sub(lambda word: self._word(word[0]), value)
            case "GEO":
                return self._shaped(WORD.sub(lambda word: self._place(word[0]), value), value, digits_only=True)
            case "DATE":
                return _moved(value, self.days) or "[DATE]"
            case "AGE":
                return OVER_89
            case "EMAIL":
                return f"{self._pick('mail', value, _given())}{self._number('mail', value) % 100}@example.com"
            case "URL":
                return f"https://www.example.com/{self._number('url', value) % 10**6}"
            case _:
                return self._shaped(value, value, digits_only=False)

    def _word(self, word: str) -> str:
        low = fold(word)
        if len(word) == 1:
            return _cased(LETTERS[self._number("name", low) % len(LETTERS)], word)
        names = _given() if low in lexicon.given_names() else _surnames()
        return _cased(self._pick("name", low, names), word)

    def _place(self, word: str) -> str:
        """Two letters (a state, a direction) stay, a street word becomes another, other words become names of nowhere."""
        low = fold(word)
        if low in lexicon.STREET_WORDS and len(word) > 2:
            return _cased(self._pick("street", low, ROADS), word)
        return word if len(word) < 3 else _cased(self._pick("place", low, _surnames()), word)

    def _pick(self, kind: str, value: str, names: tuple[str, ...]) -> str:
        at = self._number(kind, value) % len(names)
        return names[at] if names[at] != value else names[at - 1]

    def _shaped(self, text: str, value: str, *, digits_only: bool) -> str:
        """Each digit and, unless `digits_only`, each letter replaced by one of its sort; marks stay."""
        stream = self._stream(value.lower(), len(text))

        def other(sign: re.Match[str]) -> str:
            character, drawn = sign[0], stream[sign.start()]
            if character.isdigit():
                return DIGITS[drawn % 10]
            return character if digits_only else _cased(LETTERS[drawn % len(LETTERS)], character)

        return SIGN.sub(other, text)

    def _stream(self, value: str, length: int) -> bytes:
        made = b""
        while len(made) < length:
            made += self._mac("shape", f"{len(made)}\x00{value}")
        return made

    def _number(self, kind: str, value: str) -> int:
        return int.from_bytes(self._mac(kind, value)[:8])

    def _mac(self, kind: str, value: str) -> bytes:
        return hmac.new(self.key, f"surrogate-{kind}\x00{value}".encode("utf-8", "replace"), hashlib.sha256).digest()


def _moved(value: str, days: int) -> str | None:
    """The date in `value` moved and written as before; None for a form not known."""
    text = value.strip()
    if numeric := NUMERIC.match(text):
        moved = _numeric(numeric, days)
        rest = text[numeric.end() :]
        return moved if moved is None or not rest or not any(c.isdigit() for c in rest) else moved + _clock(rest)
    from datetime import datetime

    for form in SPELLED:
        try:
            day = datetime.strptime(text.replace(".", ""), form).date()
        except ValueError:
            continue
        return _written(day, form, days)
    for form in MONTHS_AND_DAYS:
        try:
            whole, shape = (text, form) if "%Y" in form else (f"{text} {NO_YEAR}", f"{form} %Y")
            return _written(datetime.strptime(whole, shape).date(), form, days)
        except ValueError:
            continue
    return None


def _clock(rest: str) -> str:
    """The time of day behind a date stays."""
    return rest if re.fullmatch(r"[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?", rest) else ""


def _written(day: date, form: str, days: int) -> str | None:
    try:
        return (day + timedelta(days=days)).strftime(form)
    except OverflowError:
        return None


def _numeric(found: re.Match[str], days: int) -> str | None:
    """A date in figures: year first, or month first, or day first where the figures or points between them say so."""
    a, b, c, mark = found["a"], found["b"], found["c"], found["s"]
    order = "ymd" if len(a) == 4 else "dmy" if int(a) > 12 or "." in mark else "mdy"
    parts = dict(zip(order, (a, b, c), strict=True))
    year = int(parts["y"]) + (0 if len(parts["y"]) == 4 else 2000 if int(parts["y"]) < 40 else 1900)
    try:
        day = date(year, int(parts["m"]), int(parts["d"])) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    new = {"y": day.year if len(parts["y"]) == 4 else day.year % 100, "m": day.month, "d": day.day}
    return mark.join(f"{new[part]:0{len(parts[part])}d}" for part in order)


def _cased(word: str, like: str) -> str:
    if like.isupper():
        return word.upper() if len(like) > 1 or len(word) == 1 else word.capitalize()
    return word.capitalize() if like[:1].isupper() else word.lower()


@cache
def _given() -> tuple[str, ...]:
    return _plain(lexicon.given_names())


@cache
def _surnames() -> tuple[str, ...]:
    return _plain(lexicon.surnames() - lexicon.given_names())


def _plain(names: frozenset[str]) -> tuple[str, ...]:
    """Names of four to nine plain letters that are nothing else."""
    return tuple(sorted(n for n in names if n.isascii() and n.isalpha() and 4 <= len(n) <= 9 and n not in lexicon.english()))
