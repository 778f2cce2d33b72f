"""What the row's own record says: each of its values, and the parts that identify, in every spelling they are written in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date

ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)$")
WORD = re.compile(r"[^\W_]+")
SHORTEST_NUMBER, SHORTEST_WORD, SHORTEST_TYPO = 4, 3, 6
# Words of addresses and employers that say nothing alone.
COMMON = frozenset(
    [
        "the",
        "and",
        "inc",
        "llc",
        "ltd",
        "sons",
        "group",
        "company",
        "street",
        "avenue",
        "road",
        "drive",
        "lane",
        "suite",
        "apt",
        "unit",
        "north",
        "south",
        "east",
        "west",
        "new",
        "port",
        "lake",
        "united",
        "states",
        "male",
        "female",
        "white",
        "black",
        "other",
        "hispanic",
        "nonhispanic",
    ]
)


def fold(text: str) -> str:
    """`text` in lower case without diacritics, character for character: the length stays."""
    return "".join(_folded(character) for character in text)


def _folded(character: str) -> str:
    base = unicodedata.normalize("NFKD", character)[:1].lower() or character
    return base if len(base) == 1 else character


def spans(text: str, record: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
    """(start, end, kind) of everything in `text` that the record says, in any case, order, diacritics or punctuation."""
    if not record:
        return
    folded = fold(text)
    words, numbers = _terms(record)
    for found in WORD.finditer(folded):
        word = found[0]
        if word in words or (len(word) >= SHORTEST_TYPO and word.isalpha() and _typing_slip(word, words)):
            yield found.start(), found.end(), "KNOWN"
    for digits in numbers:
        # The digits with any single punctuation between them.
        expression = r"(?<!\d)" + r"[ ()./-]{0,2}".join(digits) + r"(?!\d)"
        for match in re.finditer(expression, folded):
            yield match.start(), match.end(), "KNOWN"


def _terms(record: Mapping[str, str]) -> tuple[set[str], set[str]]:
    words: set[str] = set()
    numbers: set[str] = set()
    for value in record.values():
        if day := ISO.match(value):
            numbers |= _written(date(int(day[1]), int(day[2]), int(day[3])))
            continue
        for part in WORD.findall(fold(value)):
            if part.isdigit():
                if len(part) >= SHORTEST_NUMBER:
                    numbers.add(part)
            elif len(part) >= SHORTEST_WORD and part not in COMMON:
                words.add(part)
        digits = re.sub(r"\D", "", value)
        if len(digits) >= 7 and not re.search(r"[^\W\d_]{3}", value):
            numbers.add(digits)
    return words, numbers


def _written(day: date) -> set[str]:
    """A date's digits as people write them: month first, day first, year first, with and without century."""
    y, yy, m, d = f"{day:%Y}", f"{day:%y}", f"{day:%m}", f"{day:%d}"
    return {m + d + y, d + m + y, y + m + d, m + d + yy, d + m + yy, f"{day.month}{day.day}{y}", f"{day.month}{d}{y}"}


def _typing_slip(word: str, known: set[str]) -> bool:
    """`word` is one insertion, deletion, substitution or swap from a long known word."""
    from rapidfuzz.distance import OSA

    return any(
        len(term) >= SHORTEST_TYPO and abs(len(term) - len(word)) <= 1 and OSA.distance(word, term, score_cutoff=1) <= 1
        for term in known
    )
