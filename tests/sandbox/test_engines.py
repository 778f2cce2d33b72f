"""The language model: another by its name, its versions in the recipe, nothing fetched; the fast way reads as the usual does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.commands.deid import command
from sandbox.errors import EngineUnavailable
from sandbox.text import Scrubber, model
from sandbox.text.engines import IGNORED, MODEL, Engine

# A plain word with a capital: only a language model can say that it is a place here.
TEXT = "She said that Umbrella was where they went. They left."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spaCy pipeline that knows one place."""
    import spacy

    nlp = spacy.blank("en", meta={"name": "one_place", "version": "7.1"})
    nlp.add_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": [{"LOWER": "umbrella"}]}])  # type: ignore[attr-defined]
    path = tmp_path_factory.mktemp("model") / "pipeline"
    nlp.to_disk(path)
    return path


def test_the_fast_way_finds_the_entities_that_the_pipeline_finds() -> None:
    texts = [
        "Seen with Maria Gonzalez in Dayton. Dr. Smith of Boston agreed; Will drove to New York City with Anna-Lena Brandt.", "",
        " \n", "no names here", "Peter van den Berg called from the United Kingdom about his wife Jane.", "\U0001f600 é Zoë",
    ] * 30  # fmt: skip
    usual = Engine.parse(MODEL).load()
    names = usual.ner_model_configuration.model_to_presidio_entity_mapping
    expected = [
        [
            (e.start_char, e.end_char)
            for e in doc.ents
            if e.label_ not in IGNORED and names.get(e.label_) in ("PERSON", "LOCATION")
        ]
        for doc in usual.nlp["en"].pipe(texts)
    ]
    assert [sorted([*persons, *areas]) for persons, areas in model.entities(MODEL, texts)] == expected
    assert sum(map(len, expected)) > 200


def test_another_model_decides_what_the_small_one_does_not_see(folder: Path) -> None:
    assert Scrubber(processes=1).scrub_batch([TEXT]) == [TEXT]
    other = Scrubber(engine=str(folder), processes=1)
    assert "Umbrella" not in str(other.scrub_batch([TEXT])[0])
    assert "Quackenbush" not in str(other.scrub_batch(["Seen: Zebulon Quackenbush."])[0])


def test_the_recipe_names_the_model_its_version_and_what_is_in_it(folder: Path, tmp_path: Path) -> None:
    usual, other = Scrubber().recipe["engine"], Scrubber(engine=f"spacy:{folder}").recipe["engine"]
    assert usual["model"] == MODEL and usual["model_version"] and usual["spacy"] and usual["presidio-analyzer"]
    assert (other["model"], other["model_version"]) == ("en_one_place", "7.1")
    assert str(folder) not in json.dumps(other)
    (folder / "vocab" / "more").write_text("x")
    assert Scrubber(engine=str(folder)).recipe["engine"]["digest"] != other["digest"]
    (folder / "vocab" / "more").unlink()
    assert Scrubber(engine=str(folder)).recipe["engine"] == other


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("en_core_web_nowhere", "neither installed nor a folder"), ("spacy:/nowhere/at/all", "neither installed nor a folder"),
        ("gliner:some/model", "needs gliner"), ("stanza:en", "needs stanza"),
        ("transformers:some/model", "needs transformers and spacy-huggingface-pipelines"), ("llama:x", "KIND:MODEL"),
        ("spacy:", "KIND:MODEL"),
    ],
)  # fmt: skip
def test_what_is_not_installed_is_said_and_never_fetched(named: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import spacy.cli

    monkeypatch.setattr(spacy.cli, "download", lambda *a, **k: pytest.fail("a model was fetched"))
    with pytest.raises(EngineUnavailable, match=says):
        Scrubber(engine=named)


def test_a_folder_that_is_no_pipeline_is_refused_without_its_text(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text('{"lang": "en", "name": "Quackenbush", "version": "1"}')
    with pytest.raises(EngineUnavailable) as caught:
        Scrubber(engine=str(tmp_path), processes=1).scrub_batch([TEXT])
    assert "Quackenbush" not in str(caught.value) and str(tmp_path) not in str(caught.value)


def test_the_command_takes_an_engine_and_says_which(folder: Path, tmp_path: Path) -> None:
    given = tmp_path / "in.jsonl"
    given.write_text(json.dumps({"note_id": 1, "text": TEXT}) + "\n")
    run = ["notes", str(given), str(tmp_path / "out.jsonl"), "--json", "--processes", "1", "--engine"]
    result = CliRunner().invoke(command, [*run, str(folder)])
    assert json.loads(result.stdout)["scrubber"]["engine"]["model"] == "en_one_place"
    assert "Umbrella" not in (tmp_path / "out.jsonl").read_text()
    result = CliRunner().invoke(command, [*run, "gliner:some/model"])
    assert result.exit_code == 1 and "engine_unavailable" in result.stderr
