"""Door 2 measured: from grant to credential, scans through lease views, and many leases at once; on a stack of its own.

Written to standard output as one JSON object. The raw figures beside ours are of the same run: a dynamic credential read straight
from Vault with the same statements but no schema, and the same query on the bare table.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

RUNS, SCANS = 60, 7
ROWS = 1_000_000
LEASES, AT_ONCE = 500, 8
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: wide
name: Wide
version: 1.0.0
status: active
customProperties:
  - {property: project, value: readmission}
  - {property: purposes, value: [model-debugging]}
  - {property: maxTtl, value: 7200}
schema:
  - name: events
    properties:
      - {name: event_id, logicalType: integer, primaryKey: true, classification: insensitive, customProperties: [{property: treatment, value: keep}]}
      - {name: person, logicalType: string, classification: direct, customProperties: [{property: treatment, value: pseudonym}]}
      - {name: kind, logicalType: string, classification: insensitive, customProperties: [{property: treatment, value: keep}]}
      - {name: amount, logicalType: number, classification: insensitive, customProperties: [{property: treatment, value: keep}]}
"""  # noqa: E501
PLAIN = ("events.event_id", "events.kind", "events.amount")
QUERY = "SELECT count(*), sum(amount), min(kind), max(event_id) FROM {}"


def main() -> int:
    """Prints the measurements; 1 when a lease is left over."""
    with parts() as (services, home):
        load(services, home)
        grant = granted(services, PLAIN)
        results: dict[str, Any] = {"request_to_credential": credentials(services, grant)}
        results["scan"] = scans(services, home, grant)
        results["many"] = many(services, home, grant)
        json.dump(results, sys.stdout, indent=2)
        print()
    return 1 if any(results["many"]["left"].values()) else 0


@contextmanager
def parts() -> Iterator[tuple[Any, Any]]:
    """PostgreSQL and OpenBao of a fresh home, and the gateway's services over them, in this process."""
    from gateway.composition import compose
    from gateway.embedded import databases, openbao, postgres, processes, provision, stack
    from gateway.embedded.home import Home
    from gateway.settings import Settings

    folder = Path(tempfile.mkdtemp(prefix="sp-bench-"))
    os.environ["SALLYPORT_HOME"] = str(folder)
    home = Home.here()
    home.prepare()
    home.ensure_stack()
    try:
        postgres.initialise(home)
        processes.start(home, postgres.part(home))
        processes.start(home, openbao.part(home))
        root = openbao.unseal(home)
        passwords = stack._passwords(home, root)
        databases.ensure(lambda database: postgres.superuser(home, database), passwords)
        assert root
        provision.configure(home, root, passwords)
        openbao.revoke_root(home, root)
        services = compose(Settings.load())
        yield services, home
        services.close()
    finally:
        for name in ("openbao", "postgres"):
            processes.stop(home, name, 2)
        for left in (home.sockets, folder):
            shutil.rmtree(left, ignore_errors=True)


def load(services: Any, home: Any) -> None:
    """A million rows under a registered contract."""
    from compliance.entries import Actor
    from gateway.catalog import datasets
    from gateway.catalog.projects import ensure_project
    from gateway.embedded import postgres
    from sandbox.contracts import load_contract

    contract, actor, now = load_contract(CONTRACT), Actor("sam", "person"), services.clock()
    with services.pool.connection() as connection:
        ensure_project(connection, "readmission", new_key=services.vault.new_data_key, actor=actor, now=now)
        datasets.register(
            connection, project="readmission", contract=contract, text=CONTRACT, actor=actor, decision_id="bench", now=now
        )
    with psycopg.connect(services.database("live_loader", "live")) as live:
        live.execute("SET ROLE live_owner")
        live.execute("CREATE SCHEMA wide")
        live.execute("CREATE TABLE wide.events (event_id bigint PRIMARY KEY, person text, kind text, amount double precision)")
        live.execute(
            "INSERT INTO wide.events SELECT n, 'p' || n %% 50000, 'kind-' || n %% 17, n * 0.5 FROM generate_series(1, %s) AS n",
            (ROWS,),
        )
    with psycopg.connect(postgres.superuser(home, "live"), autocommit=True) as live:
        live.execute("VACUUM ANALYZE wide.events")


def subject(name: str, role: str) -> Any:
    from gateway.identity import Subject

    return Subject(name, "person", (role,), ("readmission",), 2_000_000_000, mfa=True)


def granted(services: Any, columns: tuple[str, ...]) -> str:
    asked = services.access.request(
        subject("dana", "data-scientist"), dataset="wide", columns=columns, purpose="model-debugging", hours=3, why="measured"
    ).id
    for steward in ("sam", "stella"):
        if services.access.approve(subject(steward, "data-steward"), asked).state == "granted":
            break
    return str(asked)


def timed(call: Callable[[], Any], runs: int) -> tuple[list[float], list[Any]]:
    """Milliseconds of each run, and what it gave."""
    took, gave = [], []
    for _ in range(runs):
        began = time.perf_counter()
        gave.append(call())
        took.append((time.perf_counter() - began) * 1000)
    return took, gave


def spread(took: list[float]) -> dict[str, float]:
    ordered = sorted(took)
    return {"median_ms": round(statistics.median(took), 2), "p99_ms": round(ordered[int(len(ordered) * 0.99)], 2)}


def opened(services: Any, grant: str) -> tuple[Any, Any]:
    from gateway.vault import unwrap

    lease = services.access.open(subject("dana", "data-scientist"), grant)
    return lease, unwrap(services.vault.address, lease.wrapping_token)


def credentials(services: Any, grant: str) -> dict[str, Any]:
    """Grant to credential in hand (decision, schema, views, Vault role, wrapped and unwrapped) beside a raw credential read."""
    from gateway.access import views
    from gateway.vault import unwrap

    first, _ = opened(services, grant)
    services.vault.write_database_role(
        "lease-raw", creation=views.creation(first.id), revocation=views.REVOCATION, ttl=600, max_ttl=600
    )
    raw, wrapped, ours, decisions, leases = [], [], [], [], []
    question = _question(services, grant)
    for _ in range(RUNS):  # turn by turn, so that all meet the same machine
        raw += timed(lambda: services.vault.credential("lease-raw"), 1)[0]
        wrapped += timed(lambda: unwrap(services.vault.address, services.vault.wrapped_credential("lease-raw", 60)), 1)[0]
        took, made = timed(lambda: opened(services, grant), 1)
        ours, leases = ours + took, leases + made
        decisions += timed(lambda: services.access.enforcer.decide(question), 1)[0]
    ended, _ = timed(_each([lease.id for lease, _ in leases], services), len(leases))
    end(services, first.id)
    services.vault.revoke_leases_of_role("lease-raw")
    services.vault.delete_database_role("lease-raw")
    return {
        "runs": RUNS, "raw_vault_credential": spread(raw), "raw_wrapped_and_unwrapped": spread(wrapped),
        "lease": spread(ours), "recorded_decision": spread(decisions),
        "revoke": spread(ended), "times_raw": round(statistics.median(ours) / statistics.median(raw), 2),
        "times_raw_wrapped": round(statistics.median(ours) / statistics.median(wrapped), 2),
    }  # fmt: skip


def _each(names: list[str], services: Any) -> Callable[[], None]:
    left = iter(names)
    return lambda: end(services, next(left))


def _question(services: Any, grant: str) -> dict[str, Any]:
    from gateway.access import requests

    with services.pool.connection() as connection:
        found = requests.get(connection, grant)
    context = {"purpose": found.purpose, "grant": found.grant(now=services.clock())}
    resource = {"type": "dataset", "id": "wide", "project": "readmission", "zone": "live", "columns": list(PLAIN)}
    return dict(services.enforcer.question(subject("dana", "data-scientist"), "read", resource, context))


def end(services: Any, lease: str) -> None:
    from compliance.entries import Actor

    services.access.end(lease, by=Actor("bench", "system"))


def scans(services: Any, home: Any, grant: str) -> dict[str, Any]:
    """A full scan of the million rows through lease views and on the bare table, turn by turn on the same machine."""
    from gateway.embedded import postgres

    plain, secret = opened(services, grant)
    masked, masked_secret = opened(services, granted(services, ("events.person", *PLAIN)))
    results: dict[str, list[float]] = {"bare": [], "lease": [], "lease_with_pseudonyms": []}
    with (
        psycopg.connect(postgres.superuser(home, "live"), autocommit=True) as bare,
        psycopg.connect(_dsn(services, secret), autocommit=True) as through,
        psycopg.connect(_dsn(services, masked_secret), autocommit=True) as pseudonyms,
    ):
        expected = bare.execute(QUERY.format("wide.events")).fetchone()
        assert through.execute(QUERY.format("events")).fetchone() == expected
        for _ in range(SCANS):
            results["bare"] += timed(lambda: bare.execute(QUERY.format("wide.events")).fetchone(), 1)[0]
            results["lease"] += timed(lambda: through.execute(QUERY.format("events")).fetchone(), 1)[0]
        masked_query = "SELECT count(DISTINCT person) FROM events"
        results["lease_with_pseudonyms"] += timed(lambda: pseudonyms.execute(masked_query).fetchone(), 1)[0]
    for lease in (plain, masked):
        end(services, lease.id)
    medians = {name: round(statistics.median(took), 1) for name, took in results.items()}
    return {"rows": ROWS, "median_ms": medians, "times_bare": round(medians["lease"] / medians["bare"], 3)}


def many(services: Any, home: Any, grant: str) -> dict[str, Any]:
    """Many leases stand at once, each works, all are revoked, nothing is left."""
    from gateway.embedded import postgres

    began = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = list(pool.map(lambda _: opened(services, grant), range(LEASES)))
    opening = time.perf_counter() - began
    with psycopg.connect(postgres.superuser(home, "live")) as live:
        stood = live.execute("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'lease-%'").fetchone()
    assert stood == (LEASES,)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        counts = set(pool.map(lambda one: _first(_dsn(services, one[1])), made))
    assert counts == {1}
    began = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda one: end(services, one[0].id), made))
    revoking = time.perf_counter() - began
    return {
        "leases": LEASES, "at_once": AT_ONCE, "open_seconds": round(opening, 1), "revoke_seconds": round(revoking, 1),
        "opened_per_second": round(LEASES / opening, 1), "revoked_per_second": round(LEASES / revoking, 1),
        "left": left(services, home),
    }  # fmt: skip


def left(services: Any, home: Any) -> dict[str, int]:
    from gateway.embedded import postgres

    with psycopg.connect(postgres.superuser(home, "live")) as live, services.pool.connection() as control:
        counts = live.execute(
            "SELECT (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'lease-%'), (SELECT count(*) FROM masking.keys),"
            " (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'lease\\_%')"
        ).fetchone()
        rows = control.execute("SELECT count(*) FROM access.leases WHERE state IN ('opening', 'open', 'ending')").fetchone()
    assert counts and rows
    named = dict(zip(("roles", "keys", "schemas"), counts, strict=True))
    return named | {"vault_roles": len(services.vault.list_database_roles("lease-")), "rows": rows[0]}


def _first(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT 1 FROM events LIMIT 1").fetchone()
    return int(row[0]) if row else 0


def _dsn(services: Any, secret: Any) -> str:
    anybody = services.database("gateway_live", "live")
    return make_conninfo(anybody, user=secret.username, password=secret.password)


if __name__ == "__main__":
    sys.exit(main())
