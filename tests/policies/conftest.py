"""A real OPA: found on PATH, or built once with Go into a cache; where neither is there its tests are skipped, loudly."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

VERSION = "1.22.2"
MODULE = f"github.com/open-policy-agent/opa@v{VERSION}"
# Below the time a test may take: a build that hangs without a network must end in a skip.
SECONDS_TO_BUILD, SECONDS_TO_START = 240, 15
NO_OPA = "NO OPA: it is not on PATH and could not be built with Go; agreement with a real OPA server is NOT tested"
missing: list[str] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The skip stands in the summary even under -q."""
    if missing:
        terminalreporter.write_line(missing[0], red=True, bold=True)


@pytest.fixture(scope="session")
def opa() -> Path:
    """The `opa` program."""
    found = shutil.which("opa") or _built()
    if found is None:
        missing.append(NO_OPA)
        pytest.skip(NO_OPA)
    return Path(found)


def _built() -> str | None:
    """OPA built from source by Go, whose module checksums are verified; other test runs wait for the one that builds."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sallyport" / f"opa-{VERSION}"
    program = cache / "opa"
    go = shutil.which("go")
    if program.exists() or go is None:
        return str(program) if program.exists() else None
    cache.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(Timeout, subprocess.TimeoutExpired), FileLock(cache / "lock", timeout=SECONDS_TO_BUILD):
        if not program.exists():
            _build(go, cache, program)
    return str(program) if program.exists() else None


def _build(go: str, cache: Path, program: Path) -> None:
    environment = os.environ | {"GOBIN": str(cache / "new"), "GOFLAGS": "-mod=mod -buildvcs=false", "CGO_ENABLED": "0"}
    command = [go, "install", "-trimpath", MODULE]
    done = subprocess.run(command, env=environment, cwd=cache, capture_output=True, timeout=SECONDS_TO_BUILD, check=False)
    if done.returncode == 0:
        (cache / "new" / "opa").rename(program)


class Server:
    """An OPA server that can be stopped and started again on its port."""

    def __init__(self, program: Path, *options: str) -> None:
        self._program, self._options = program, options
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            str(self._program),
            "run",
            "--server",
            "--addr",
            f"127.0.0.1:{self.port}",
            "--log-level",
            "error",
            *self._options,
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError("OPA does not start")

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def served(program: Path, *options: str) -> Iterator[Server]:
    server = Server(program, *options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def opa_server(opa: Path) -> Iterator[Server]:
    """A server for the whole session."""
    with served(opa) as server:
        yield server


@pytest.fixture
def make_server(opa: Path) -> Iterator[Callable[..., Server]]:
    """Servers of a test's own."""
    made: list[Server] = []

    def make(*options: str) -> Server:
        made.append(Server(opa, *options))
        made[-1].start()
        return made[-1]

    yield make
    for server in made:
        server.stop()
