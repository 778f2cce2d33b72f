"""Identifiers told by the field they stand in: labelled addresses, answers in figures, segments of messages (HL7 version 2)."""

from __future__ import annotations

import re
from collections.abc import Iterator

Span = tuple[int, int, str]

ADDRESS = re.compile(
    r"(?i:(?<![a-z])(?:addr(?:ess)?|residence|residing at|town|city|village|place of (?:birth|residence)))[\"']?[ \t]{0,3}"
    r"(?:</\w{1,6}>)?[ \t]{0,3}(?:[:=|]|\.{3,60})[\"' \t]{0,4}(?:</\w{1,6}>[ \t]{0,3})?([^\n;\"<|]{3,120})"
)
SENTENCE_END = re.compile(r"(?<=[^\W\d_]{4})\.[ \t]+(?=[A-Z][a-z])")
# A line that holds nothing but who speaks and a number, behind a question.
ANSWER = re.compile(r"\?[ \t]*\n[^\n:]{1,40}:[ \t]*(\d[\d -]{2,22}\d)(?=[ \t.,]*(?:\n|\Z))")
# What is answered, on the next line behind who speaks, to a question about an address or a name.
SPEAKS = r"[^\n?]{0,60}\?[ \t]*\n(?:\[?\d\d?:\d\d(?::\d\d)?\]?[ \t]*)?[^\n:]{1,40}:[ \t]*"
WHERE = re.compile(r"(?i:\baddress|where (?:do|does|did) (?:you|he|she|they) live)" + SPEAKS + r"([^\n]{3,120})")
WHO = re.compile(
    r"(?i:\b(?:your|the caller's|the patient's|his|her) (?:full |first |last |family |own )?name)" + SPEAKS + r"([^\n\d]{2,60})"
)
# Segments about persons (HL7 2.5.1, chapters 3 and 6), and the fields of others that hold a person: number^surname^given name.
SEGMENT = re.compile(r"^(PID|NK1|GT1|IN1|PV1|ORC|OBR|PD1|ROL)\|([^\n\r]{0,4000})", re.M)
OF_PERSONS = ("PID", "NK1", "GT1", "IN1")
MOST_NAMES = 4  # words of an answer that is no more than a name
FIELD, PART = re.compile(r"[^|]+"), re.compile(r"[^\s|^~&\\][^|^~&\\]*")
PERSON = re.compile(r"[\w-]*\^[^\W\d_][^|^]+\^[^\W\d_][^|]*")


def spans(text: str) -> Iterator[Span]:
    """(start, end, kind) of what stands in such fields."""
    low = text.lower()
    if any(label in low for label in ("addr", "resid", "town", "city", "village", "place of")):
        yield from _addresses(text)
    if "?" in text:
        for match in ANSWER.finditer(text):
            yield *match.span(1), "ID"
        yield from ((*match.span(1), "GEO") for match in WHERE.finditer(text))
        yield from ((*match.span(1), "NAME") for match in WHO.finditer(text) if len(match[1].split()) <= MOST_NAMES)
    if "|" in text and "^" in text:
        yield from _segments(text)


def _addresses(text: str) -> Iterator[Span]:
    for match in ADDRESS.finditer(text):
        start, end = match.span(1)
        if stop := SENTENCE_END.search(text, start, end):
            end = stop.start()
        yield start, start + len(text[start:end].rstrip(" \t,.'")), "GEO"


def _segments(text: str) -> Iterator[Span]:
    for segment in SEGMENT.finditer(text):
        for field in FIELD.finditer(text, *segment.span(2)):
            if segment[1] not in OF_PERSONS and not PERSON.fullmatch(field[0]):
                continue
            for part in PART.finditer(text, *field.span()):
                if len(part[0]) > 1:
                    yield *part.span(), "ID" if any(c.isdigit() for c in part[0]) else "NAME"
