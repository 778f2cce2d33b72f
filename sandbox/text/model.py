"""Persons and places that a language model reads in texts, and nothing more of it than that needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from sandbox.text.engines import IGNORED, LANGUAGE, MODEL, Engine

BATCH = 64
PERSON, AREA = ("PERSON",), ("LOCATION",)
UNUSED = ("tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer")
LONGEST = 10_000_000  # characters

Spans = list[tuple[int, int]]
Labelled = list[tuple[int, int, str]]
Reader = Callable[[Sequence[str]], Iterator[Labelled]]


def entities(engine: str, texts: Sequence[str]) -> list[tuple[Spans, Spans]]:
    """For each text the spans of persons and those of places."""
    with _one_thread().limit(limits=1, user_api="blas"):
        return [
            ([(s, e) for s, e, kind in found if kind in PERSON], [(s, e) for s, e, kind in found if kind in AREA])
            for found in _reader(engine)(texts)
        ]


@cache
def _one_thread() -> Any:
    """Processes share out the cores, so that each needs one thread; and sums then do not hang on how many there are."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@cache
def _reader(named: str) -> Reader:
    """How the engine reads, made once a process."""
    engine = Engine.parse(named)
    made = engine.load()
    if engine.kind == "gliner":
        return lambda texts: ([(r.start, r.end, r.entity_type) for r in made.analyze(t, ["PERSON", "LOCATION"])] for t in texts)
    if not engine.spacy:
        return lambda texts: _by_presidio(made, texts)
    nlp = made.nlp[LANGUAGE]
    named_as = made.ner_model_configuration.model_to_presidio_entity_mapping
    read = _prepared(nlp)

    def reader(texts: Sequence[str]) -> Iterator[Labelled]:
        # The pipeline itself: Presidio's artifacts (lemmas, keywords) would be made and thrown away.
        for doc in read(texts):
            yield [(e.start_char, e.end_char, named_as.get(e.label_, e.label_)) for e in doc.ents if e.label_ not in IGNORED]

    return reader


def _by_presidio(made: Any, texts: Sequence[str]) -> Iterator[Labelled]:
    for _, artifacts in made.process_batch(texts, LANGUAGE, batch_size=BATCH):
        yield [(e.start_char, e.end_char, e.label_) for e in artifacts.entities]


def _prepared(nlp: Any) -> Callable[[Sequence[str]], Iterator[Any]]:
    """How `nlp` makes documents of texts: without parts that persons and places do not need, and fast where it is known how."""
    nlp.max_length = LONGEST
    if not _independent(nlp):
        return lambda texts: nlp.pipe(texts, batch_size=BATCH)
    for unused in UNUSED:
        if unused in nlp.pipe_names:
            nlp.remove_pipe(unused)
    ner = nlp.get_pipe("ner")
    _with_numpy(ner.model)
    if nlp.pipe_names != ["ner"] or ner.cfg.get("beam_width", 1) != 1:
        return lambda texts: nlp.pipe(texts, batch_size=BATCH)
    return lambda texts: (doc for i in range(0, len(texts), BATCH) for doc in _greedy(nlp, ner, texts[i : i + BATCH]))


def _independent(nlp: Any) -> bool:
    """The recogniser is spaCy's own and has its first layers to itself, so that the others' can go."""
    from spacy.pipeline import EntityRecognizer

    if "ner" not in nlp.pipe_names or not isinstance(nlp.get_pipe("ner"), EntityRecognizer):
        return False
    return not any(node.name == "listener" for node in nlp.get_pipe("ner").model.walk())


def _with_numpy(model: Any) -> None:
    """The layers multiply with numpy's library, which is twice as fast as what spaCy brings; other devices stay."""
    from thinc.api import NumpyOps

    plain = NumpyOps(use_blis=False)
    for node in model.walk():
        if type(node.ops) is NumpyOps:
            node.ops = plain


def _greedy(nlp: Any, ner: Any, texts: Sequence[str]) -> list[Any]:
    """The documents with their entities, the same as the pipeline's.

    The recogniser's own steps, taken one by one: its loop takes and drops the interpreter's lock at each word, which costs
    half of its time.
    """
    docs = [nlp.make_doc(text) for text in texts]
    batch = ner.moves.init_batch(docs)
    states = [state for state in batch if not state.is_final()]
    if states:
        step = ner.model.predict(docs)
        while states:
            states = ner.transition_states(states, step.predict(states))
        step.clear_memory()
    ner.set_annotations(docs, batch)
    return docs


__all__ = ["MODEL", "Labelled", "Spans", "entities"]
