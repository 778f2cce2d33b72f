"""Invented documents of many layouts with the spans of persons and places in them, to train a recogniser on: nobody exists.

Names are from the lists of the scrubber, from syllables no list holds and, now and then, plain words, so that what stands around
a name has to be learnt. A part of the documents is written small or in capitals throughout.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from sandbox.text import lexicon

FIELD = re.compile(r"\{(\w+)\}")
NAMED, PARTS = 0.55, (1, 2, 3, 4, 5, 6, 8)  # the share of layouts with names, and how many make a document
SEPARATORS = ("\n", " ", "\n", " ", ". ", "\n\n")
SMALL, CAPITAL = 0.12, 0.22  # up to which draws a document is written small, or in capitals
Span = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Material:
    """The lists and layouts of data/training.txt, and the words of the lexicon in order."""

    lists: Mapping[str, Sequence[str]]
    named: Sequence[str]
    plain: Sequence[str]
    given: Sequence[str]
    surnames: Sequence[str]
    places: Sequence[str]
    english: Sequence[str]
    clinical: Sequence[str]
    eponyms: Sequence[str]


@cache
def material() -> Material:
    """What documents are made of, read once."""
    text = resources.files("sandbox.text").joinpath("data", "training.txt").read_text("utf-8")
    lists, named, plain = ([line for line in part.splitlines() if line and line[0] != "#"] for part in _sections(text))
    pairs = (line.partition(": ") for line in lists)
    return Material(
        {name: values.split("|") for name, _, values in pairs},
        [line.replace("\\n", "\n") for line in named],
        [line.replace("\\n", "\n") for line in plain],
        sorted(lexicon.given_names()),
        sorted(lexicon.surnames()),
        sorted(lexicon.places()),
        sorted(word for word in lexicon.english() if len(word) > 2),
        sorted(word for word in lexicon.clinical() if len(word) > 4 and not lexicon.is_name(word)),
        sorted(lexicon.any_eponyms()),
    )


def document(draw: random.Random) -> tuple[str, list[Span]]:
    """One document and where in it are persons (PERSON) and places (LOCATION)."""
    known, text, spans, separator = _Names(draw), "", [], draw.choice(SEPARATORS)
    for _ in range(draw.choice(PARTS)):
        layouts = material().named if draw.random() < NAMED else material().plain
        part, found = _filled(known, draw.choice(layouts))
        text += separator if text else ""
        spans += [(start + len(text), end + len(text), label) for start, end, label in found]
        text += part
    written = draw.random()
    changed = text.lower() if written < SMALL else text.upper() if written < CAPITAL else text
    return (changed if len(changed) == len(text) else text), spans


def _sections(text: str) -> tuple[str, str, str]:
    lists, _, rest = text.partition("%% named\n")
    named, _, plain = rest.partition("%% plain\n")
    return lists, named, plain


def _filled(known: _Names, layout: str) -> tuple[str, list[Span]]:
    text, spans, last = "", [], 0
    for match in FIELD.finditer(layout):
        text += layout[last : match.start()]
        value, label = known.value(match[1])
        if label:
            spans.append((len(text), len(text) + len(value), label))
        text, last = text + value, match.end()
    return text + layout[last:], spans


class _Names:
    """Draws the values of one document's fields; a few first and last names come back in it."""

    def __init__(self, draw: random.Random) -> None:
        self._draw, self._of = draw, material()
        self._given, self._surnames = [self._first() for _ in range(3)], [self._last() for _ in range(3)]

    def value(self, field: str) -> tuple[str, str | None]:
        """What stands in the place of `field`, written as it is, and its label."""
        made = self._name(field)
        label = None if made is None else "LOCATION" if field.lower() in ("city", "street") else "PERSON"
        if made is None:
            made = self._plain(field.lower())
        if len(field) > 1 and field.isupper():
            return made.upper(), label
        if field[0].isupper():
            return made[:1].upper() + made[1:], label
        return (made.lower() if label == "PERSON" else made), label

    def _name(self, field: str) -> str | None:
        choose = self._draw.choice
        match field:
            case "Person" | "person" | "PERSON" | "P":
                return self._person()
            case "F" | "f" | "FIRST":
                return choose(self._given)
            case "L" | "l" | "LAST":
                return choose(self._surnames)
            case "I":
                return choose("ABCDEFGHJ")
            case "City" | "city":
                return self._city()
            case "street":
                return self._street()
            case _:
                return None

    def _plain(self, field: str) -> str:
        draw, of = self._draw, self._of
        match field:
            case "word":
                return draw.choice(of.english)
            case "drug":
                return draw.choice(of.clinical)
            case "eponym":
                return draw.choice(of.eponyms)
            case "dx":
                first = draw.choice(of.eponyms).title() + " " + draw.choice(of.lists["malady"])
                other = draw.choice((draw.choice(of.clinical) + " ", "")) + draw.choice(of.lists["disease"])
                return first if draw.random() < 0.3 else other
            case "mail":
                return f"{self._coined()}.{self._coined()}@example.org".lower()
            case "i":
                return draw.choice("abcdefghj")
        return "".join(str(draw.randrange(10)) if c == "#" else c for c in draw.choice(of.lists[field]))

    def _coined(self) -> str:
        number = self._draw.choice((2, 2, 3, 3, 4))
        return "".join(self._draw.choice(self._of.lists["syllable"]) for _ in range(number)).title()

    def _first(self) -> str:
        chance = self._draw.random()
        if chance < 0.75:
            return self._draw.choice(self._of.given).title()
        return self._coined() if chance < 0.96 else self._draw.choice(self._of.english).title()

    def _last(self) -> str:
        chance = self._draw.random()
        name = self._draw.choice(self._of.surnames).title() if chance < 0.68 else self._coined()
        name = self._draw.choice(self._of.english).title() if chance > 0.92 else name
        chance = self._draw.random()
        if chance < 0.05:
            return f"{name}-{self._draw.choice(self._of.surnames).title()}"
        return self._draw.choice(self._of.lists["particle"]) + name if chance < 0.09 else name

    def _person(self) -> str:
        first, last, other, chance = self._first(), self._last(), self._first(), self._draw.random()
        shapes = (
            (0.70, f"{first} {last}"), (0.78, f"{first} {other[:1]}. {last}"), (0.84, f"{first[:1]}. {last}"),
            (0.89, f"{first} {other} {last}"), (0.93, f"{last}, {first}"), (0.96, f"{first}-{other} {last}"), (0.98, last),
        )  # fmt: skip
        return next((name for up_to, name in shapes if chance < up_to), first)

    def _city(self) -> str:
        if self._draw.random() < 0.7:
            return self._draw.choice(self._of.places).title()
        return self._coined() + self._draw.choice(("ville", "burg", "ton", "", "field", " Falls", " Springs"))

    def _street(self) -> str:
        names = (
            self._coined(),
            self._last(),
            self._draw.choice(self._of.places).title(),
            self._draw.choice(self._of.english).title(),
        )
        flat = f" Apt {self._draw.randrange(1, 99)}" if self._draw.random() < 0.15 else ""
        return f"{self._draw.randrange(1, 9999)} {self._draw.choice(names)} {self._draw.choice(self._of.lists['road'])}{flat}"
