"""What a word can be: English, clinical, an eponym, a name, a place. Where the lists are from: data/README.md."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from functools import cache, lru_cache
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
WORD_GIVEN, PERSON_VERBS = _SETS["word_given"], _SETS["person_verbs"]
PLACE_PARTICLES, STREET_WORDS = _SETS["place_particles"], _SETS["street_words"]
STRICT_NOUNS, PARTS_OF, SCORE_WORDS = _SETS["strict_nouns"], _SETS["parts_of"], _SETS["score_words"]
RELATIONS, SHORT_NAMES = _SETS["relations"], _SETS["short_names"]
LETTERED = _SETS["lettered"]  # a capital alone behind these is no initial
CALENDAR = _SETS["calendar"]
RECORD_COMMON = _SETS["record_common"]  # words of a record that say nothing alone
# An ending and what stands in its place in the simpler form.
ENDINGS = tuple(line.split(">") for line in _lines("endings.txt"))
BRITISH = tuple(pair.split(">") for pair in ["our>or", "ae>e", "oe>e", "is>iz", "ys>yz", "ll>l", "ogue>og", "mme>m"])
MEDICAL_BEGINNING = re.compile(
    r"(?:abdomino|adeno|anti|arterio|bi|bio|brady|broncho|cardio|cerebro|cholecysto|contra|de|dermato|dis|dys|electro|endo|entero|epi|extra"
    r"|gastro|glyco|haemo?|hemi|hemo|hepato?|hydro|hyper|hypo|immuno|infra|inter|intra|laparo|lympho|macro|micro|mid|mis|multi|musculo|myo"
    r"|naso|nephro|neuro|non|normo|oculo|onco|oro|ortho|osteo|oto|over|para|patho|peri|pneumo|poly|post|pre|pro|pseudo|psycho|pulmo|re|retro"
    r"|rhino|sub|super|supra|tachy|thoraco|thrombo|trans|tri|ultra|un|under|uni|uro|vaso|veno)"
)
MEDICAL_ENDING = re.compile(
    r".{2,}(?:itis|osis|emia|aemia|oma|omas|pathy|ectomy|otomy|ostomy|algia|plasty|scopy|uria|penia|plegia|paresis|megaly|rrhea|rrhage"
    r"|ology|ologist|iatry|iatric|graphy|gram|lysis|genic|toxic|statin|pril|sartan|olol|azole|cillin|mycin|floxacin|cycline|prazole"
    r"|tidine|triptan|dipine|gliptin|gliflozin|glutide|zepam|zolam|mab|tinib|vir|oxaban|parin|setron|caine|barbital|pam|done|dronate"
    r"|tion|sion|ments?|ship|ity|ities|ical|ally|ular|ilar|eous|ious|oid|oidal|istic|ible|itis|aceous|ifying|ized|ising|izing|thiazide|terol|sone|solone|phylline|oxetine|pramine|azine|cardia|cardial|itic|otic|emic|ectasia|trophy|trophic|plasia|sclerosis)"
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
def certain() -> frozenset[str]:
    """Clinical words that are no names, and the months and weekdays: safe wherever they stand."""
    return frozenset(word for word in clinical() if not is_name(word) or word in CALENDAR)


@cache
def written_small() -> frozenset[str]:
    """Words that are written small where capitals say nothing."""
    return (english() - MOSTLY_NAMES - WORD_GIVEN) | FUNCTION_WORDS | clinical()


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


@cache
def any_eponyms() -> frozenset[str]:
    """All eponyms."""
    seldom, often = eponyms()
    return seldom | often


@cache
def persons_given() -> frozenset[str]:
    """Given names that are not first of all eponyms."""
    return given_names() - eponyms()[0]


@lru_cache(maxsize=50_000)
def is_english(word: str) -> bool:
    """`word` (lower case) is no name by itself: English of either spelling, derived from it, or built like a clinical term."""
    known = english()
    if word in known:
        return True
    if is_name(word):
        return False
    return MEDICAL_ENDING.fullmatch(word) is not None or any(form in known for form in _forms(word)) or _compound(word)


def _forms(word: str) -> Iterator[str]:
    """American spellings and simpler forms of `word`."""
    for ending, instead in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) > 2:
            yield word[: len(word) - len(ending)] + instead
    for british, american in BRITISH:
        if british in word:
            yield word.replace(british, american)


def _compound(word: str) -> bool:
    """A Greek or Latin beginning and an English rest (hepatobiliary, postoperative)."""
    found = MEDICAL_BEGINNING.match(word)
    if found is None or len(word) - found.end() <= 3:
        return False
    return word[found.end() :] in english() or MEDICAL_ENDING.fullmatch(word[1:]) is not None


def is_name(word: str) -> bool:
    """`word` (folded) is a given name or a surname somewhere."""
    return word in given_names() or word in surnames()


def _list(name: str) -> list[str]:
    return [word for line in _lines(name) for word in line.split()]
