"""A backup of an embedded stack: databases, Vault, files and secrets in one file, taken while people work."""

from __future__ import annotations

import getpass
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from compliance.canonical import digest_file
from compliance.entries import Actor, Entry, ObjectRef, Outcome
from compliance.ledger import append
from gateway.embedded import openbao, postgres, processes, stack
from gateway.embedded.home import Home
from gateway.errors import BackupFailed, GatewayError
from gateway.operations import archives

HOLDS = (
    "every database (live rows, control tables, the ledger), Vault with its keys, the key that unseals it, passwords,"
    " snapshots, held-back rows, models, exports and experiments"
)
SESSIONS = ("session-", "current-user")


def operator() -> Actor:
    """The account of this machine that runs the command."""
    return Actor(f"account:{getpass.getuser()}", "person", ("operator",))


def back_up(home: Home, out: Path, report: Callable[[str], None]) -> dict[str, Any]:
    """`out`, which did not exist, is a whole backup; the ledger said before that it was to be made. Raises GatewayError."""
    home.stack()
    if out.exists() or not out.parent.is_dir():
        raise BackupFailed(f"{out} exists already, or its folder does not exist; name a new file in a folder that exists.")
    name, at = uuid4().hex, datetime.now(UTC)
    with foundations(home):
        record(home, "backup:made", "done", name, {"release": version("sallyport")})
        try:
            files = _write(home, out, {"id": name, "made_at": at.isoformat(), "release": version("sallyport")}, report)
        except (OSError, GatewayError) as error:
            record(home, "backup:failed", "failed", name, {"error": getattr(error, "code", type(error).__name__)})
            if isinstance(error, GatewayError):
                raise
            raise BackupFailed(f"The backup could not be written ({error.strerror}); nothing of it was kept.") from error
    return {"id": name, "path": str(out), "digest": digest_file(out), "bytes": out.stat().st_size, "files": files, "holds": HOLDS}


def record(home: Home, event: str, outcome: Outcome, name: str, detail: dict[str, Any]) -> None:
    """The ledger says that a backup was made or restored, and by which account."""
    entry = Entry(
        type=event, actor=operator(), object=ObjectRef("backup", name), outcome=outcome, detail=detail,
        occurred_at=datetime.now(UTC),
    )  # fmt: skip
    with psycopg.connect(postgres.superuser(home, "control")) as connection:
        append(connection, entry)


@contextmanager
def foundations(home: Home) -> Iterator[None]:
    """PostgreSQL and OpenBao run; those that did not are stopped again afterwards."""
    home.prepare()
    with ExitStack() as after:
        for name, signal in (("postgres", 2), ("openbao", 2)):
            if not processes.running(home, name):
                after.callback(processes.stop, home, name, signal)
        stack.start_foundations(home)
        yield


def _write(home: Home, out: Path, facts: dict[str, Any], report: Callable[[str], None]) -> int:
    """The databases first, then the files their rows speak of, and the keys last: nothing refers to what is not there."""
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=out.parent) as work, archives.writing(out, facts) as writer:
        report("databases")
        _databases(home, Path(work) / archives.POSTGRES)
        writer.add(archives.POSTGRES, Path(work) / archives.POSTGRES)
        report("files")
        for name, path in archives.plain_files(home.root):
            if not path.name.startswith(SESSIONS):
                writer.add(name, path)
        writer.add(archives.STACK, home.stack_file)
        report("keys")
        openbao.snapshot(home, Path(work) / archives.VAULT)
        writer.add(archives.VAULT, Path(work) / archives.VAULT)
        return len(writer.files)


def _databases(home: Home, target: Path) -> None:
    """`target` is PostgreSQL's own tar of its data folder with the log that makes it consistent."""
    command = [
        str(postgres.programs() / "pg_basebackup"), "--host", str(home.sockets), "--username", postgres.SUPERUSER,
        "--no-password", "--pgdata", "-", "--format", "tar", "--wal-method", "fetch", "--checkpoint", "fast",
    ]  # fmt: skip
    environment = {"PATH": os.defpath, "PGPASSWORD": home.secret("postgres").read_text("utf-8"), "PGCONNECT_TIMEOUT": "10"}
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, home.log("backup").open("ab") as log:
        done = subprocess.run(command, stdout=file, stderr=log, env=environment, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise BackupFailed(f"PostgreSQL could not be copied; see {home.log('backup')}.")
