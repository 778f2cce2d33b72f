"""Shapes that code takes when it is made not to be read, or acts while it is merely imported. Told from the syntax tree alone."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from functools import cache

from sandbox.airlock.findings import Weight

RUNS = frozenset({"exec", "eval", "compile", "__import__"})
UNPACKS = frozenset({
    "b64decode", "b32decode", "b16decode", "b85decode", "a85decode", "urlsafe_b64decode", "unhexlify", "fromhex", "decompress",
    "loads", "urlopen", "recv", "decrypt",
})  # fmt: skip
ACTS = frozenset({
    "system", "popen", "Popen", "run", "call", "check_call", "check_output", "spawn", "urlopen", "urlretrieve",
    "create_connection",
})  # fmt: skip
ACTING = frozenset({"os", "subprocess", "socket", "urllib", "requests", "httpx", "http", "request", "ctypes", "pty"})
MOST_BYTES = 4_000_000
Shape = tuple[str, Weight, str]


def hidden_code(content: bytes) -> list[Shape]:
    """code, weight and sentence of each shape in a Python source file, each once."""
    if len(content) > MOST_BYTES:
        return [("unread_source", "judge", "A source file is too large to be looked through.")]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [("unread_source", "judge", "A source file is not of this Python, so it was not looked through.")]
    return list(dict.fromkeys(_shapes(tree)))


def _shapes(tree: ast.Module) -> Iterator[Shape]:
    unpacked = _names_of_unpacked(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in RUNS and any(_unpacks(one, unpacked) for one in _given(node)):
            yield "hidden_code", "stop", "Code is unpacked from data and then run."
    for node in _at_import(tree):
        if isinstance(node, ast.Call) and _called(node) in ACTS and _root(node.func) in ACTING:
            yield "acts_at_import", "judge", "It starts a program or a connection as soon as it is imported."


def _names_of_unpacked(tree: ast.Module) -> frozenset[str]:
    """Names that stand for unpacked data somewhere in the file."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _unpacks(node.value, frozenset()):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(found)


def _unpacks(node: ast.AST, names: frozenset[str]) -> bool:
    return any(
        (isinstance(one, ast.Call) and _called(one) in UNPACKS and _root(one.func) != "json")
        or (isinstance(one, ast.Name) and one.id in names)
        for one in ast.walk(node)
    )


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that are evaluated when the module is imported: no function's body."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _is_main(node):
            continue
        yield node
        yield from _at_import(node)


@cache
def _main() -> str:
    return ast.dump(ast.parse("__name__ == '__main__'", mode="eval").body)


def _is_main(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.dump(node.test) == _main()
