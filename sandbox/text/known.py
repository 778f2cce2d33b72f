"""What the row's own record says: each of its values, and the parts that identify, in every spelling they are written in."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import zip_longest

from sandbox.text import lexicon
from sandbox.text.folding import fold
from sandbox.text.tokens import Token

ISO, AMERICAN = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ].*)?$"), re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})$")
DIGITS = re.compile(r"\d(?:[ ()./-]{0,2}\d)+")
WORD = re.compile(r"[^\W_]+")
SHORTEST_NUMBER, SHORTEST_WORD, SHORTEST_TYPO = 4, 3, 6
FEWEST_RECORDS, SHARED = 40, 0.05  # a plain word in more than this share of so many records identifies nobody
LONGEST_CODE = 6  # parts


def without_categories(records: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """The records without the plain words that many of them share (sex, marital status): those identify nobody."""
    if len(records) < FEWEST_RECORDS:
        return {key: dict(record) for key, record in records.items()}
    counts = Counter(word for record in records.values() for word in {w for v in record.values() for w in WORD.findall(fold(v))})
    often = {word for word, n in counts.items() if n > SHARED * len(records) and lexicon.is_english(word)}
    return {
        key: {name: value for name, value in record.items() if not all(w in often for w in WORD.findall(fold(value)))}
        for key, record in records.items()
    }


def spans(text: str, words: Sequence[Token], record: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
    """(start, end, kind) of everything in `text` that the record says, in any case, order, diacritics or punctuation.

    A plain English word of the record (an occupation, the name Young) counts where it has a capital or capitals say nothing.
    """
    if not record:
        return
    terms, numbers = _terms(record)
    for token in words:
        word, cased = token.folded, token.cased and not token.capital
        exact = word in terms and (len(word) > 2 or (token.capital and token.cased and not token.shouted))
        named = token.capital and token.cased and not token.shouted and word in lexicon.surnames()
        if (exact and not (cased and token.english) and (word not in lexicon.certain() or named)) or (
            not exact and len(word) >= SHORTEST_TYPO and not token.english and _typing_slip(word, terms)
        ):
            yield token.start, token.end, "NAME"
    yield from _numbers(text, numbers)
    yield from _mixed(text, record)


def _numbers(text: str, numbers: set[str]) -> Iterator[tuple[int, int, str]]:
    """The digits with up to two marks between them."""
    for run in DIGITS.finditer(text):
        where = [i for i in range(*run.span()) if text[i].isdigit()]
        digits = "".join(text[i] for i in where)
        for number in numbers:
            at = digits.find(number)
            while at >= 0:
                start, end = where[at], where[at + len(number) - 1] + 1
                if not text[start - 1 : start].isdigit() and not text[end : end + 1].isdigit():
                    yield start, end, "ID"
                at = digits.find(number, at + 1)


def _mixed(text: str, record: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
    """Codes of letters and digits, as they stand in the record, whatever separates their parts."""
    low = text.lower()
    for value in record.values():
        parts = re.findall(r"[a-z]+|\d+", value.lower())
        if (
            1 < len(parts) <= LONGEST_CODE
            and len(value) <= 40
            and any(p.isdigit() for p in parts)
            and all(p in low for p in parts)
        ):
            for match in re.finditer(r"(?<![a-z0-9])" + r"[ ._/-]{0,2}".join(parts) + r"(?![a-z0-9])", low):
                yield match.start(), match.end(), "ID"


def _terms(record: Mapping[str, str]) -> tuple[set[str], set[str]]:
    words: set[str] = set()
    numbers: set[str] = set()
    for value in record.values():
        if day := _day(value):
            numbers |= _written(day)
            continue
        # Folding keeps lengths, but a folded mark can part a word: then the spelling in the record says nothing.
        for part, as_written in zip_longest(WORD.findall(fold(value)), WORD.findall(value), fillvalue=""):
            if part.isdigit():
                if len(part) >= SHORTEST_NUMBER:
                    numbers.add(part)
            elif _tells(part, as_written):
                words.add(part)
        digits = re.sub(r"\D", "", value)
        if len(digits) >= 7 and not re.search(r"[^\W\d_]{3}", value):
            numbers.add(digits)
    return words, numbers


def _tells(part: str, as_written: str) -> bool:
    """The word of a record can be a name alone; of two letters one that is written like a name (Xu, and no code of a state)."""
    if len(part) == SHORTEST_WORD - 1:
        return as_written.istitle() and part not in lexicon.FUNCTION_WORDS
    return len(part) >= SHORTEST_WORD and part not in lexicon.RECORD_COMMON


def _day(value: str) -> date | None:
    """The date that `value` is, written with the year first or last."""
    for expression, order in ((ISO, (1, 2, 3)), (AMERICAN, (3, 1, 2))):
        if found := expression.match(value):
            try:
                return date(*(int(found[i]) for i in order))
            except ValueError:
                return None
    return None


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
