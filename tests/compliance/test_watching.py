"""Continuous checks: a finding is raised once, said again when overdue, and over when it is not found any more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from compliance.entries import ObjectRef
from compliance.ledger import append, integrate, read
from gateway import watching
from gateway.catalog import findings
from gateway.web.waiting import _found
from tests.compliance.conftest import START, decision

HOUR = timedelta(hours=1)


@pytest.fixture
def services(ledger_url: str, tmp_path: Path) -> Iterator[Any]:
    """The gateway's parts that the checks use, on the real database, at a time that tests set; everybody still works here."""
    with psycopg.connect(ledger_url) as connection:
        connection.execute((resources.files("gateway.catalog") / "schema.sql").read_text("utf-8"))

    def as_application(connection: Any) -> None:
        connection.execute("SET ROLE sallyport_app")
        connection.commit()

    with ConnectionPool(ledger_url, min_size=1, max_size=9, configure=as_application) as pool:
        given = SimpleNamespace(
            pool=pool, access=SimpleNamespace(directory=lambda subject: subject), now=START,
            settings=SimpleNamespace(findings_minutes=1, findings_overdue_hours=72),
        )  # fmt: skip
        given.clock = lambda: given.now
        yield given


def alert(services: Any, event: str, moment: datetime) -> None:
    with services.pool.connection() as connection:
        append(connection, decision(type=event, outcome="done", object=ObjectRef("alert", "a1"), refs={}, detail={}), now=moment)


def said(services: Any) -> list[tuple[str, dict[str, Any]]]:
    import json

    with services.pool.connection() as connection:
        integrate(connection)
        entries = [json.loads(raw) for _, raw in read(connection)]
    return [(one["type"], one["detail"]) for one in entries if one["type"].startswith("finding:")]


def test_an_alert_nobody_reads_is_raised_once_then_said_again_then_over(services: Any) -> None:
    alert(services, "alert:raised", START)
    detail = {"code": "alert_unread", "severity": "medium", "entry": 1}
    assert watching.check(services) == [] and said(services) == [], "it is not old yet"
    services.now = START + timedelta(days=8)
    (one,) = watching.check(services)
    assert (one.code, one.raised_at, one.escalated_at) == ("alert_unread", services.now, None)
    watching.check(services)
    services.now += 71 * HOUR
    watching.check(services)
    assert said(services) == [("finding:raised", detail)]
    services.now += 2 * HOUR
    (one,) = watching.check(services)
    assert one.escalated_at == services.now
    assert "1 stand, 1 of them overdue" in next(_found([one])).said
    services.now += HOUR
    watching.check(services)
    assert said(services) == [("finding:raised", detail), ("finding:escalated", detail)]
    alert(services, "alert:over", services.now)
    assert watching.check(services) == []
    assert [event for event, _ in said(services)] == ["finding:raised", "finding:escalated", "finding:over"]


def test_a_finding_that_comes_back_is_raised_anew(services: Any) -> None:
    services.now = START + timedelta(days=1)
    with services.pool.connection() as connection:
        append(connection, decision(type="approval:signed", outcome="done", detail={}), now=START)
    gone: list[str] = ["dana"]
    services.access.directory = lambda subject: None if subject.id in gone else subject
    assert [one.code for one in watching.check(services)] == ["approver_left"]
    gone.clear()
    assert watching.check(services) == []
    gone.append("dana")
    assert len(watching.check(services)) == 1
    assert [event for event, _ in said(services)] == ["finding:raised", "finding:over", "finding:raised"]
    assert "dana" not in str(said(services))


def test_two_workers_raise_a_finding_once(services: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    alert(services, "alert:raised", START)
    services.now = START + timedelta(days=8)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: watching.check(services), range(4)))
    assert len(said(services)) == 1
    with services.pool.connection() as connection:
        assert len(findings.standing(connection)) == 1


def test_the_timer_goes_on_after_a_failure(services: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    stop, runs = threading.Event(), [0]

    def breaking(given: Any) -> None:
        runs[0] += 1
        if runs[0] == 2:
            stop.set()
        raise ValueError

    monkeypatch.setattr(watching, "SECONDS_BEFORE_THE_FIRST", 0.0)
    monkeypatch.setattr(watching, "check", breaking)
    services.settings.findings_minutes = 0
    watching.check_until(stop, services)
    assert runs == [2]
