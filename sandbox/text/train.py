"""Trains the recogniser of names that is shipped in data/names: `python -m sandbox.text.train FOLDER`, always the same bytes.

About 10 minutes of one core. Documents are invented while it learns, so none is seen twice (invented.py).
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sandbox.text import lexicon
from sandbox.text.invented import document
from sandbox.text.tokens import tokens, true_case

SEED, BATCH, STEPS = 1, 32, 1_600
RATE, DROP = 0.001, 0.2
LAYERS = {
    "@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner", "extra_state_tokens": False, "hidden_width": 64,
    "maxout_pieces": 2, "use_upper": True,
    "tok2vec": {
        "@architectures": "spacy.HashEmbedCNN.v2", "pretrained_vectors": None, "width": 96, "depth": 2, "embed_size": 2000,
        "window_size": 1, "maxout_pieces": 3, "subword_features": True,
    },
}  # fmt: skip


def main() -> None:
    """FOLDER holds the trained pipeline."""
    train(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else STEPS)


def train(out: Path, steps: int) -> None:
    """`out` holds a spaCy pipeline of nothing but the recogniser, after `steps` batches."""
    import spacy
    from thinc.api import NumpyOps, fix_random_seed, set_current_ops
    from threadpoolctl import threadpool_limits

    fix_random_seed(SEED)
    set_current_ops(NumpyOps(use_blis=False))
    nlp: Any = spacy.blank("en", meta={"name": "sallyport_names", "version": "1", "license": "Apache-2.0"})
    nlp.add_pipe("ner", config={"model": LAYERS})
    examples = _examples(nlp, random.Random(SEED))  # noqa: S311 - invented text, no secret
    with threadpool_limits(1):
        optimizer = nlp.initialize(lambda: list(islice(examples, 400)))
        for step in range(steps):
            optimizer.learn_rate = RATE * max(0.05, min(1.0, 1.6 * (1 - step / steps)))
            losses = nlp.update(list(islice(examples, BATCH)), sgd=optimizer, drop=DROP)
            if step % 100 == 0:
                print(f"step {step:,} of {steps:,}: loss {losses['ner']:.0f}", file=sys.stderr, flush=True)
        with nlp.use_params(optimizer.averages):
            nlp.to_disk(out, exclude=["vocab"])  # the recogniser hashes words, and keeps none of the documents'


def _examples(nlp: Any, draw: random.Random) -> Iterator[Any]:
    """Documents as the scrubber gives them to a model: parts without meaningful capitals written as they may be."""
    from spacy.training import Example
    from spacy.util import filter_spans

    while True:
        text, found = document(draw)
        text = true_case(text, tokens(text), is_lower=lexicon.written_small())
        doc = nlp.make_doc(text)
        spans = [doc.char_span(start, end, label=label, alignment_mode="expand") for start, end, label in found]
        gold = doc.copy()
        gold.ents = filter_spans([span for span in spans if span is not None])
        yield Example(doc, gold)


if __name__ == "__main__":
    main()
