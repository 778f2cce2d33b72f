"""Identifiers told by their shape, less what only looks like one: scores, doses, blood pressures, plain words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from sandbox.text import fields, lexicon
from sandbox.text.patterns import PATTERNS, PLAIN_STREET, ROAD_ENDINGS, ROADS_BEFORE, STREET
from sandbox.text.tokens import TOKEN

Span = tuple[int, int, str]

COMPILED = [(name, kind, re.compile(expression)) for name, (kind, expression) in PATTERNS.items()]
# Name -> the groups that can be the identifier: those without a name of their own.
GROUPS_OF = {
    name: tuple(i for i in range(1, expression.groups + 1) if i not in expression.groupindex.values())
    for name, _, expression in COMPILED
}
# Groups of digits with separators between: a telephone number if there are enough.
GROUPS = re.compile(
    r"(?<![\w/-])(?<!\w\.)(?:\+|00)?\(?\d{1,6}\)?(?:(?: ?[-·/] ?|[. ]{1})\(?\d{2,8}\)?){1,6}(?:\s?(?:x|ext\.?)\s?\d{1,6})?"
    r"(?![\w/%]|[-.]\d|\s*(?:mg|mcg|m[lL]|units?|IU|kcal|cm|mm|g|kg|cells|bpm)\b)"
)
PLAIN = re.compile(PLAIN_STREET)
OBSTETRIC = re.compile(r"(?i:g\d{1,2}p\d{1,4})")
NO_ROAD = frozenset(("place", "route", "via", "al", "r", "pl", "os", "cours", "plac"))  # written small
DECADE = re.compile(r"(?i:(?:mid|early|late|pre|post)-(?:1[89]|20)\d\ds)")
# A quantity or a decade, and no code.
MEASURED = re.compile(r"\d(?:(?i:mg|mcg|ml|kg|units?|iu|mmol|meq|cm|mm|kcal|bpm|min|hrs?)|[ghdsL]|wk)(?![A-Za-z0-9])")
FEWEST_IN_CODE = 4  # digits
# Street words that are other words as well.
WEAK = frozenset(("st", "dr", "pl", "ct", "way", "place", "close", "circle", "square"))
FEWEST, MOST = 7, 15  # digits of a telephone number (E.164 allows 15)

LETTERS = re.compile(r"[^\W\d_]+")
MONTHS = frozenset(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"))
HIGH_AGE, STATE = re.compile(r"(?<!\d)(?:9\d|1[01]\d)(?!\d)"), re.compile(r",[ \t]+[a-z]{2}\b")

Gate = Callable[[str, frozenset[str]], bool]


def _any_word(words: str) -> Gate:
    wanted = frozenset(words.split())
    return lambda low, there: not wanted.isdisjoint(there)


def _word_like(expression: str) -> Gate:
    """Some word is, in small letters, what `expression` says; each word is tried once a process."""
    compiled = re.compile(f"(?i:{expression})")
    like = lru_cache(maxsize=50_000)(lambda word: compiled.fullmatch(word) is not None)
    return lambda low, there: any(map(like, there))


def _month(low: str, there: frozenset[str]) -> bool:
    return any(word[:3] in MONTHS for word in there)


def _at(low: str, there: frozenset[str]) -> bool:
    return "@" in low


def _high_age(low: str, there: frozenset[str]) -> bool:
    return HIGH_AGE.search(low) is not None


# What a text must hold (itself in small letters, and its words) for a pattern to be worth trying.
GATES: dict[str, Gate] = {
    "spelled date": _month, "day month": _month, "month year": _month, "compact date": _month,
    "email": _at, "handle": _at,
    "spelled email": lambda low, there: "at" in there,
    "url": lambda low, there: "http" in low or "www." in low,
    "ipv6": lambda low, there: low.count(":") > 1,
    "age over 89": _high_age, "aged over 89": _high_age, "age of a person": _high_age,
    "spelled age": _any_word("ninety hundred"),
    "labelled phone": _any_word(
        "phone tel telephone mobile cell fax pager call callback contact whatsapp ph office home work dial"
    ),
    "ending": _any_word("ending ends ended last"),
    "plate": _any_word("plate plates registration reg tag vehicle car"),
    "plain street": _word_like(f"{PLAIN_STREET}|{STREET}"), "street": _word_like(STREET),
    "named street": _any_word("street avenue road lane drive boulevard blvd court terrace parkway highway crescent"),
    "road ending": _word_like(".*(?:" + "|".join(re.escape(ending.rstrip(".")) for ending in ROAD_ENDINGS) + ")"),
    "unit": _any_word("apt apartment suite ste unit flat"),
    "box": _any_word("box fpo apo dpo"), "military box": _any_word("psc fpo apo dpo"),
    "labelled ssn": _any_word("ssn social"),
    "road before": _any_word(" ".join(ROADS_BEFORE) + " c"),
    "road word": _any_word("utca u út útja tér rkp ulica köz tanya sokak sok cad caddesi sokağı mahallesi"),
    "corner": _any_word("corner"),
    "pager": _any_word("pager pgr bleep beeper extension ext"),
    "numbered road": _any_word("county state farm rural forest highway hwy interstate"),
    "plots": _any_word("house village block plot villa bungalow sector street tower"),
    "mains and crosses": _any_word("main cross block"),
    "zip": lambda low, there: "zip" in low or "post" in low,
    "city before state": lambda low, there: STATE.search(low) is not None,
}  # fmt: skip


def spans(text: str) -> Iterator[Span]:
    """(start, end, kind) of everything in `text` that has the shape of an identifier."""
    low = text.lower()
    words = frozenset(LETTERS.findall(low))
    for name, kind, expression in COMPILED:
        if name in GATES and not GATES[name](low, words):
            continue
        groups = GROUPS_OF[name]
        for match in expression.finditer(text):
            group = next((i for i in groups if match[i]), 0)
            start, end = match.span(group)
            if _is_measure(name, text, start, end):
                continue
            if kind == "GEO" and not _is_place(name, text[start:end]):
                continue
            yield start, end, kind
    for start, end, kind in fields.spans(text):
        if kind != "GEO" or _is_place("", text[start:end]):
            yield start, end, kind
    for match in GROUPS.finditer(text):
        if _is_phone(match[0]):
            yield *match.span(), "PHONE"


def _is_measure(name: str, text: str, start: int, end: int) -> bool:
    """What looks like a date or a code and is a score, a vertebra or an obstetric formula."""
    if name == "partial date":
        before = TOKEN.findall(text[max(0, start - 14) : start].lower())
        return bool(before) and before[-1] in lexicon.SCORE_WORDS
    if name == "letters and digits":
        code = text[start:end]
        few = sum(c.isdigit() for c in code) < FEWEST_IN_CODE
        return few or DECADE.fullmatch(code) is not None or OBSTETRIC.fullmatch(code) is not None
    if name == "odd code":
        code = text[start:end]
        return sum(c.isdigit() for c in code) < FEWEST_IN_CODE or MEASURED.search(code) is not None
    if name == "hyphened number":
        return sum(c.isdigit() for c in text[start:end]) < FEWEST - 1
    return False


def _is_phone(text: str) -> bool:
    digits = re.sub(r"\D", "", re.split(r"x|ext", text)[0])
    if not FEWEST <= len(digits) <= MOST:
        return False
    groups = re.findall(r"\d+", text)
    if text.count(".") == 3 and all(len(g) <= 3 for g in groups):
        return False  # an IP address
    if "/" in text and len(digits) < 10:
        return False
    if text.startswith(("+", "(", "00")) or groups[0].startswith("0"):
        return True
    return (len(digits) >= 9 and max(map(len, groups)) >= 3) or (len(groups) == 2 and len(digits) == 7 and len(groups[0]) == 3)


def _is_place(name: str, part: str) -> bool:
    """Some word of it is no plain word, or a number stands in it."""
    words = [w.lower() for w in TOKEN.findall(part)]
    if name == "plain street":
        return _is_street(words)
    if name == "road before" and part.lstrip("0123456789, \t")[:1].islower() and words and words[0] in NO_ROAD:
        return False
    if name.startswith("number last"):
        if part.isupper() or not lexicon.FUNCTION_WORDS.isdisjoint(words):
            return False
        return any(not lexicon.is_english(w) and w not in lexicon.any_eponyms() for w in words)
    if name in ("road before", "road word", "road ending", "named street", "named city", "lives at"):
        return any(
            not lexicon.is_english(w) or lexicon.is_name(w) or w in lexicon.places() for w in words[(name == "road before") :]
        )
    return any(c.isdigit() for c in part) or any(not lexicon.is_english(w) or w in lexicon.places() for w in words)


def _is_street(words: list[str]) -> bool:
    """The words before the street word can be a street's name; after a weak street word (Run, View) one must be a name."""
    words = [w for w in words if w not in ("flat", "studio", "apartment", "apt", "unit", "suite")]
    last = next((i for i in range(len(words) - 1, -1, -1) if words[i] in lexicon.STREET_WORDS or PLAIN.fullmatch(words[i])), 0)
    inner = words[:last]
    if not inner or any(w in lexicon.FUNCTION_WORDS or w in lexicon.clinical() for w in inner):
        return False
    strong = PLAIN.fullmatch(words[last]) is not None and words[last] not in WEAK
    return strong or any(lexicon.is_name(w) or w in lexicon.places() or not lexicon.is_english(w) for w in inner)
