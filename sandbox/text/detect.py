"""Where identifiers stand in a text: by shape, by name, by the language model and by the row's own record, put together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sandbox.text import address, lexicon, model, shapes
from sandbox.text import known as records
from sandbox.text.names import Names
from sandbox.text.tokens import Token, tokens, true_case

PIECE = 20_000  # characters given to the language model at once
READ_BY_MODEL = 200_000  # characters of one text; behind them the lists of names decide alone, recall first
# What may stand between two parts of one name or one address.
GLUE = {"NAME": re.compile(r"[ \t]?[-.'’]?[ \t]?\Z"), "GEO": re.compile(r"[ \t]{0,2}[-.,'’/]?[ \t]{0,2}\n?[ \t]{0,2}\Z")}
# Characters that are not seen and would part a name for the recognisers but not for a reader.
SURROGATE = re.compile("[\ud800-\udfff]")
INVISIBLE = re.compile("[\x00\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")


@dataclass(frozen=True, slots=True)
class Found:
    """An identifier in a text: characters `start` to `end`, and what kind it is."""

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: where it starts, its words, and the text as the language model is to read it."""

    text: str
    offset: int
    words: list[Token]
    cased: str


def find_all(batch: Sequence[tuple[str, Mapping[str, str]]], engine: str) -> list[list[Found]]:
    """For each text with its record the identifiers in it, in order, not overlapping; `engine` names the language model."""
    visible = [_visible(text) for text, _ in batch]
    pieces = [list(_pieces(text)) for text, _ in visible]
    read = iter(model.entities(engine, [piece.cased for text in pieces for piece in text if piece.offset < READ_BY_MODEL]))
    every = []
    for (text, where), parts, (_, record) in zip(visible, pieces, batch, strict=True):
        found = []
        for piece in parts:
            persons, areas = next(read) if piece.offset < READ_BY_MODEL else (_listed(piece), [])
            found += _in_piece(piece, persons, areas, record)
        merged = _merge(text, found)
        every.append([Found(where[f.start], where[f.end - 1] + 1, f.kind) for f in merged] if where else merged)
    return every


def _in_piece(piece: Piece, persons: model.Spans, areas: model.Spans, record: Mapping[str, str]) -> list[Found]:
    text = piece.text
    spans = [*Names(text, piece.words, persons, areas).found(), *shapes.spans(text), *records.spans(text, piece.words, record)]
    spans += address.around(text, piece.words, spans)
    return [Found(start + piece.offset, end + piece.offset, kind) for start, end, kind in spans]


def _listed(piece: Piece) -> model.Spans:
    """The words with a capital that are names somewhere, for a piece that the language model does not read."""
    return [(word.start, word.end) for word in piece.words if word.capital and lexicon.is_name(word.folded)]


def _visible(text: str) -> tuple[str, list[int] | None]:
    """`text` without what is not seen, and where each of its characters stood; None if all is seen."""
    text = SURROGATE.sub("\ufffd", text)  # what JSON can hold and UTF-8 cannot
    if not INVISIBLE.search(text):
        return text, None
    where = [i for i, c in enumerate(text) if not INVISIBLE.match(c)]
    return "".join(text[i] for i in where), where


def _pieces(text: str) -> Iterator[Piece]:
    """`text` in parts that end between words where one is near."""
    start = 0
    while start < len(text):
        end = start + PIECE
        if end < len(text):
            cut = max(text.rfind("\n", start + PIECE // 2, end), text.rfind(" ", start + PIECE * 9 // 10, end))
            end = cut + 1 if cut > 0 else end
        part = text[start:end]
        words = tokens(part)
        yield Piece(part, start, words, true_case(part, words, is_lower=lexicon.written_small()))
        start = end


def _merge(text: str, found: list[Found]) -> list[Found]:
    """The spans in order without overlap; neighbours of one kind are one."""
    merged: list[Found] = []
    for one in sorted(found, key=lambda f: (f.start, -f.end)):
        if not merged:
            merged.append(one)
            continue
        last = merged[-1]
        glued = (
            last.kind == one.kind and last.kind in GLUE and GLUE[last.kind].match(text[last.end : min(one.start, last.end + 8)])
        )
        if one.start < last.end or (glued and one.start - last.end < 8):
            longer = one if (one.end - one.start, one.kind != "ID") > (last.end - last.start, last.kind != "ID") else last
            merged[-1] = Found(last.start, max(last.end, one.end), longer.kind)
        else:
            merged.append(one)
    return merged
