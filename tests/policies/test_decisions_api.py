"""Compliance officers read every question put to policy, in order and in pages; nobody else does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import questions as q
from fastapi import FastAPI
from fastapi.testclient import TestClient
from psycopg_pool import ConnectionPool

from gateway import problems
from gateway.api import decisions, dependencies
from gateway.enforcement import Enforcer
from gateway.errors import GatewayError
from gateway.identity import Subject
from policies.bundle import Bundle
from policies.client import PolicyClient
from policies.embedded import EmbeddedEngine

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
CARL = Subject("carl", "person", roles=("compliance-officer",))
DANA = Subject("dana", "person", roles=("data-scientist",))


@pytest.fixture
def api(control_url: str) -> Iterator[tuple[TestClient, SimpleNamespace]]:
    """The router over a real database and real policies; `asks.who` is who the token would have proven."""
    asks = SimpleNamespace(who=CARL, now=BEGIN)
    with ConnectionPool(control_url, min_size=1, max_size=2) as pool:
        enforcer = Enforcer(
            client=PolicyClient(EmbeddedEngine(Bundle.load())), pool=pool, datasets=lambda: q.DATASETS, clock=lambda: asks.now
        )
        asks.enforcer = enforcer
        app = FastAPI()
        problems.install(app, (GatewayError,))
        app.include_router(decisions.router, prefix="/v1")
        app.dependency_overrides[dependencies.services] = lambda: SimpleNamespace(enforcer=enforcer, pool=pool)
        app.dependency_overrides[dependencies.subject] = lambda: asks.who
        yield TestClient(app, raise_server_exceptions=False), asks


def record(asks: SimpleNamespace, count: int) -> list[str]:
    """Questions put a minute apart; their ids."""
    made = []
    for number in range(count):
        asks.now = BEGIN + timedelta(minutes=number)
        made.append(asks.enforcer.decide(q.live() if number % 2 else q.release()).decision_id)
    asks.now = BEGIN + timedelta(days=1)
    return made


def test_decisions_are_paged_in_order_without_gap_or_repetition(api: Any) -> None:
    client, asks = api
    made = record(asks, 7)
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 3, "until": (BEGIN + timedelta(hours=1)).isoformat()}
    while True:
        page = client.get("/v1/decisions", params=query).json()
        seen += [item["decision_id"] for item in page["items"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert seen == made
    asked = client.get("/v1/decisions", params={"limit": 2}).json()["items"][1]
    assert (asked["input"], asked["allow"], asked["reasons"]) == (q.live(), True, [])


def test_a_period_bounds_what_is_read(api: Any) -> None:
    client, asks = api
    made = record(asks, 5)
    period = {"since": (BEGIN + timedelta(minutes=1)).isoformat(), "until": (BEGIN + timedelta(minutes=3)).isoformat()}
    assert [item["decision_id"] for item in client.get("/v1/decisions", params=period).json()["items"]] == made[1:3]


def test_reading_decisions_is_itself_a_decision(api: Any) -> None:
    client, _ = api
    client.get("/v1/decisions")
    last = client.get("/v1/decisions").json()["items"][-1]
    assert (last["subject"], last["action"], last["input"]["resource"]["id"]) == ("carl", "export", "decisions")


@pytest.mark.parametrize("path", ["/v1/decisions", "/v1/decisions/datasets"])
def test_who_is_no_compliance_officer_reads_none(api: Any, path: str) -> None:
    client, asks = api
    asks.who = DANA
    answer = client.get(path)
    assert answer.status_code == 403 and answer.json()["reasons"] == ["role_not_permitted"]


def test_the_datasets_given_with_them_are_those_of_the_registered_contracts(api: Any) -> None:
    client, _ = api
    assert client.get("/v1/decisions/datasets").json() == {"datasets": {}}


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 5001}, {"since": "yesterday"}, {"since": "2026-01-01T00:00:00"}])
def test_a_query_that_is_none_is_refused(api: Any, query: dict[str, Any]) -> None:
    assert api[0].get("/v1/decisions", params=query).status_code == 422
