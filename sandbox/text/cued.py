"""Names that are plain words or short, told by what stands right before: a title, a relation, an initial, a given name."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.text import lexicon
from sandbox.text.tokens import Token

TITLES = frozenset(("doctor", "nurse", "professor", "surgeon", "midwife", "therapist", "pharmacist", "matron"))
RELATIONS, SHORT = lexicon.RELATIONS, lexicon.SHORT_NAMES
PATIENTS = frozenset(("pt", "patient", "client", "customer", "caller"))
SHORTEST = 4  # letters; a part so short can be a word by chance
WITH = frozenset(("w", "with", "by", "from", "cc", "to"))


def is_cued(text: str, words: Sequence[Token], i: int) -> bool:
    """What stands before word `i` says that it is a name, though the word alone does not."""
    if i == 0:
        return False
    word, before = words[i], words[i - 1]
    low, gap = word.folded, text[before.end : word.start]
    capital = word.capital and word.cased and not word.shouted
    if gap == " " and before.folded in RELATIONS and low in SHORT:
        return True
    if low in lexicon.FUNCTION_WORDS or low in lexicon.clinical():
        return False
    if gap in (".", ". ") and capital:
        initial = len(before.text) == 1 and before.capital and (i < 2 or words[i - 2].folded not in lexicon.LETTERED)
        return initial and (lexicon.is_name(low) or not word.english)
    if gap == " " and before.folded in TITLES:
        return capital or not word.english or (low in lexicon.surnames() and low not in lexicon.PERSON_VERBS)
    if not capital or not lexicon.is_name(low):
        return False
    if gap in ("/ ", " ") and before.folded in WITH and not word.english:
        return True
    if gap != " ":
        return False
    if before.folded in RELATIONS:
        return True
    return before.folded in PATIENTS and text[word.end : word.end + 2].strip()[:1].islower()


def is_surname_behind(text: str, words: Sequence[Token], i: int) -> bool:
    """A surname that is a word of the calendar or of grammar (Day, May), right behind a given name or a title."""
    word = words[i]
    if i == 0 or not word.capital or not word.cased or word.shouted or not lexicon.is_name(word.folded):
        return False
    before, follows = words[i - 1], text[word.end : word.end + 2].strip()[:1]
    if text[before.end : word.start] != " " or follows.isdigit():
        return False
    if before.folded in TITLES:
        return True
    low = before.folded
    given = not before.english or low in lexicon.MOSTLY_NAMES or low in lexicon.WORD_GIVEN
    return given and before.capital and not before.shouted and len(low) > 1


def is_hyphened(text: str, words: Sequence[Token], i: int) -> bool:
    """A part of a name like Seo-yeon: a capital, a hyphen, a small word, and neither an English word."""
    for first, second in ((i, i + 1), (i - 1, i)):
        if first < 0 or second >= len(words) or text[words[first].end : words[second].start] != "-":
            continue
        one, two = words[first], words[second]
        plain = any(w.folded in lexicon.clinical() or w.folded in lexicon.FUNCTION_WORDS for w in (one, two))
        if one.capital and one.cased and not one.shouted and len(one.text) > 1 and len(two.text) > 1 and not plain:
            short = len(one.text) <= SHORTEST and len(two.text) <= SHORTEST and not one.english
            return not two.capital and (short or (not two.english and (not one.english or lexicon.is_name(one.folded))))
    return False
