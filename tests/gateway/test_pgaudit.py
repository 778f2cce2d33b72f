"""Lines of pgaudit's in a JSON log: what a statement touched reaches the ledger, what it said does not.

Most are made by its documented format; where a PostgreSQL with pgaudit is installed, that one's are read as well.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.access import pgaudit, statements
from gateway.access.pgaudit import Audited, Waiting, parse

LEASE, OTHER = "0123456789abcdef", "fedcba9876543210"
READ = f"AUDIT: SESSION,3,1,READ,SELECT,VIEW,lease_{LEASE}.patients,<not logged>,<not logged>"


def line(message: str = READ, **changed: Any) -> bytes:
    said = {
        "timestamp": "2026-11-24 12:00:01.250 UTC", "user": f"lease-{LEASE}-AbCdEfGhIj", "session_id": "s.1", "ps": "SELECT",
        "query_id": 3,
        "error_severity": "LOG", "message": message,
    }  # fmt: skip
    return json.dumps(said | changed).encode() + b"\n"


def test_a_line_says_which_view_of_the_lease_was_read() -> None:
    assert parse(line()) == Audited("s.1", 3, "READ", "patients")
    assert parse(line(READ + ",17")) == Audited("s.1", 3, "READ", "patients")
    assert parse(line(READ.replace("SESSION", "OBJECT"))) == Audited("s.1", 3, "READ", "patients")


def test_neither_statement_nor_parameters_are_taken() -> None:
    text = '"SELECT ssn, \'it\'\'s ""a"" secret\',\n1","123-45-6789,secret"'
    found = parse(line(f"AUDIT: SESSION,1,1,READ,SELECT,VIEW,lease_{LEASE}.patients,{text},2"))
    assert found == Audited("s.1", 3, "READ", "patients")
    assert "secret" not in repr(found)


@pytest.mark.parametrize("name", [f"lease_{OTHER}.patients", "clinic.patients", "", "a secret", f"lease_{LEASE}.Ann Smith"])
def test_an_object_that_is_no_view_of_this_lease_is_counted_and_not_named(name: str) -> None:
    found = parse(line(f'AUDIT: SESSION,1,1,READ,SELECT,TABLE,"{name}",<not logged>,<not logged>'))
    assert found is not None and found.view is None


@pytest.mark.parametrize(
    "other",
    [line("duration: 1.5 ms"), line(user="gateway_live"), line("AUDIT: SESSION,1,1"), line("AUDIT: ELSE" + READ[14:]),
     line(query_id="x"), line('AUDIT: SESSION,1,1,READ,SELECT,VIEW,x,"open'), b"{half", b"[]\n", b"\xff\n", b"7"],
)  # fmt: skip
def test_other_lines_are_none_of_pgaudits(other: bytes) -> None:
    assert parse(other) is None


def test_what_was_touched_goes_with_the_statement_of_its_own_session() -> None:
    waiting = Waiting()
    for found in (line(), line(READ.replace("patients", "notes")), line(READ.replace(f"lease_{LEASE}", "clinic")),
                  line(session_id="s.2"), line(READ.replace("patients", "late"), query_id=4)):  # fmt: skip
        audited = parse(found)
        assert audited
        waiting.add(audited)
    assert waiting.take("s.1", 3) == {"classes": ["READ"], "views": ["notes", "patients"], "other_objects": 1}
    assert waiting.take("s.1", 3) == {} == waiting.take(None, None)
    assert waiting.take("s.2", 3) == {"classes": ["READ"], "views": ["patients"]}
    assert waiting.take("s.1", 4) == {"classes": ["READ"], "views": ["late"]}


def test_a_session_that_never_ends_its_statement_does_not_fill_the_memory() -> None:
    waiting = Waiting(most=3)
    for number in range(10):
        for session in ("s", f"s{number}"):
            waiting.add(pgaudit.Audited(session, number, "READ", "patients"))
    assert len(waiting._found) == 3
    assert all(len(held) <= 3 for held in waiting._found.values())


@pytest.fixture
def audited() -> Iterator[tuple[str, Path]]:
    """The address of a server that runs pgaudit as the how-to page says, and its JSON log."""
    programs = _with_pgaudit()
    if programs is None:
        pytest.skip("a real pgaudit was NOT tried: no PostgreSQL on the PATH or in /usr/lib/postgresql has it")
    folder = Path(tempfile.mkdtemp(prefix="sp-audit-"))
    user = ["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []
    if user:
        shutil.chown(folder, "nobody")
    subprocess.run(
        [*user, programs / "initdb", "-D", folder / "d", "-U", "postgres", "-A", "trust"], check=True, capture_output=True
    )
    settings = {
        "shared_preload_libraries": "pgaudit", "listen_addresses": "", "unix_socket_directories": str(folder),
        "logging_collector": "on", "log_destination": "jsonlog", "log_filename": "log", "log_directory": str(folder),
        "log_timezone": "UTC", "compute_query_id": "on", "log_min_error_statement": "panic", "log_parameter_max_length": "0",
        "pgaudit.log": "read, write, ddl, role, function", "pgaudit.log_statement": "off", "pgaudit.log_relation": "on",
    }  # fmt: skip
    process = subprocess.Popen(
        [*user, programs / "postgres", "-D", folder / "d", *(f"--{name}={value}" for name, value in settings.items())],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        address, deadline = f"host={folder} dbname=postgres user=", time.monotonic() + 30
        while True:
            try:
                psycopg.connect(address + "postgres").close()
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "PostgreSQL with pgaudit did not start"
                time.sleep(0.1)
        yield address, folder / "log.json"
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def test_the_lines_of_a_real_server_say_which_views_a_statement_touched_and_nothing_it_said(audited: tuple[str, Path]) -> None:
    address, log = audited
    role, schema = f"lease-{LEASE}-AbCdEfGhIj", f"lease_{LEASE}"
    with psycopg.connect(address + "postgres", autocommit=True) as connection:
        connection.execute(f"""
            CREATE EXTENSION pgaudit; CREATE SCHEMA {schema}; CREATE TABLE public.live AS SELECT n, 'secret' AS word
            FROM generate_series(1, 17) n; CREATE VIEW {schema}.patients AS SELECT * FROM public.live;
            CREATE ROLE "{role}" LOGIN; ALTER ROLE "{role}" SET log_duration = on;
            GRANT USAGE ON SCHEMA {schema} TO "{role}"; GRANT SELECT ON {schema}.patients, public.live TO "{role}"
        """)  # type: ignore[arg-type]
    with psycopg.connect(address + role, autocommit=True) as connection:
        connection.execute(f"SELECT * FROM {schema}.patients WHERE word = 'secret'").fetchall()
        connection.execute("SELECT count(*) FROM public.live WHERE word = %s", ("secret",)).fetchall()
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM secret")
    waiting, found, deadline = Waiting(), [], time.monotonic() + 10
    while sum(b'"user":"lease' in line for line in log.read_bytes().splitlines()) < 8 and time.monotonic() < deadline:
        time.sleep(0.1)
    for each in log.read_bytes().splitlines(keepends=True):
        if one := parse(each):
            waiting.add(one)
        elif ended := statements.parse(each):
            found.append((ended.command, ended.failure, waiting.take(ended.session, ended.query)))
    first, second, third = (one for one in found if one[0] == "SELECT" or one[1])
    assert first[2] == {"classes": ["READ"], "views": ["patients"], "other_objects": 1}
    assert second[2] == {"classes": ["READ"], "views": [], "other_objects": 1}
    assert third[1] == "42P01" and third[2] == {}
    assert "secret" not in repr(found)


def _with_pgaudit() -> Path | None:
    """The folder of the programs of a PostgreSQL that has pgaudit and writes its log as JSON (15 or later)."""
    on_path = shutil.which("postgres")
    folders = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), *([Path(on_path).parent] if on_path else [])]
    for folder in folders:
        library = folder.parent / "lib" / "pgaudit.so"
        if library.exists() and (folder / "initdb").exists():
            return folder
    return None
