"""Which built-ins the policies may call, and the refusal of policies that call another.

The embedded engine knows fewer built-ins than OPA and answers *undefined*, without an error, where one is missing; some of its
own differ (`min`, `max` and `sort` compare numbers as texts). A list both engines were tested on keeps that from happening
unseen, and keeps policies from reaching the network, the clock or the environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from policies.errors import UnlistedBuiltin

BUILTINS = frozenset(
    {"bits.or", "bits.rsh", "concat", "count", "floor", "is_array", "is_boolean", "is_number", "is_object", "is_string",
     "object.filter", "object.get", "object.remove", "sort", "trim", "union"}
)  # fmt: skip
# Built-ins written as operators. `-` subtracts (also sets), `|` unites sets and parts a comprehension's head from its body.
OPERATORS = {"+": "plus", "*": "mul", "/": "div", "%": "rem", "&": "and"}
# `set()` is how the empty set is written.
KEYWORDS = frozenset({"as", "contains", "default", "else", "every", "if", "import", "in", "not", "package", "set", "some"})

NOT_CODE = re.compile(r'#[^\n]*|"(?:\\.|[^"\\])*"|`[^`]*`')
NAME = r"[^\W\d]\w*"
CALL = re.compile(rf"(?<![\w.])({NAME}(?:\s*\.\s*{NAME})*)\s*\(")
FUNCTION = re.compile(rf"^[ \t]*(?:default\s+)?({NAME})\(", re.MULTILINE)
IMPORT = re.compile(rf"^\s*import\s+data\.([\w.]+)(?:\s+as\s+({NAME}))?\s*$", re.MULTILINE)


def require_listed_builtins(modules: Mapping[str, str]) -> None:
    """Every built-in that `modules` (name -> Rego) can reach is on the list. Raises UnlistedBuiltin."""
    code = {name: NOT_CODE.sub(" ", text) for name, text in modules.items()}
    for name, text in code.items():
        for found in _unlisted(text):
            raise UnlistedBuiltin(f"{name} uses {found}, which is not on the declared list of built-ins.")


def _unlisted(text: str) -> Iterator[str]:
    if "$" in text:
        yield "a text with code in it"  # $"{...}": its code would have been taken for text
    if re.search(r"(?<![\w.])with(?!\w)", text):
        yield "'with'"  # it can put one function in place of another
    if re.search(r"\]\s*\(", text):
        yield "a call of something in brackets"
    yield from (f"the built-in '{builtin}' ({sign})" for sign, builtin in OPERATORS.items() if sign in text)
    own = set(FUNCTION.findall(text)) - {builtin.split(".")[0] for builtin in BUILTINS}
    packages = {alias or path.rpartition(".")[2] for path, alias in IMPORT.findall(text)}
    for called in (re.sub(r"\s", "", found) for found in CALL.findall(text)):
        head = called.partition(".")[0]
        if called in BUILTINS | KEYWORDS or called in own:
            continue
        if "." not in called or head not in packages | {"data"}:
            yield f"the built-in '{called}'"
