"""Notes: throughput and leaks of the scrubber beside a loop of plain Presidio with the same spaCy model, in one run.

usage: deid_notes.py [NUMBER] - unique notes of the held-out layouts; prints one JSON object.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from deid_corpus import notes

from sandbox.text import Scrubber
from sandbox.text.model import MODEL

WORD = re.compile(r"[^\W\d_]{3,}|\d{4,}")
PLAIN_NOTES = 300  # of which plain Presidio's rate is taken: its loop costs the same for every note
REPEATS = 10


def main() -> None:
    """Rates are notes a second; `leak` counts an identifier of which any word of 3 letters or run of 4 digits still stands."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 3_000
    made = list(notes("held_out", number, 2))
    texts, records = [note["text"] for note, _ in made], [record for _, record in made]
    scrubber = Scrubber()
    plain, plain_rate = _timed(_plain_presidio(), texts[:PLAIN_NOTES])
    ours, rate = _timed(scrubber.scrub_batch, texts)
    known, known_rate = _timed(lambda given: scrubber.scrub_batch(given, records), texts)
    repeated = (texts[: number // REPEATS] * REPEATS)[:number]
    _, repeated_rate = _timed(scrubber.scrub_batch, repeated)
    sample = [note for note, _ in made]
    print(
        json.dumps(
            {
                "notes": number,
                "cores": len(os.sched_getaffinity(0)),
                "plain_presidio": {"notes_per_second": plain_rate, **_score(sample[:PLAIN_NOTES], plain)},
                "scrubber": {"notes_per_second": rate, "times_plain": rate / plain_rate, **_score(sample, ours)},
                "scrubber_known": {
                    "notes_per_second": known_rate,
                    "times_plain": known_rate / plain_rate,
                    **_score(sample, known),
                },
                "repeated_ten_times": {"notes_per_second": repeated_rate, "times_plain": repeated_rate / plain_rate},
            }
        )
    )


def _timed(run: Callable[[Sequence[str]], Sequence[str | None]], texts: Sequence[str]) -> tuple[list[str], float]:
    start = time.perf_counter()
    out = [text or "" for text in run(texts)]
    return out, round(len(texts) / (time.perf_counter() - start), 1)


def _plain_presidio() -> Callable[[Sequence[str]], list[str]]:
    """Presidio as its documentation shows it, models loaded before the clock starts."""
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine
    from presidio_anonymizer import AnonymizerEngine

    analyzer = AnalyzerEngine(nlp_engine=SpacyNlpEngine([{"lang_code": "en", "model_name": MODEL}]))
    anonymizer = AnonymizerEngine()
    analyzer.analyze("warm", "en")
    return lambda texts: [anonymizer.anonymize(t, analyzer.analyze(t, "en")).text for t in texts]  # type: ignore[arg-type]


def _score(gold: Sequence[dict[str, Any]], out: Sequence[str]) -> dict[str, float]:
    """Share of identifiers of which something still stands, and of other words that still stand."""
    leaks = identifiers = kept = outside = 0
    for note, clean in zip(gold, out, strict=True):
        text, have = note["text"], Counter(_words(clean))
        rest = list(text)
        for span in note["spans"]:
            rest[span["start"] : span["end"]] = " " * (span["end"] - span["start"])
        plain = Counter(_words("".join(rest)))
        for span in note["spans"]:
            identifiers += 1
            leaks += any(have[word] > plain[word] for word in _words(text[span["start"] : span["end"]]))
        outside += plain.total()
        kept += (plain & have).total()
    return {"leak": round(leaks / max(identifiers, 1), 4), "kept_words": round(kept / max(outside, 1), 4)}


def _words(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(text)]


if __name__ == "__main__":
    main()
