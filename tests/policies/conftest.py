"""A real OPA: found on PATH, or built once with Go into a cache; where neither is there its tests are skipped, loudly."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import psycopg
import pytest

from gateway.embedded.databases import SCHEMAS
from tests.go_programs import find_or_build

SECONDS_TO_START = 15
NO_OPA = "NO OPA: it is not on PATH and could not be built with Go; agreement with a real OPA server is NOT tested"
missing: list[str] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The skip stands in the summary even under -q."""
    if missing:
        terminalreporter.write_line(missing[0], red=True, bold=True)


@pytest.fixture(scope="session")
def opa() -> Path:
    """The `opa` program."""
    found = find_or_build("opa", "github.com/open-policy-agent/opa", "1.22.2")
    if found is None:
        missing.append(NO_OPA)
        pytest.skip(NO_OPA)
    return found


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
        # Killed with whoever started it, however that ends (util-linux).
        dying = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        self._process = subprocess.Popen([*dying, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
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


@pytest.fixture
def control_url(database_url: str) -> str:
    """A database with the gateway's tables and the roles that they are granted to."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for role in ("sallyport_app", "gateway_live", "vault_admin", "live_loader", "mlflow"):
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
                connection.execute(f"CREATE ROLE {role} LOGIN")  # type: ignore[arg-type]
        for package, name in SCHEMAS:
            file = resources.files(package) / name
            if file.is_file():
                connection.execute(file.read_text("utf-8"))  # type: ignore[arg-type]
    return database_url
