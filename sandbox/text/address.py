"""Addresses whole: the words and numbers right beside a place that was found belong to it."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter

from sandbox.text import lexicon
from sandbox.text.tokens import Token

Span = tuple[int, int, str]
_start, _end = attrgetter("start"), attrgetter("end")
MOST_WORDS = 5  # that one place draws in on each side
MOST_BETWEEN = 200  # characters; the patterns below take their square, and no address has so wide a gap
SAME_LINE, NEXT_LINE = re.compile(r"[ \t]*[,/-]?[ \t]*\Z"), re.compile(r"[ \t]*[,.]?[ \t]*\n[ \t,]*\Z")
# A number of an address: beside a place or a name, and no quantity.
LOOSE = re.compile(
    r"(?<![\w.,/%:-])(?:\d{3,6}(?:-\d{3,4})?|\d{3} \d{2})(?![\w%/:]|[.,-]\d|\s*(?:mg|mcg|ml|units?|IU|kcal|cells|g|kg|cm|mm"
    r"|bpm|steps)\b)"
)
STATE_BETWEEN = re.compile(r"[ \t]*\n?[ \t]*,[ \t]*[A-Za-z]{2,4}\Z|[ \t]+\([A-Za-z]{2,12}\)\Z")
ALONE = re.compile(r"[ \t,]*\n[ \t]*(?:[A-Z]{1,2}[- ]?)?\d{3}")
BEFORE, AFTER = re.compile(r"[\s,.;)]+\Z"), re.compile(r"[\s,.;(]{0,6}")


def around(text: str, words: Sequence[Token], found: Sequence[Span]) -> list[Span]:
    """What stands beside the places in `found` and belongs to their addresses."""
    streets = [(start, end) for start, end, kind in found if kind == "GEO" and any(c.isdigit() for c in text[start:end])]
    drawn = list(_words(text, words, streets))
    numbers = list(_numbers(text, [*found, *drawn]))
    # A number before a name that no street word follows which is known here: the words after it are the street's.
    starts = {start: end for start, end, kind in found if kind in ("NAME", "GEO")}
    named = [(start, starts[right]) for start, end, _ in numbers if (right := _right(text, end)) in starts]
    return [*drawn, *numbers, *_words(text, words, named), *_named_roads(text, words, found)]


def _named_roads(text: str, words: Sequence[Token], found: Sequence[Span]) -> Iterator[Span]:
    """A street word with a capital right behind a name (Ferreira Crossing)."""
    ends = {end for _, end, kind in found if kind in ("NAME", "GEO")}
    for word in words:
        road = word.capital and word.cased and word.folded in lexicon.STREET_WORDS
        if (
            road
            and text[word.start - 1 : word.start] == " "
            and word.start - 1 in ends
            and text[word.end : word.end + 1] not in (":", "=")
        ):
            yield word.start, word.end, "GEO"


def _words(text: str, words: Sequence[Token], streets: Sequence[tuple[int, int]]) -> Iterator[Span]:
    for start, end in streets:
        right = bisect_left(words, end, key=_start)
        left = bisect_right(words, start, key=_end)
        after, before = words[right : right + MOST_WORDS], words[max(0, left - MOST_WORDS) : left][::-1]
        yield from _run(text, after, end, forward=True)
        yield from _run(text, before, start, forward=False)


def _run(text: str, near: Sequence[Token], edge: int, *, forward: bool) -> Iterator[Span]:
    for word in near:
        gap = text[edge : word.start] if forward else text[word.end : edge]
        if len(gap) > MOST_BETWEEN:
            return
        same = SAME_LINE.match(gap) is not None
        if not (same or (NEXT_LINE.match(gap) and forward)) or not _belongs(
            text, word, same=same and forward and text[edge - 1] != "."
        ):
            return
        yield word.start, word.end, "GEO"
        edge = word.end if forward else word.start


def _belongs(text: str, word: Token, *, same: bool) -> bool:
    """On the same line any word with a capital; on the next one only what is no English word."""
    low = word.folded
    if (
        low in lexicon.clinical()
        or (low in lexicon.FUNCTION_WORDS and low != "city")
        or text[word.end : word.end + 1] in (":", "=")
    ):
        return False
    if word.cased and not word.capital:
        return False
    if not same and ALONE.match(text, word.end) and text[word.start - 1 : word.start] == "\n":
        return True  # a town alone on its line, and its code on the next
    if word.shouted and text[word.end : word.end + 1] in ("\n", ""):
        return True  # a town alone on its line
    if low in lexicon.STREET_WORDS and not same:
        return False
    return (
        not word.english
        or low in lexicon.places()
        or low in lexicon.COUNTRY_WORDS
        or low in lexicon.STREET_WORDS
        or (same and word.cased)
    )


def _numbers(text: str, found: Sequence[Span]) -> Iterator[Span]:
    ends = {end: kind for _, end, kind in found if kind in ("GEO", "NAME")}
    starts = {start: kind for start, _, kind in found if kind in ("GEO", "NAME")}
    if not ends:
        return
    for match in LOOSE.finditer(text):
        digits = sum(c.isdigit() for c in match[0])
        near = {ends.get(_left(text, match.start())), starts.get(_right(text, match.end()))} - {None}
        year = digits == 4 and match[0][:2] in ("19", "20")
        if near and not year and (digits >= 4 or "GEO" in near):
            yield *match.span(), "GEO"


def _left(text: str, at: int) -> int:
    """Where what stands before a number ends, past one comma or line break."""
    start = max(0, at - 6)
    left = start + len(BEFORE.sub("", text[start:at]))
    state = STATE_BETWEEN.search(text, max(0, left - 16), left)  # City, ST 12345
    return state.start() if state else left


def _right(text: str, at: int) -> int:
    gap = AFTER.match(text, at)
    return gap.end() if gap else at
