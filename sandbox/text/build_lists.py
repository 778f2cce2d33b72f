"""The word lists in `sandbox/text/data`, made again: `python -m sandbox.text.build_lists FREQUENCIES HUNSPELL_DIC`.

English words: those of a frequency list (symspellpy's, MIT) that a spelling dictionary (SCOWL's en_US, read with spylls) accepts
in lower case. Given names, surnames and places: the lists of every Faker locale (MIT), folded, word by word.
"""

from __future__ import annotations

import gzip
import pkgutil
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from sandbox.text.folding import fold

DATA = Path(__file__).parent / "data"
SHORTEST = 3
PART = re.compile(r"[^\W\d_]+")
PLACES = (
    "cities",
    "city_names",
    "streets",
    "street_names",
    "states",
    "provinces",
    "regions",
    "districts",
    "counties",
    "villages",
)


def main() -> None:
    """The lists stand in the folder of data, the same bytes for the same inputs."""
    frequencies, dictionary = Path(sys.argv[1]), sys.argv[2]
    lists = {
        "english": set(_english(frequencies, dictionary)),
        "given": set(_faker("person", lambda name: "first_name" in name)),
        "surnames": set(_faker("person", lambda name: "last_name" in name)),
        "places": set(_faker("address", lambda name: name in PLACES)),
    }
    for name, words in lists.items():
        raw = "\n".join(sorted(words)).encode()
        (DATA / f"{name}.txt.gz").write_bytes(gzip.compress(raw, 9, mtime=0))


def _english(frequencies: Path, dictionary: str) -> Iterator[str]:
    from spylls.hunspell import Dictionary

    spelling = Dictionary.from_files(dictionary.removesuffix(".dic"))
    for line in frequencies.read_text("utf-8-sig").splitlines():
        word = line.split()[0]
        if spelling.lookup(word):
            yield word


def _faker(kind: str, wanted: Any) -> Iterator[str]:
    package = import_module(f"faker.providers.{kind}")
    for module in pkgutil.iter_modules(package.__path__):
        provider = import_module(f"{package.__name__}.{module.name}").Provider
        for name in filter(wanted, dir(provider)):
            value = getattr(provider, name)
            if not callable(value):
                yield from (p for text in _strings(value) for p in PART.findall(fold(text)) if len(p) >= SHORTEST and p.isascii())


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Iterable):
        for item in value:
            yield from _strings(item)


if __name__ == "__main__":
    main()
