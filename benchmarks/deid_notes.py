"""Notes: throughput and leaks of the scrubber beside a loop of plain Presidio with the same spaCy model, in one run.

usage: python -m benchmarks.deid_notes [NUMBER [ENGINE]] - unique notes, and the model the scrubber reads with; prints JSON,
progress to standard error. `times_plain` is of wall time with a process on each core, their start included; `times_plain_cpu` of
the CPU seconds of one process that does the same. Plain Presidio is a loop in one process, with the small model. The layouts are
those of `held_out`, unseen no more (deid_corpus).
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

from benchmarks.deid_corpus import notes
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
    engine = sys.argv[2] if len(sys.argv) > 2 else MODEL
    scrubber, alone = Scrubber(engine=engine), Scrubber(engine=engine, processes=1)
    alone.scrub_batch(texts[:1])  # as plain Presidio, it has loaded what it needs
    plain, plain_rate = _timed("plain Presidio", _plain_presidio(), texts[:PLAIN_NOTES])
    ours, rate = _timed("scrubber", scrubber.scrub_batch, texts)
    _, alone_rate = _timed("scrubber, one process", alone.scrub_batch, texts)
    _, alone_known = _timed("scrubber, one process, records known", lambda given: alone.scrub_batch(given, records), texts)
    known, known_rate = _timed("scrubber, records known", lambda given: scrubber.scrub_batch(given, records), texts)
    repeated = (texts[: max(1, number // REPEATS)] * (REPEATS + 1))[:number]
    _, repeated_rate = _timed("repeated", alone.scrub_batch, repeated)
    sample = [note for note, _ in made]
    print(
        json.dumps(
            {
                "notes": number,
                "engine": engine,
                "cores": len(os.sched_getaffinity(0)),
                "load": round(os.getloadavg()[0], 1),
                "plain_presidio": {**plain_rate, **_score(sample[:PLAIN_NOTES], plain)},
                "scrubber": {**_against(rate, alone_rate, plain_rate), **_score(sample, ours)},
                "scrubber_known": {**_against(known_rate, alone_known, plain_rate), **_score(sample, known)},
                "repeated_ten_times": _against(repeated_rate, repeated_rate, plain_rate),
            }
        )
    )


def _timed(
    step: str, run: Callable[[Sequence[str]], Sequence[str | None]], texts: Sequence[str]
) -> tuple[list[str], dict[str, float]]:
    print(f"{step}: {len(texts):,} notes", file=sys.stderr, flush=True)
    start, used = time.perf_counter(), _cpu()
    out = [text or "" for text in run(texts)]
    wall, cpu = time.perf_counter() - start, _cpu() - used
    return out, {
        "notes_per_second": round(len(texts) / wall, 1), "notes_per_cpu_second": round(len(texts) / max(cpu, 1e-9), 1),
        "wall_seconds": round(wall, 2), "cpu_seconds": round(cpu, 2),
    }  # fmt: skip


def _cpu() -> float:
    """CPU seconds of this process."""
    return time.process_time()


def _against(all_cores: dict[str, float], one: dict[str, float], plain: dict[str, float]) -> dict[str, float]:
    return {
        "notes_per_second": all_cores["notes_per_second"], "notes_per_cpu_second": one["notes_per_cpu_second"],
        "times_plain": round(all_cores["notes_per_second"] / plain["notes_per_second"], 2),
        "times_plain_cpu": round(one["notes_per_cpu_second"] / plain["notes_per_cpu_second"], 2),
    }  # fmt: skip


def _plain_presidio() -> Callable[[Sequence[str]], list[str]]:
    """Presidio as its documentation shows it, models loaded before the clock starts."""
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine
    from presidio_anonymizer import AnonymizerEngine

    analyzer = AnalyzerEngine(nlp_engine=SpacyNlpEngine([{"lang_code": "en", "model_name": MODEL}]))
    anonymizer = AnonymizerEngine()
    analyzer.analyze("warm, a.b@example.org", "en")  # an address makes it ask the network for a list of suffixes, once
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
