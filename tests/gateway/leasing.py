"""What the tests of door 2 share: granted requests, open leases, and the parts of the running stack without its worker."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from compliance.ledger import integrate
from gateway.client import Gateway
from gateway.commands.access import open_lease
from gateway.composition import Services
from gateway.embedded import postgres, processes
from gateway.embedded.home import Home

COLUMNS = (
    "patients.patient_id", "patients.birth_date", "patients.zip", "patients.race", "patients.mrn",
    "encounters.patient_id", "encounters.encounter_id", "encounters.diagnosis", "notes.note_id", "notes.patient_id",
)  # fmt: skip
AsUser = Callable[[str], Gateway]


def ask(user: Gateway, columns: tuple[str, ...] = COLUMNS, **changed: Any) -> dict[str, Any]:
    """A request of `user` for live columns of the clinic."""
    body = {"dataset": "clinic", "columns": list(columns), "purpose": "model-debugging", "hours": 1, "why": "a test"}
    made: dict[str, Any] = user.post("/v1/access-requests", body | changed)
    return made


def grant(as_user: AsUser, columns: tuple[str, ...] = COLUMNS, **changed: Any) -> str:
    """The id of a granted request of dana's."""
    asked = ask(as_user("dana"), columns, **changed)["id"]
    for steward in ("sam", "stella"):
        decided = as_user(steward).post(f"/v1/access-requests/{asked}/approve")
        if decided["state"] == "granted":
            break
    assert decided["state"] == "granted"
    return str(asked)


def lease(as_user: AsUser, columns: tuple[str, ...] = COLUMNS, **changed: Any) -> dict[str, Any]:
    """An open lease of dana's with `dsn`."""
    return open_lease(as_user("dana"), {"request": grant(as_user, columns, **changed)})


def superuser(home: Path, database: str = "live") -> psycopg.Connection[Any]:
    return psycopg.connect(postgres.superuser(Home(home), database), autocommit=True)


def left_of(services: Services, home: Path, name: str) -> dict[str, int]:
    """What there is of a lease on every side."""
    with superuser(home) as live:
        counts = live.execute(
            "SELECT (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'lease-' || %(l)s || '-%%'),"
            " (SELECT count(*) FROM pg_namespace WHERE nspname = 'lease_' || %(l)s),"
            " (SELECT count(*) FROM masking.keys WHERE lease = %(l)s),"
            " (SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'lease-' || %(l)s || '-%%')",
            {"l": name},
        ).fetchone()
    assert counts
    in_vault = services.vault.list_database_roles(f"lease-{name}")
    return dict(zip(("roles", "schemas", "keys", "sessions"), counts, strict=True)) | {"vault": len(in_vault)}


NOTHING = {"roles": 0, "schemas": 0, "keys": 0, "sessions": 0, "vault": 0}


def entries(services: Services, event: str, **refs: str) -> list[dict[str, Any]]:
    """The ledger's entries of that type with these references, oldest first."""
    import json

    with services.pool.connection() as connection:
        integrate(connection)
        rows = connection.execute("SELECT canonical FROM ledger.entries WHERE type = %s ORDER BY seq", (event,)).fetchall()
    found = [json.loads(bytes(row[0])) for row in rows]
    return [one for one in found if all(one["refs"].get(name) == value for name, value in refs.items())]


@contextmanager
def paused(home: Path, *parts: str) -> Iterator[None]:
    """These parts of the stack stand still."""
    found = [process for part in parts if (process := processes.running(Home(home), part))]
    for process in found:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in found:
            process.send_signal(signal.SIGCONT)


def in_place(clinic: Path) -> None:
    """The live clinic is the one of the tests, also when another test loaded other rows since."""
    from gateway.commands.caller import connect
    from gateway.commands.dataset import send_rows
    from gateway.commands.table_files import table_files

    sam = connect("sam")
    if sam.get("/v1/datasets/clinic")["rows"].get("patients") != 400:
        with table_files(str(clinic)) as paths:
            send_rows(sam, "clinic", paths)
