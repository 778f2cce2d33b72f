"""The recogniser of our own: invented documents say where names are, training gives the same bytes, what is shipped is small."""

from __future__ import annotations

import json
import random
from pathlib import Path

from sandbox.text import Scrubber, model
from sandbox.text.engines import OURS, Engine
from sandbox.text.invented import document, material
from sandbox.text.train import train

SHIPPED_BYTES = 5_000_000


def test_documents_are_the_same_for_the_same_seed_and_their_spans_are_names_alone() -> None:
    made = [document(random.Random(seed)) for seed in range(300)]
    assert made == [document(random.Random(seed)) for seed in range(300)]
    spans = [(text[start:end], label) for text, found in made for start, end, label in found]
    assert {label for _, label in spans} == {"PERSON", "LOCATION"} and len(spans) > 400
    assert all(value == value.strip() and value for value, _ in spans)
    assert any(value.islower() for value, _ in spans) and any(value.isupper() and len(value) > 3 for value, _ in spans)


def test_every_layout_can_be_filled_and_none_of_the_plain_ones_names_anybody() -> None:
    from sandbox.text.invented import _filled, _Names

    known = _Names(random.Random(1))
    assert all(_filled(known, layout)[1] for layout in material().named)
    assert not any(_filled(known, layout)[1] for layout in material().plain)


def test_training_gives_the_same_bytes_and_keeps_no_word_of_the_documents(tmp_path: Path) -> None:
    files = []
    for out in (tmp_path / "one", tmp_path / "two"):
        train(out, 2)
        files.append({p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()})
    assert files[0] == files[1] and not any("strings" in name for name in files[0])


def test_the_shipped_recogniser_is_small_named_in_the_recipe_and_reads_names() -> None:
    folder = Path(Engine.parse(OURS).place)
    assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) < SHIPPED_BYTES
    said = Scrubber(engine=OURS).recipe["engine"]
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    assert said["model"] == f"en_{meta['name']}" and said["digest"] and said["model_version"] == meta["version"]
    ((persons, places),) = model.entities(OURS, ["Spoke to Thandeka Vrchlicky, who moved here from Wolframs Eschen."])
    assert sorted([*persons, *places]) == [(9, 27), (49, 64)]
