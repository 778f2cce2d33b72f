"""The policies as one value: Rego modules, their data, and the digest of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.builtins import require_listed_builtins
from policies.errors import InvalidPolicies

DEFAULT_FOLDER = Path(__file__).parent
ENTRYPOINT = "sallyport/decision"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Modules by name, base documents, and a digest that names both; datasets are no part of it."""

    modules: Mapping[str, str]
    data: Mapping[str, Any]
    digest: str

    @classmethod
    def load(cls, folder: Path | None = None) -> Bundle:
        """The policies below `folder` (`rego/**.rego` without tests, `data/*.json`). Raises InvalidPolicies."""
        root = folder or DEFAULT_FOLDER
        paths = sorted((root / "rego").rglob("*.rego"))
        try:
            modules = {p.relative_to(root).as_posix(): p.read_text("utf-8") for p in paths if not p.stem.endswith("_test")}
            data = _merged(sorted((root / "data").glob("*.json")))
        except (OSError, ValueError) as error:
            raise InvalidPolicies(f"The policies in {root} cannot be read.") from error
        if not modules:
            raise InvalidPolicies(f"There are no policies in {root}.")
        require_listed_builtins(modules)
        return cls.of(modules, data)

    @classmethod
    def of(cls, modules: Mapping[str, str], data: Mapping[str, Any]) -> Bundle:
        """The policies of these modules and documents, by the digest that both have."""
        text = _text({"modules": dict(modules), "data": dict(data)})
        return cls(modules, data, "sha256:" + hashlib.sha256(text.encode()).hexdigest())


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _merged(paths: list[Path]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for path in paths:
        document = json.loads(path.read_text("utf-8"))
        if not isinstance(document, dict) or merged.keys() & document.keys():
            raise InvalidPolicies(f"{path.name} is no JSON object, or defines again what another file defines.")
        merged |= document
    return merged
