"""The first branch of the decision, with only the modules it needs: a smaller program that answers most questions alone.

The embedded engine checks its whole program anew for each question, and copies a place for each of its variables at every call of
a built-in; half the program is that much faster. A rule has the value of its first branch that has one, so what the first branch
says is the decision; where it says nothing, all of them are asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from policies.builtins import NOT_CODE

PACKAGE = re.compile(r"^package\s+([\w.]+)\s*$", re.MULTILINE)
DATA = re.compile(r"(?<![\w.])data\b((?:\.\w+)*)")


def first_branch(modules: Mapping[str, str], entrypoint: str) -> tuple[str, dict[str, str]] | None:
    """The entrypoint of the first branch of `entrypoint`'s rule, and the modules it needs; None where it is no other package's.

    The rule has to begin `RULE := x if { x := data.PACKAGE.RULE } else`, and to be the only one of its name.
    """
    package, _, rule = entrypoint.replace("/", ".").rpartition(".")
    code = {name: NOT_CODE.sub(" ", text) for name, text in modules.items()}
    packages = {name: found.group(1) for name, text in code.items() if (found := PACKAGE.search(text))}
    own = "\n".join(text for name, text in code.items() if packages.get(name) == package)
    begun = re.search(rf"^{rule} := (\w+) if \{{\s*\1 := data\.([\w.]+)\.{rule}\s*\}} else\b", own, re.MULTILINE)
    if not begun or re.findall(rf"(default\s+)?(?<![\w.]){rule}\b", own).count("") != 1:
        return None  # some other rule of that name may have a say
    return f"{begun.group(2)}.{rule}".replace(".", "/"), _needed(modules, code, packages, begun.group(2))


def _needed(modules: Mapping[str, str], code: Mapping[str, str], packages: Mapping[str, str], first: str) -> dict[str, str]:
    """The modules of package `first`, and of each that these name, and so on."""
    found: set[str] = set()
    waiting = {first}
    while waiting:
        found |= waiting
        named = {path for name, text in code.items() if packages.get(name) in waiting for path in _named(text)}
        waiting = {package for path in named for package in _of(path, set(packages.values()))} - found
    return {name: text for name, text in modules.items() if packages.get(name, first) in found}


def _named(code: str) -> Iterator[str]:
    """Every path below `data` that `code` names; an empty one, which is all of it, where something else follows `data`."""
    return (found.group(1).removeprefix(".") for found in DATA.finditer(code))


def _of(path: str, packages: set[str]) -> Iterator[str]:
    """The packages that `path` may reach: all below it, and the deepest it lies in (no rule may have a package's name)."""
    yield from (package for package in packages if not path or package.startswith(path + "."))
    yield from sorted((package for package in packages if f"{path}.".startswith(package + ".")), key=len)[-1:]
