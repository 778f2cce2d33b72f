"""Which words of a text are names: what the word is, how it is written, and what stands beside it.

A word with a capital that is neither English nor clinical is taken for a name of a person or place (recall first). A word that is
both a name and English counts only beside a name, after a title or a label, or where the language model agrees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sandbox.text import cued, lexicon
from sandbox.text.cues import CLINICIAN, DOSE, HOUSE, LABEL, LISTED, RELATION, SAYS_NAME, SIGNED
from sandbox.text.tokens import Token

NEAR = re.compile(r"(?:[ \t]?\.?[ \t]{0,2}|-|[ \t]?,[ \t]|\. )\Z")
JOINED = re.compile(r"(?:[ \t]|-|\. ?|['’])\Z")
WINDOW = 40
MONTH_NAMES = frozenset(("jan", "april", "may", "june", "july", "august"))
OPENING = frozenset(("bin", "ibn", "von", "van", "del", "della", "dos", "das", "ter", "ap"))
FIRST_IDEOGRAPH = "\u2e80"
FARTHEST = 4  # words from one part of a name to the next
# Clinical nouns that the language model takes for places where they open a sentence.
PLAIN = lexicon.SCORE_WORDS | lexicon.MEDICAL_NOUNS | lexicon.STRICT_NOUNS
SMALL = lexicon.PARTICLES | lexicon.PLACE_PARTICLES
DETERMINERS = frozenset(("the", "a", "this", "her", "his", "their", "no", "of", "my"))
CONJUNCTIONS = ("and", "y", "e", "und", "et")


class Names:
    """The words of one text with what is known about each; `found` gives the spans of names."""

    def __init__(
        self, text: str, words: Sequence[Token], persons: Sequence[tuple[int, int]], areas: Sequence[tuple[int, int]]
    ) -> None:
        self._text, self._words = text, words
        self._person, self._area = _covered(words, persons), _covered(words, areas)
        self._safe = [self._is_safe(i) for i in range(len(words))]
        self._taken = [False] * len(words)
        self._listed = _covered(words, [m.span() for m in LISTED.finditer(text)])

    def found(self) -> Iterator[tuple[int, int, str]]:
        """(start, end, kind) of each word that is part of a name; NAME for persons and the unknown, GEO for places."""
        for i in range(len(self._words)):
            self._taken[i] = not self._safe[i] and (self._alone(i) or self._introduced(i) or self._cued(i))
        self._grow()
        self._take_initials()
        self._echo()
        for i, word in enumerate(self._words):
            if self._taken[i]:
                place = self._area[i] or (word.folded in lexicon.places() and not lexicon.is_name(word.folded))
                yield word.start, word.end, "GEO" if place and not self._person[i] else "NAME"

    def _is_safe(self, i: int) -> bool:
        """A clinical word or an eponym in use, whatever stands around it."""
        word = self._words[i]
        low = word.folded
        titled = (
            self._before(i) in lexicon.STRICT_TITLES
            and word.capital
            and low not in lexicon.TITLES
            and bool(NEAR.match(self._between(i - 1)))
        )
        if titled and low not in lexicon.certain():
            return False
        if cued.is_surname_behind(self._text, self._words, i):
            return False
        if low in lexicon.certain() or (low in lexicon.FUNCTION_WORDS and not (word.capital and low in lexicon.MOSTLY_NAMES)):
            return True
        return not titled and self._is_finding(i)

    def _is_finding(self, i: int) -> bool:
        """The word names a disease, a sign, a device or a drug here: an eponym in use, or a dose behind it."""
        word, (seldom, _), eponyms = self._words[i], lexicon.eponyms(), lexicon.any_eponyms()
        low, after = word.folded, [w.folded for w in self._words[i + 1 : i + 3]]
        if i > 0 and self._between(i - 1) == " " and self._is_given(self._words[i - 1]):
            return False
        possessive = word.text.lower().endswith(("'s", "’s"))
        if DOSE.match(self._text, word.end) and low not in lexicon.given_names():
            return True
        known = low in eponyms
        plain = known or not (possessive or low in lexicon.given_names())
        if plain and after and after[0] in lexicon.STRICT_NOUNS and self._between(i) in (" ", "-"):
            return True
        if i > 1 and self._before(i) == "of" and self._words[i - 2].folded in lexicon.PARTS_OF:
            return True
        if not known:
            return self._between(i) == "-" and bool(after) and after[0] in eponyms and self._is_finding(i + 1)
        medical = any(w in lexicon.MEDICAL_NOUNS or lexicon.MEDICAL_ENDING.fullmatch(w) for w in after)
        joined = bool(after) and after[0] in eponyms and self._between(i) in ("-", " ") and self._is_finding(i + 1)
        return medical or joined or low in seldom

    def _is_given(self, word: Token) -> bool:
        """A given name, or a word with a capital that nothing else is known of."""
        if word.folded in lexicon.persons_given():
            return True
        unknown = word.capital and word.cased and not word.shouted and len(word.folded) > 3 and _spoken(word.folded)
        return unknown and not word.english and word.folded not in lexicon.any_eponyms()

    def _alone(self, i: int) -> bool:
        """The word itself says that it is a name, or the language model does."""
        word = self._words[i]
        low, name = word.folded, lexicon.is_name(word.folded)
        if word.foreign:
            return len(word.text) > 1 or word.text >= FIRST_IDEOGRAPH
        if word.english:
            if self._area[i] and word.capital and word.cased and not (word.shouted and len(low) < 4) and low not in PLAIN:
                return True
            if not word.capital and name and self._hinted(i, strict=True):
                return True
            if word.cased and not word.capital:
                return False
            if self._person[i]:
                return (name or low in lexicon.MOSTLY_NAMES) and (word.capital or not word.cased)
            if word.capital and (self._pair(i) or self._acts(i)):
                return True
            return word.capital and word.cased and low in lexicon.MOSTLY_NAMES and name and (not word.shouted or self._person[i])
        if len(low) < 3:
            short = low in lexicon.SHORT_NAMES and word.cased and not word.shouted
            return word.capital and ((self._person[i] and name) or short)
        if not word.cased:
            # A misspelt plain word falls with the names.
            left = self._text[max(0, word.start - WINDOW) : word.start]
            beside = HOUSE.match(self._text, word.end) is not None or RELATION.search(left) is not None
            unknown = _spoken(low) and (len(low) > 5 or beside)
            return name or low in lexicon.places() or self._person[i] or self._area[i] or unknown or not word.text.isascii()
        if not word.capital:
            return len(low) > 2 and self._hinted(i)
        if word.shouted:
            return (name and len(low) > 3) or (len(low) > 4 and _spoken(low)) or self._person[i]
        return len(low) > 3 or name or self._person[i] or self._area[i]

    def _pair(self, i: int) -> bool:
        """A given name and a surname, both plain words as well, side by side (Grace Young)."""
        for first, second in ((i, i + 1), (i - 1, i)):
            if first < 0 or second >= len(self._words) or self._between(first) != " ":
                continue
            one, two = self._words[first], self._words[second]
            plain = any(w in lexicon.FUNCTION_WORDS or w in lexicon.certain() for w in (one.folded, two.folded))
            if (
                one.folded in lexicon.given_names()
                and two.folded in lexicon.surnames()
                and two.capital
                and one.capital
                and not plain
            ):
                return True
        return False

    def _acts(self, i: int) -> bool:
        """A given name that is a plain word as well does what persons do (Hope was brought in)."""
        word, after = self._words[i], self._words[i + 1] if i + 1 < len(self._words) else None
        given = word.folded in lexicon.WORD_GIVEN or (
            word.folded in lexicon.clinical() and word.folded in lexicon.given_names() and not word.shouted
        )
        if not given or not word.cased or after is None or self._between(i) != " ":
            return False
        return after.folded in lexicon.PERSON_VERBS and self._before(i) not in DETERMINERS

    def _introduced(self, i: int) -> bool:
        """A title, a label or a clinician's degree stands beside the word."""
        word = self._words[i]
        low = word.folded
        looks = word.capital or not word.cased
        if self._before(i) in lexicon.STRICT_TITLES and NEAR.match(self._between(i - 1)):
            return looks or lexicon.is_name(low)
        english = word.english
        if self._listed[i] and looks and (not english or lexicon.is_name(low)):
            return True
        if CLINICIAN.match(self._text, word.end) and looks and i > 0 and self._words[i - 1].capital:
            return not english or lexicon.is_name(low)
        if english and not lexicon.is_name(low):
            return False
        left = self._text[max(0, word.start - WINDOW) : word.start]
        signed = SIGNED.search(left) is not None and self._text[word.end : word.end + 2].strip(" .") in ("", "\n")
        return looks and len(low) > 1 and (LABEL.search(left) is not None or self._speaker(i, left) or signed)

    def _cued(self, i: int) -> bool:
        return any(rule(self._text, self._words, i) for rule in (cued.is_cued, cued.is_surname_behind, cued.is_hyphened))

    def _speaker(self, i: int, left: str) -> bool:
        """The word opens a line and a colon follows, as who speaks does in a transcript; English words are headings."""
        word = self._words[i]
        return left.rsplit("\n", 1)[-1].strip() == "" and self._text[word.end : word.end + 1] == ":" and not word.english

    def _hinted(self, i: int, *, strict: bool = False) -> bool:
        """Words before a small word introduce a person, or a surname follows; `strict` asks for both."""
        word = self._words[i]
        left = self._text[max(0, word.start - WINDOW) : word.start]
        following = self._words[i + 1] if i + 1 < len(self._words) and self._between(i) == " " else None
        surname = following is not None and following.folded not in lexicon.FUNCTION_WORDS and lexicon.is_name(following.folded)
        introduced = SAYS_NAME.search(left) is not None or LABEL.search(left) is not None
        if strict:
            return introduced and surname and word.folded in lexicon.given_names()
        if word.folded in lexicon.given_names():
            return introduced or (surname and following is not None and not following.english)
        return introduced and word.folded in lexicon.surnames() and i > 0 and self._before(i) in lexicon.STRICT_TITLES

    def _grow(self) -> None:
        """Names take in the words joined to them that can be names: on both sides, across particles, initials and 'and'."""
        order = [*range(len(self._words)), *reversed(range(len(self._words)))]
        for i in order:
            if not self._taken[i]:
                continue
            for step in (1, -1):
                self._spread(i, step)

    def _spread(self, i: int, step: int) -> None:
        j = i + step
        while 0 <= j < len(self._words) and abs(j - i) <= FARTHEST:
            gap, word = self._between(min(j, j - step)), self._words[j]
            comma = "," in gap or "&" in gap
            if not (JOINED.match(gap) or (len(gap) <= 3 and gap.strip() in (",", "&", "") and "\n" not in gap)):
                return
            beside = gap == " " and j == i + step
            hyphened = gap == "-" and word.folded in SMALL
            if hyphened or self._taken[j] or self._joins(j, beside=i, comma=comma) or (beside and self._completes(i, j)):
                for k in range(min(i, j) + 1, max(i, j)):
                    self._taken[k] = self._words[k].folded not in CONJUNCTIONS
                self._taken[j] = True
                return
            if word.folded not in SMALL and word.folded not in CONJUNCTIONS and len(word.text) > 1:
                return
            j += step

    def _joins(self, j: int, *, beside: int, comma: bool) -> bool:
        word, other = self._words[j], self._words[beside]
        small = not (word.capital or not word.cased)
        if word.folded in lexicon.FUNCTION_WORDS or word.folded in lexicon.PARTICLES or self._safe[j]:
            return False
        name, english = lexicon.is_name(word.folded), word.english
        if small and not word.text.isascii() and not english:
            return True
        if small:  # beside a name that is written small as well
            return (
                other.cased
                and not other.capital
                and not comma
                and j > beside
                and (word.folded in lexicon.surnames() or not english)
            )
        if comma and english:
            return name and (word.shouted or self._person[j])
        return name or not english or (self._person[j] and j > beside)

    def _completes(self, i: int, j: int) -> bool:
        """A surname or given name that is a plain word as well (Long, August), beside a lone name with a capital."""
        word, other = self._words[j], self._words[i]
        if not (word.capital and word.cased and other.capital) or self._text[word.end : word.end + 1] in (":", "="):
            return False
        far = i - (j - i)
        alone = not (0 <= far < len(self._words) and self._taken[far] and self._between(min(i, far)) == " ")
        if j > i:
            follows_number = self._text[word.end : word.end + 3].strip()[:1].isdigit()
            return alone and other.folded in lexicon.given_names() and lexicon.is_name(word.folded) and not follows_number
        before = self._text[max(0, word.start - 3) : word.start].strip()
        return alone and word.folded in lexicon.given_names() and word.folded in MONTH_NAMES and not before[-1:].isdigit()

    def _take_initials(self) -> None:
        """A capital alone with a point, right before or behind a name, is an initial of it; a small particle before it a part."""
        for i, word in enumerate(self._words):
            if word.folded in OPENING and i + 1 < len(self._words) and self._between(i) == " " and self._words[i + 1].capital:
                self._taken[i] = self._taken[i] or (self._taken[i + 1] and self._words[i + 1].cased)
            if len(word.text) > 1 or not word.capital or self._text[word.end : word.end + 1] != ".":
                continue
            behind = i > 0 and self._taken[i - 1] and self._between(i - 1) == " "
            before = i + 1 < len(self._words) and self._taken[i + 1] and self._between(i) in (".", ". ")
            self._taken[i] = self._taken[i] or behind or before

    def _echo(self) -> None:
        """Each word of a name that was found is taken wherever else it stands with a capital."""
        taken = [w for w, is_taken in zip(self._words, self._taken, strict=True) if is_taken]
        known = {w.folded for w in taken if len(w.folded) > 2 or (len(w.folded) == 2 and not w.english and not w.shouted)}
        for i, word in enumerate(self._words):
            if word.folded in known and not self._safe[i] and (word.capital or not word.cased):
                self._taken[i] = True

    def _before(self, i: int) -> str:
        return self._words[i - 1].folded if i else ""

    def _between(self, i: int) -> str:
        """What stands between word i and the next."""
        if i < 0 or i + 1 >= len(self._words):
            return "\n"
        return self._text[self._words[i].end : self._words[i + 1].start]


def _covered(words: Sequence[Token], spans: Sequence[tuple[int, int]]) -> list[bool]:
    inside, k, ordered = [], 0, sorted(spans)
    for word in words:
        while k < len(ordered) and ordered[k][1] <= word.start:
            k += 1
        inside.append(k < len(ordered) and ordered[k][0] < word.end)
    return inside


def _spoken(low: str) -> bool:
    """The letters can be spoken, as a name's can and an abbreviation's seldom."""
    vowels = sum(c in "aeiouy" for c in low)
    return 0.25 <= vowels / len(low) <= 0.7
