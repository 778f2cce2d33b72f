"""The words of a text, how each is written, and in which parts of the text capitals say nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.text import lexicon
from sandbox.text.folding import fold

# Letters, with the apostrophes inside them; a hyphen parts two words.
TOKEN = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f])*(?:['’`][^\W\d_]+)*")
COMBINING = re.compile("[\u0300-\u036f]")
POSSESSIVE, APOSTROPHES = ("'s", "’s", "'S", "’S"), dict.fromkeys(map(ord, "'’`"))
PARTICLE = re.compile(r"[^\W\d_]{1,2}['’`][A-Z]")  # d'Aubigny
SENTENCE = re.compile(r"(?:\A|[.!?]\s|\n)\s*([^\W\d_])")
LETTERS = re.compile(r"[^\W\d_]+")
LINE = re.compile(r"[^\n]+")
BORROWED = frozenset(("cafe", "naive", "resume", "fiance", "fiancee", "deja", "facade", "cliche", "papule", "menetrier", "role"))
HEADING = re.compile(r"[^:\n]{1,40}:[ \t]*")
FEWEST_SENTENCES = 2
FEWEST_WORDS, SELDOM = 15, 0.03  # a text of so many words with so few capitals is written small
SHORTEST_SHOUTED_LINE = 3  # words
LATIN_END = 0x250


@dataclass(frozen=True, slots=True)
class Token:
    """A word: `folded` is lower case without diacritics and possessive; `cased` says whether capitals mean anything here."""

    start: int
    end: int
    text: str
    folded: str
    capital: bool
    shouted: bool
    cased: bool
    foreign: bool

    @property
    def english(self) -> bool:
        """The word is English or clinical; letters with diacritics are foreign, but for a few words taken over."""
        if self.text.isascii() or self.folded in lexicon.clinical() or "’" in self.text:
            return lexicon.is_english(self.folded)
        return self.folded in BORROWED


def tokens(text: str) -> list[Token]:
    """The words of `text` in order."""
    found = [(m.start(), m.end(), m[0]) for m in TOKEN.finditer(text)]
    small = _written_small(text)
    uncased = [] if small else _uncased_lines(text)
    made, line = [], 0
    for start, end, word in found:
        while line < len(uncased) and uncased[line][1] <= start:
            line += 1
        inside = line < len(uncased) and uncased[line][0] <= start
        made.append(_token(start, end, word, cased=word[0].isupper() if small else not inside))
    return made


def true_case(text: str, words: list[Token], *, is_lower: frozenset[str]) -> str:
    """`text`, as long as before, where each word of an uncased part is written small, or with a capital if it may be a name."""
    characters: list[str] | None = None
    for token in words:
        if token.cased:
            continue
        characters = characters or list(text)
        low = token.text.lower()
        if len(low) == len(token.text):
            characters[token.start : token.end] = low if token.folded in is_lower else low[0].upper() + low[1:]
    return "".join(characters) if characters else text


def _token(start: int, end: int, word: str, *, cased: bool) -> Token:
    base = word[:-2] if word.endswith(POSSESSIVE) else word
    plain = base.isascii()
    folded = base.lower() if plain else COMBINING.sub("", fold(base))
    if not (plain and base.isalpha()):
        folded = folded.translate(APOSTROPHES)
    shouted = len(base) > 1 and base.isupper()
    capital = word[0].isupper() or word[0].istitle() or PARTICLE.match(word) is not None
    return Token(start, end, word, folded, capital, shouted, cased, foreign=ord(max(base)) >= LATIN_END)


def _written_small(text: str) -> bool:
    """No sentence begins with a capital though some word has one: small words can be names, and capitals still mean something."""
    first = SENTENCE.findall(text)
    if len(first) < FEWEST_SENTENCES or any(not c.islower() for c in first):
        return False
    return any(map(str.isupper, text))


def _uncased_lines(text: str) -> list[tuple[int, int]]:
    """The parts of `text` written all in capitals, or all small."""
    letters = "".join(LETTERS.findall(text))
    upper = sum(map(str.isupper, letters))
    if letters and not upper:
        return [(0, len(text))]
    if upper > 0.75 * max(1, len(letters)) and len(letters) > 12:
        return [(0, len(text))]
    words = [m[0] for m in TOKEN.finditer(text)]
    if len(words) > FEWEST_WORDS and sum(w[0].isupper() and not (w.isupper() and len(w) < 6) for w in words) < SELDOM * len(
        words
    ):
        return [(0, len(text))]
    return sorted([*_shouted_lines(text), *_small_lines(text)])


def _small_lines(text: str) -> Iterator[tuple[int, int]]:
    """What stands in a line behind its heading, if it is long and nothing in it has a capital, as in what was dictated."""
    for match in LINE.finditer(text):
        heading = HEADING.match(match[0])
        start = heading.end() if heading else 0
        rest = match[0][start:]
        if rest.islower() and len(TOKEN.findall(rest)) > FEWEST_WORDS:
            yield match.start() + start, match.end()


def _shouted_lines(text: str) -> Iterator[tuple[int, int]]:
    for match in LINE.finditer(text):
        line = match[0]
        if not any(c.islower() for c in line) and len(TOKEN.findall(line)) >= SHORTEST_SHOUTED_LINE:
            yield match.span()
