"""Projects take turns in the queue of checks, in the order a real worker of DBOS begins them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import resources
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest

from gateway import forgotten, turns
from gateway.composition import Services, jobs_url
from gateway.jobs import Jobs

# Makes DBOS's tables; then begins what waits, one after another, as often as a line says how many.
WORKER = """
import sys, time
from dbos import DBOS
from gateway.jobs import CHECK_MODEL, CHECKS_QUEUE, SCHEMA

left = 0

@DBOS.workflow(name=CHECK_MODEL)
def check_model(promotion):
    global left
    while left == 0:
        time.sleep(0.01)
    left -= 1
    print(promotion, flush=True)

DBOS(config={"name": "sallyport", "system_database_url": sys.argv[1], "dbos_system_schema": SCHEMA, "application_version": "1",
             "log_level": "ERROR"})
DBOS.launch()
print("ready", flush=True)
for number, line in enumerate(sys.stdin):
    if number == 0:
        DBOS.register_queue(CHECKS_QUEUE, worker_concurrency=1, polling_interval_sec=0.02)
    left += int(line)
"""


@pytest.fixture
def control(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        for package in ("compliance", "promotion", "gateway.catalog", "gateway.airlock"):
            connection.execute((resources.files(package) / "schema.sql").read_text("utf-8"))  # type: ignore[arg-type]
        yield connection


@pytest.fixture
def worker(control: psycopg.Connection[Any], database_url: str) -> Iterator[subprocess.Popen[str]]:
    assert turns.place(control, "a") == 1, "no worker has made its tables yet"
    address = jobs_url(psycopg.conninfo.make_conninfo(database_url, port=5432, password="none"))
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdout.readline() == "ready\n"
        yield process
        process.kill()


def test_a_project_with_one_model_waits_for_one_of_another_with_hundreds(
    control: psycopg.Connection[Any], worker: subprocess.Popen[str], database_url: str
) -> None:
    jobs = Jobs(jobs_url(psycopg.conninfo.make_conninfo(database_url, port=5432, password="none")))

    def submit(project: str, name: str, *, forgotten: bool = False) -> None:
        promotion(control, project, name)
        if not forgotten:
            jobs.check_model(name, turns.place(control, project))

    def begun(number: int) -> list[str]:
        assert worker.stdin and worker.stdout
        print(number, file=worker.stdin, flush=True)
        return [worker.stdout.readline().strip() for _ in range(number)]

    for number in range(6):
        submit("many", f"m{number}")
    assert begun(2) == ["m0", "m1"]  # m2 is with the worker, or is the next
    submit("few", "f0")
    submit("few", "f1")
    submit("many", "m6")
    submit("other", "o0", forgotten=True)
    given = SimpleNamespace(pool=Pool(control), jobs=jobs, clock=lambda: datetime(2099, 1, 1, tzinfo=UTC))
    forgotten.queue_again(cast("Services", given))
    forgotten.queue_again(cast("Services", given))  # what is queued already stays where it is
    order = begun(8)
    assert order[0] == "m2"
    assert max(order.index(one) for one in ("f0", "o0")) <= 3, order
    assert [one for one in order if one[0] == "m"] == ["m2", "m3", "m4", "m5", "m6"]
    assert order.index("f1") < order.index("m6"), order


class Pool:
    """One connection for everybody."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def connection(self) -> Any:
        from contextlib import nullcontext

        return nullcontext(self._connection)


def promotion(control: psycopg.Connection[Any], project: str, name: str) -> None:
    control.execute(
        "INSERT INTO promotion.requests SELECT %s, %s, %s, 1, 'd', 'low', 'dana', NULL, '', 'd', 'submitted', now(), now()",
        (name, project, name),
    )
