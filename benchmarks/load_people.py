"""What two hundred people of all roles do, for locust: pages are read, the API is asked, leases are opened and ended.

Run by `benchmarks.load` and `benchmarks.faults`, which name the running stack's home in SALLYPORT_HOME.
"""

from __future__ import annotations

import random
from typing import Any
from uuid import uuid4

from gevent.lock import BoundedSemaphore
from locust import HttpUser, between, task

from gateway.embedded.home import Home
from gateway.embedded.users import login
from gateway.settings import Settings

SETTINGS = Settings.load()
COLUMNS = ["patients.sex", "patients.birth_date"]
ONE_AT_A_TIME = BoundedSemaphore(1)  # a login keeps its token in a file


class Person(HttpUser):
    """Somebody who is logged in and takes their time between two clicks."""

    abstract = True
    host = SETTINGS.gateway_url
    wait_time = between(4, 12)
    name = ""

    def on_start(self) -> None:
        with ONE_AT_A_TIME:
            token = login(Home.here().root, self.name)
        self.client.headers["Authorization"] = f"Bearer {token}"

    def see(self, path: str, route: str | None = None, **query: Any) -> Any:
        """The JSON at `path`, counted under `route`; None when there is no answer of ours."""
        with self.client.get(path, params=query, name=route or path, catch_response=True) as answer:
            return self._judged(answer, (200,))

    def do(self, path: str, body: dict[str, Any], route: str, expected: tuple[int, ...]) -> Any:
        """The JSON answer to a POST that is safe to send again."""
        key = {"Idempotency-Key": uuid4().hex}
        with self.client.post(path, json=body, headers=key, name=route, catch_response=True) as answer:
            return self._judged(answer, expected)

    def _judged(self, answer: Any, expected: tuple[int, ...]) -> Any:
        if answer.status_code not in expected:
            answer.failure(f"status {answer.status_code}")
            return None
        answer.success()
        return answer.json() if "json" in answer.headers.get("content-type", "") else None


class Scientist(Person):
    name, weight = "dana", 12

    @task(6)
    def look(self) -> None:
        self.see("/v1/datasets")
        self.see("/v1/snapshots")

    @task(3)
    def ask(self) -> None:
        body = {"dataset": "clinic", "columns": COLUMNS, "purpose": "model-debugging", "hours": 1, "why": "load"}
        self.do("/v1/access-requests", body, "ask for access", (201,))

    @task(2)
    def borrow(self) -> None:
        found = [one for one in (self.see("/v1/access-requests") or {}).get("items", ()) if one["state"] == "granted"]
        if found:
            lease = self.do("/v1/leases", {"request": random.choice(found[:50])["id"]}, "open a lease", (201,))
            if lease:
                self.client.delete(f"/v1/leases/{lease['id']}", name="end a lease")


class Steward(Person):
    name, weight = "sam", 3

    @task
    def approve(self) -> None:
        waiting = [one for one in (self.see("/v1/access-requests") or {}).get("items", ()) if one["state"] == "pending"]
        for one in waiting[:3]:  # another steward may have been there first
            self.do(f"/v1/access-requests/{one['id']}/approve", {}, "approve access", (200, 403, 409))


class Validator(Person):
    name, weight = "vera", 2

    @task
    def look(self) -> None:
        self.see("/v1/promotions")
        self.see("/v1/models")


class Officer(Person):
    name, weight = "carl", 2

    @task
    def search(self) -> None:
        self.see("/v1/audit/entries", "search the ledger", limit=100, text=random.choice(["dana", "lease", "clinic"]))
        self.see("/v1/audit/checkpoint")


class Operator(Person):
    name, weight = "olga", 1

    @task
    def watch(self) -> None:
        self.see("/health/ready")
        self.see("/metrics")
