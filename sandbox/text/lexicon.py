"""What a word can be: English, clinical, an eponym, a name, a place. Where the lists are from: data/README.md."""

from __future__ import annotations

import gzip
import re
from functools import cache
from importlib import resources


def _sets() -> dict[str, frozenset[str]]:
    """The small sets of `data/word_sets.txt` by name."""
    named = (line.partition(":") for line in _lines("word_sets.txt"))
    return {name: frozenset(words.split()) for name, _, words in named}


def _lines(name: str) -> list[str]:
    raw = resources.files("sandbox.text").joinpath("data", name).read_bytes()
    text = (gzip.decompress(raw) if name.endswith(".gz") else raw).decode()
    return [line for line in text.splitlines() if line and not line.startswith("#")]


_SETS = _sets()
MOSTLY_NAMES = _SETS["mostly_names"]  # English in a dictionary's eyes and, with a capital, mostly somebody's name
FUNCTION_WORDS = _SETS["function_words"]  # so common that even next to a name they are no part of it
TITLES, STRICT_TITLES = _SETS["titles"], _SETS["strict_titles"]
PARTICLES, MEDICAL_NOUNS, COUNTRY_WORDS = _SETS["particles"], _SETS["medical_nouns"], _SETS["country_words"]
RECORD_COMMON = _SETS["record_common"]  # words of a record that say nothing alone
MEDICAL_ENDING = re.compile(
    r".{2,}(?:itis|osis|emia|aemia|oma|omas|pathy|ectomy|otomy|ostomy|algia|plasty|scopy|uria|penia|plegia|paresis|megaly|rrhea|rrhage"
    r"|ology|ologist|iatry|iatric|graphy|gram|lysis|genic|toxic|statin|pril|sartan|olol|azole|cillin|mycin|floxacin|cycline|prazole"
    r"|tidine|triptan|dipine|gliptin|gliflozin|glutide|zepam|zolam|mab|tinib|vir|oxaban|parin|setron|caine|barbital|pam|done|dronate"
    r"|thiazide|terol|sone|solone|phylline|oxetine|pramine|azine|cardia|cardial|itic|otic|emic|ectasia|trophy|trophic|plasia|sclerosis)"
)


@cache
def english() -> frozenset[str]:
    """Words that are English in lower case, or usual in clinical notes."""
    return frozenset(_list("english.txt.gz")) | clinical() | FUNCTION_WORDS


@cache
def clinical() -> frozenset[str]:
    """Abbreviations, drugs, brands, months and headings."""
    return frozenset(_list("clinical.txt"))


@cache
def given_names() -> frozenset[str]:
    return frozenset(_list("given.txt.gz"))


@cache
def surnames() -> frozenset[str]:
    return frozenset(_list("surnames.txt.gz"))


@cache
def places() -> frozenset[str]:
    return frozenset(_list("places.txt.gz"))


@cache
def eponyms() -> tuple[frozenset[str], frozenset[str]]:
    """Those that are seldom surnames, and those that are surnames as well."""
    lines = [line.split() for line in _lines("eponyms.txt")]
    return frozenset(lines[0]), frozenset(lines[1])


def is_english(word: str) -> bool:
    """`word` (lower case) is no name by itself: English, clinical, or built like a clinical term; plurals and -ing forms too."""
    known = english()
    return (
        word in known
        or (word.endswith("s") and word[:-1] in known)
        or (MEDICAL_ENDING.fullmatch(word) is not None and not is_name(word))
    )


def is_name(word: str) -> bool:
    """`word` (folded) is a given name or a surname somewhere."""
    return word in given_names() or word in surnames()


def _list(name: str) -> list[str]:
    return [word for line in _lines(name) for word in line.split()]
