"""What is run through a lease reaches the ledger, once, whatever the worker or the log go through, and never with a value."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from leasing import AsUser, entries, in_place, lease
from psycopg_pool import ConnectionPool

from compliance.ledger import integrate
from gateway.access import statements
from gateway.access.statements import Follower, parse
from gateway.composition import Services, compose
from gateway.embedded.databases import SCHEMAS, _text
from gateway.settings import Settings

NOW = datetime(2026, 11, 24, 12, 0, 30, tzinfo=UTC)
LEASE = "0123456789abcdef"


@pytest.fixture(scope="module")
def services(clinic: Path) -> Iterator[Services]:
    in_place(clinic)
    given = compose(Settings.load())
    yield given
    given.close()


def run_of(services: Services, name: str, count: int) -> list[dict[str, Any]]:
    """The entries of a lease's statements once there are so many."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = [*entries(services, "statement:run", lease_id=name), *entries(services, "statement:failed", lease_id=name)]
        if len(found) >= count:
            return sorted(found, key=lambda entry: entry["seq"])
        time.sleep(0.2)
    raise AssertionError(f"{len(found)} of {count} statements reached the ledger")


def test_each_statement_is_recorded_with_lease_grant_fingerprint_rows_and_time(
    clinic: Path, as_user: AsUser, services: Services, stack_home: Path
) -> None:
    made = lease(as_user)
    with psycopg.connect(made["dsn"], autocommit=True) as connection:
        seen = len(connection.execute("SELECT * FROM patients WHERE race = 'literal-one'").fetchall())
        run_of(services, made["id"], 1)
        connection.execute("SELECT * FROM patients WHERE race = 'literal-two' OR race <> 'x'").fetchall()
        more = len(connection.execute("SELECT * FROM patients WHERE race <> %s", ("parameter-three",)).fetchall())
        run_of(services, made["id"], 3)
        connection.execute("SELECT * FROM patients WHERE race = 'literal-four'").fetchall()
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            connection.execute("SELECT race::int FROM patients")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("TABLE clinic.patients")
    found = run_of(services, made["id"], 6)
    first, _, third, fourth, cast, forbidden = found
    assert first["detail"]["fingerprint"] == fourth["detail"]["fingerprint"] != third["detail"]["fingerprint"]
    assert (first["detail"]["rows"], third["detail"]["rows"]) == (seen, more) and more > 200
    assert first["detail"]["milliseconds"] > 0 and first["detail"]["command"] == "SELECT"
    assert [entry["detail"]["sqlstate"] for entry in (cast, forbidden)] == ["22P02", "42501"]
    for entry in found:
        assert entry["refs"]["grant_id"] == made["request"] and entry["actor"]["id"] == "dana"
        assert entry["refs"]["decision_id"] == made["decision_id"]
    logs = b"".join(path.read_bytes() for path in (stack_home / "logs").glob("postgres-*.json"))
    for value in ("literal-one", "literal-two", "parameter-three", "literal-four", "white"):
        assert value not in json.dumps(found)
    assert b"literal-" not in logs and b"parameter-three" not in logs, "the server does not even log the text"
    for path in (stack_home / "logs").glob("postgres-*.json"):
        assert path.stat().st_mode & 0o077 == 0
    as_user("dana").delete(f"/v1/leases/{made['id']}")


def line(number: int = 1, message: str = "duration: 1.500 ms", **changed: Any) -> bytes:
    said = {
        "timestamp": "2026-11-24 12:00:01.250 UTC", "user": f"lease-{LEASE}-AbCdEfGhIj", "dbname": "live", "ps": "SELECT",
        "error_severity": "LOG", "message": message, "query_id": number,
    }  # fmt: skip
    return json.dumps(said | changed).encode() + b"\n"


def test_only_lines_about_statements_of_leases_are_taken() -> None:
    assert parse(line(-1)) == statements.Statement(
        LEASE, f"lease-{LEASE}-AbCdEfGhIj", datetime(2026, 11, 24, 12, 0, 1, 250_000, tzinfo=UTC), "SELECT", -1, 1.5, None
    )
    failed = parse(line(error_severity="ERROR", state_code="42501", message="permission denied for value 17"))
    assert (
        failed and (failed.failure, failed.milliseconds) == ("42501", None) and "17" not in repr(failed).split("query=")[0][-30:]
    )
    assert parse(line(-1)) and parse(line(-1)).fingerprint == "f" * 16  # type: ignore[union-attr]
    for other in (line(user="gateway_live"), line(ps="BIND"), line(message="a notice"), b"{half a line", b"[]\n", b"\xff\n"):
        assert parse(other) is None


@pytest.fixture
def follower(database_url: str, tmp_path: Path) -> Iterator[Follower]:
    """A follower on a control database and a log of its own, in which one lease is known."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for package, name in SCHEMAS:
            connection.execute(_text(package, name))
        connection.execute(
            "INSERT INTO access.leases (id, subject, dataset, project, state, decision_id, obligations, opened_at, expires,"
            " basis, basis_id, asker, columns) VALUES (%s, 'dana', 'd', 'p', 'open', 'x', '{}', now(), now(), 'promotion', 'p/m',"
            " '{\"type\": \"person\", \"roles\": []}', '{}')", (LEASE,),
        )  # fmt: skip
    with ConnectionPool(database_url, min_size=1, max_size=2, open=True) as pool:
        yield Follower(pool, tmp_path, lambda: NOW)


def recorded(follower: Follower, event: str = "statement:run") -> list[dict[str, Any]]:
    with follower.pool.connection() as connection:
        integrate(connection)
        rows = connection.execute("SELECT canonical FROM ledger.entries WHERE type = %s ORDER BY seq", (event,)).fetchall()
    return [json.loads(bytes(row[0])) for row in rows]


def test_a_worker_killed_in_the_middle_neither_loses_nor_repeats_a_statement(
    follower: Follower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "postgres-1.json").write_bytes(line(1) + line(2) + line(3))
    written: list[int] = []

    def dies(*given: Any) -> None:
        written.append(1)
        if len(written) == 2:
            raise KeyboardInterrupt
        original(*given)

    original = statements._record
    monkeypatch.setattr(statements, "_record", dies)
    with pytest.raises(KeyboardInterrupt):
        follower.step()
    assert recorded(follower) == []
    monkeypatch.undo()
    another = Follower(follower.pool, follower.folder, follower.clock)
    assert (another.step(), another.step()) == (3, 0)
    assert [entry["detail"]["fingerprint"] for entry in recorded(follower)] == [f"{n:016x}" for n in (1, 2, 3)]


def test_a_line_is_taken_when_it_is_whole(follower: Follower, tmp_path: Path) -> None:
    file = tmp_path / "postgres-1.json"
    file.write_bytes(line(1) + line(2)[:40])
    assert follower.step() == 1
    with file.open("ab") as log:
        log.write(line(2)[40:])
    assert follower.step() == 1
    assert len(recorded(follower)) == 2


def test_files_the_server_has_left_are_deleted_once_read_and_the_one_in_use_is_kept(follower: Follower, tmp_path: Path) -> None:
    old, new = tmp_path / "postgres-20261124-110000.json", tmp_path / "postgres-20261124-120000.json"
    server = b'{"timestamp":"x","error_severity":"LOG","message":"checkpoint complete"}\n'
    old.write_bytes(line(1) + server)
    new.write_bytes(line(2))
    for file, age in ((old, 600), (new, 0)):
        os.utime(file, (NOW.timestamp() - age, NOW.timestamp() - age))
    assert follower.step() == 2
    assert (old.exists(), new.exists()) == (False, True)
    assert (tmp_path / statements.SERVERS_OWN).read_bytes() == server
    follower.step()
    with follower.pool.connection() as connection:
        assert connection.execute("SELECT file FROM access.statement_log").fetchall() == [(new.name,)]
    assert len(recorded(follower)) == 2


def test_beyond_a_limit_statements_are_summed_up_by_the_minute(follower: Follower, tmp_path: Path) -> None:
    over = statements.MOST_PER_MINUTE + 25
    (tmp_path / "postgres-1.json").write_bytes(
        b"".join(line(7) for _ in range(over)) + line(8, error_severity="ERROR", state_code="42501")
    )
    follower.step()
    assert len(recorded(follower)) == statements.MOST_PER_MINUTE and recorded(follower, "statement:summary") == []
    later = Follower(follower.pool, follower.folder, lambda: NOW + timedelta(minutes=1))
    later.step()
    later.step()
    (summary,) = recorded(follower, "statement:summary")
    assert summary["detail"]["runs"] == 26
    assert summary["detail"]["statements"] == [
        {"command": "SELECT", "fingerprint": f"{7:016x}", "milliseconds": 37.5, "runs": 25},
        {"command": "SELECT", "fingerprint": f"{8:016x}", "milliseconds": 0.0, "runs": 1, "sqlstate": "42501"},
    ]
    assert len(recorded(follower)) == statements.MOST_PER_MINUTE


def test_what_pgaudit_says_stands_with_the_statement_it_is_about(follower: Follower, tmp_path: Path) -> None:
    audit = f"AUDIT: SESSION,1,1,READ,SELECT,VIEW,lease_{LEASE}.patients,SELECT 'a value',<none>"
    lines = [line(3, session_id="one", message=audit), line(2, session_id="two"), line(3, session_id="one")]
    (tmp_path / "postgres-1.json").write_bytes(b"".join(lines))
    assert follower.step() == 2
    with follower.pool.connection() as connection:
        integrate(connection)
        rows = connection.execute("SELECT canonical FROM ledger.entries").fetchall()
    found = {detail["fingerprint"]: detail for detail in (json.loads(bytes(row[0]))["detail"] for row in rows)}
    two, three = found[f"{2:016x}"], found[f"{3:016x}"]
    assert "views" not in two and (three["views"], three["classes"]) == (["patients"], ["READ"])
    assert "a value" not in json.dumps(found)


def test_the_log_of_somebody_elses_server_is_read_and_left_alone(follower: Follower, tmp_path: Path) -> None:
    foreign = Follower(follower.pool, tmp_path, follower.clock, pattern="*.json", owns=False)
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_bytes(b'{"message": "its own"}\n' + line())
        os.utime(tmp_path / name, (0, 0))
    assert foreign.step() == 2 and foreign.step() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json"]


def test_lines_about_leases_nobody_knows_do_not_stop_the_others(follower: Follower, tmp_path: Path) -> None:
    (tmp_path / "postgres-1.json").write_bytes(line(1, user="lease-ffffffffffffffff-x") + line(2, user="lease-") + line(3))
    follower.step()
    assert [entry["detail"]["fingerprint"] for entry in recorded(follower)] == [f"{3:016x}"]
