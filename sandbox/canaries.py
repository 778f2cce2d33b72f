"""Canaries: invented identifiers of every category of 45 CFR 164.514(b)(2)(i) that text can hold, planted in copies of texts."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

WORD = re.compile(r"[^\W\d_]{3,}|\d{4,}")
GAP = re.compile(r"(?<!\bDr)(?<!\bMr)(?<!\bMs)(?<!\bMrs)(?<!\bProf)(?<!\bSt)(?<!\b[A-Z])[.!?]\s+|\n")  # and no name behind it
SYLLABLES = (
    "ba",
    "che",
    "dro",
    "el",
    "fi",
    "gra",
    "hul",
    "ki",
    "lor",
    "mez",
    "nu",
    "or",
    "pla",
    "qui",
    "ras",
    "tov",
    "ux",
    "vel",
    "wyn",
    "zan",
)
STREETS = ("Street", "Avenue", "Road", "Lane", "Drive", "Boulevard", "Court")
# Kind -> a sentence with the identifier in braces.
SENTENCES = {
    "NAME": ("Spoke to {} today.", "Seen with {}, who agreed.", "Signed by {}.", "Her brother {} was told."),
    "STREET": ("Lives at {}.", "Letter sent to {}."),
    "CITY": ("Moved here from {} last year.", "Was born in {}."),
    "ZIP": ("ZIP code {}.",),
    "DATE": ("Admitted on {}.", "Born {}.", "Next visit {}."),
    "PHONE": ("Call {} with questions.", "Phone {}."),
    "FAX": ("Fax {}.",),
    "EMAIL": ("Write to {}.",),
    "SSN": ("SSN {}.",),
    "MRN": ("MRN {}.", "Medical record number {}."),
    "HEALTH_PLAN": ("Plan {}.", "Member ID {}."),
    "ACCOUNT": ("Account {}.", "Card {} was charged."),
    "LICENSE": ("Driver licence {}.",),
    "VEHICLE": ("Plate {}.", "Vehicle plate {}."),
    "DEVICE": ("Device serial {}.",),
    "URL": ("Records at {}.",),
    "IP": ("Login from {}.",),
    "AGE": ("She is {} years old.",),
}


@dataclass(frozen=True, slots=True)
class Canary:
    """An identifier of a kind, in the copy of the text numbered `index` that holds it; the words `beside` it identify nobody."""

    kind: str
    value: str
    index: int
    planted: str
    beside: str


def plant(texts: Sequence[str], number: int, seed: bytes) -> list[Canary]:
    """`number` copies of texts, each with one canary between two of its sentences; the same for the same seed."""
    draw = random.Random(seed)  # noqa: S311 - invented identifiers, not secrets
    canaries, kinds = [], list(SENTENCES)
    for n in range(number):
        kind, index = kinds[n % len(kinds)], draw.randrange(len(texts))
        value, text = _MAKERS[kind](draw), texts[index]
        gaps = [m.end() for m in GAP.finditer(text)] or [len(text)]
        at = draw.choice(gaps)
        sentence = draw.choice(SENTENCES[kind])
        planted = f"{text[:at]} {sentence.format(value)} {text[at:]}"
        canaries.append(Canary(kind, value, index, planted, sentence.format("")))
    return canaries


def leaks(canaries: Sequence[Canary], clean: Sequence[str | None], originals: Sequence[str]) -> Mapping[str, int]:
    """Kind -> canaries of which any word of three letters, or run of four digits, still stands."""
    found: Counter[str] = Counter()
    for canary, text in zip(canaries, clean, strict=True):
        have, before = Counter(_words(text or "")), Counter(_words(originals[canary.index]))
        parts = _words(canary.value) or [canary.value]
        found[canary.kind] += any(have[word] > before[word] for word in parts) or (
            not WORD.search(canary.value) and re.search(rf"(?<!\w){re.escape(canary.value)}(?!\w)", text or "") is not None
        )
    return {kind: n for kind, n in found.items() if n}


def words_lost(canaries: Sequence[Canary], clean: Sequence[str | None], originals: Sequence[str]) -> float:
    """The share of the words planted beside canaries that do not stand: ordinary words, for nobody's name was there before."""
    lost = total = 0
    for canary, text in zip(canaries, clean, strict=True):
        have, before = Counter(_words(text or "")), Counter(_words(originals[canary.index]))
        beside = _words(canary.beside)
        total += len(beside)
        lost += sum(have[word] <= before[word] for word in beside)
    return lost / max(total, 1)


def _words(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(text)]


def _name(draw: random.Random) -> str:
    """Half from the lists of names, half of syllables no list holds."""
    from sandbox.text import lexicon

    if draw.random() < 0.5:
        given, surnames = sorted(lexicon.given_names()), sorted(lexicon.surnames())
        return f"{draw.choice(given).title()} {draw.choice(surnames).title()}"
    return f"{_coined(draw)} {_coined(draw)}"


def _coined(draw: random.Random) -> str:
    return "".join(draw.choice(SYLLABLES) for _ in range(3)).title()


def _digits(shape: str) -> Callable[[random.Random], str]:
    return lambda draw: "".join(
        draw.choice("0123456789") if c == "#" else draw.choice("ABCDEFGHKLMNPRSTUVWXYZ") if c == "@" else c for c in shape
    )


def _day(draw: random.Random) -> str:
    year, month, day = draw.randrange(1930, 2026), draw.randrange(1, 13), draw.randrange(1, 29)
    name = (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    )[month - 1]
    return draw.choice(
        [f"{month:02d}/{day:02d}/{year}", f"{year}-{month:02d}-{day:02d}", f"{name} {day}, {year}", f"{day} {name[:3]} {year}"]
    )


_MAKERS: dict[str, Callable[[random.Random], str]] = {
    "NAME": _name,
    "STREET": lambda draw: f"{draw.randrange(1, 9999)} {_coined(draw)} {draw.choice(STREETS)}",
    "CITY": lambda draw: _coined(draw) + draw.choice(["ville", "burg", "ton", ""]),
    "ZIP": _digits("#####"),
    "DATE": _day,
    "PHONE": _digits("(2##) 555-01##"),
    "FAX": _digits("3##-555-01##"),
    "EMAIL": lambda draw: f"{_coined(draw)}.{_coined(draw)}@example.org".lower(),
    "SSN": _digits("1##-4#-####"),
    "MRN": _digits("########"),
    "HEALTH_PLAN": _digits("@@@#########"),
    "ACCOUNT": _digits("4### #### #### ####"),
    "LICENSE": _digits("@###-####-####"),
    "VEHICLE": _digits("@@# ####"),
    "DEVICE": _digits("@@-##@####"),
    "URL": lambda draw: f"https://{_coined(draw).lower()}.example.org/p/{draw.randrange(10**6)}",
    "IP": _digits("10.2#.1##.1##"),
    "AGE": lambda draw: str(draw.randrange(90, 110)),
}
