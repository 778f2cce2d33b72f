"""The policies as one value: Rego modules, their data, and the digest of both."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.errors import InvalidPolicies, UnlistedBuiltin

DEFAULT_FOLDER = Path(__file__).parent
ENTRYPOINT = "sallyport/decision"

# What the policies may call. The embedded engine knows fewer built-ins than OPA and answers *undefined*, without an error, where
# one is missing, and some of its own differ (min and max compare numbers as texts); a list both engines were tested on keeps
# that from happening unseen.
BUILTINS = frozenset(
    {"count", "floor", "is_array", "is_boolean", "is_number", "is_object", "is_string", "object.filter", "object.get",
     "object.remove", "sort", "trim"}
)  # fmt: skip
CALL = re.compile(r"(?<![\w.])([a-z_][a-z0-9_.]*)\(")
FUNCTION = re.compile(r"^([a-z_][a-z0-9_]*)\(", re.MULTILINE)
NOT_CODE = re.compile(r'#[^\n]*|"(?:\\.|[^"\\])*"|`[^`]*`')


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
            modules = {p.relative_to(root).as_posix(): p.read_text("utf-8") for p in paths if "_test" not in p.stem}
            data = _merged(sorted((root / "data").glob("*.json")))
        except (OSError, ValueError) as error:
            raise InvalidPolicies(f"The policies in {root} cannot be read.") from error
        if not modules:
            raise InvalidPolicies(f"There are no policies in {root}.")
        _require_listed_builtins(modules)
        text = json.dumps({"modules": modules, "data": data}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return cls(modules, data, "sha256:" + hashlib.sha256(text.encode()).hexdigest())


def _merged(paths: list[Path]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for path in paths:
        document = json.loads(path.read_text("utf-8"))
        if not isinstance(document, dict) or merged.keys() & document.keys():
            raise InvalidPolicies(f"{path.name} is no JSON object, or defines again what another file defines.")
        merged |= document
    return merged


def _require_listed_builtins(modules: Mapping[str, str]) -> None:
    code = {name: NOT_CODE.sub(" ", text) for name, text in modules.items()}
    own = {function for text in code.values() for function in FUNCTION.findall(text)}
    for name, text in code.items():
        for called in CALL.findall(text):
            # `person.holds_one_of(...)` calls a function of another of our packages.
            if called not in BUILTINS and called.rpartition(".")[2] not in own:
                raise UnlistedBuiltin(f"{name} calls the built-in '{called}', which is not on the declared list.")
