"""The definitions of a project: its code runs in the jail, and what comes out is compiled SQL.

As a program, in the jail: project.py CODE REQUEST OUT, where REQUEST is JSON {"treated": schemas, "live": schemas}.
"""

from __future__ import annotations

import importlib.util
import json
import pkgutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from sandbox.errors import InvalidFeatures
from sandbox.features.compiled import Compiled
from sandbox.features.definitions import Definition
from sandbox.features.expressions import Schemas

CODE, WORK = "/sallyport/code", "/sallyport/work"
SECONDS, MEMORY_MB = 120, 2_048
LAST_LINES = 6


def compile_project(code: Path, *, treated: Schemas, live: Schemas, name: str | None = None) -> tuple[Compiled, ...]:
    """The compiled definitions in `code` (a file or a package), compiled in the jail. Raises InvalidFeatures."""
    from sandbox.jail import Limits, run_isolated

    with tempfile.TemporaryDirectory(prefix="sallyport-features-") as made:
        work = Path(made)
        work.joinpath("request.json").write_text(json.dumps({"treated": treated, "live": live, "name": name}), "utf-8")
        inside = f"{CODE}/{code.resolve().name}"
        ended = run_isolated(
            [sys.executable, "-I", "-m", "sandbox.features.project", inside, f"{WORK}/request.json", f"{WORK}/out.json"],
            read_only={code.resolve(): inside}, writable={work: WORK}, limits=Limits(memory_mb=MEMORY_MB), timeout=SECONDS,
        )  # fmt: skip
        if ended.exit_code:
            said = "\n".join(ended.stderr.strip().splitlines()[-LAST_LINES:])
            raise InvalidFeatures(f"The definitions cannot be compiled:\n{said}")
        out = work / "out.json"
        if out.is_symlink() or not out.is_file():
            raise InvalidFeatures("The definitions wrote no result.")
        return tuple(Compiled.of(one) for one in json.loads(out.read_text("utf-8")))


def definitions_in(code: Path) -> list[Definition]:
    """The definitions that the modules in `code` hold, by name. Raises InvalidFeatures where there is none, or one twice."""
    found: dict[tuple[str, str], Definition] = {}
    for module in _modules(code):
        for value in vars(module).values():
            if isinstance(value, Definition) and found.setdefault((value.name, value.version), value) is not value:
                raise InvalidFeatures(f"There are two definitions {value.name} {value.version}.")
    if not found:
        raise InvalidFeatures(f"There is no feature definition in {code.name}.")
    return [found[key] for key in sorted(found)]


def _modules(code: Path) -> list[ModuleType]:
    """The module, or the package and the modules directly in it."""
    if code.is_file():
        return [_import(code.stem, code)]
    if not (code / "__init__.py").is_file():
        raise InvalidFeatures(f"{code.name} is neither a Python file nor a package (it has no __init__.py).")
    package = _import(code.name, code / "__init__.py")
    parts = sorted(part.name for part in pkgutil.iter_modules([str(code)]) if not part.ispkg)
    return [package, *(importlib.import_module(f"{code.name}.{part}") for part in parts)]


def _import(name: str, file: Path) -> ModuleType:
    folders = [str(file.parent)] if file.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=folders)
    if spec is None or spec.loader is None:
        raise InvalidFeatures(f"{file.name} is no Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def main(arguments: Sequence[str]) -> None:
    from sandbox.features.compiling import compiled

    code, request, out = map(Path, arguments)
    asked = json.loads(request.read_text("utf-8"))
    chosen = [one for one in definitions_in(code) if asked["name"] in (None, one.name, f"{one.name}@{one.version}")]
    made = [compiled(one, treated=asked["treated"], live=asked["live"]) for one in chosen]
    out.write_text(json.dumps([one.as_json() for one in made]), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
