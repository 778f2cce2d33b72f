"""Who may call what: every operation of the OpenAPI, as every role, on objects of one's own project and of another's.

The answers are compared with `authorisation.csv`, which people have read. `SALLYPORT_WRITE_AUTHORISATION=1` writes it anew, to be
read again before it is committed. A cell says `ok` (not refused: done, or wrong only in form or state), `denied`, `hidden` (as if
the object did not exist) or `login`.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from psycopg.types.json import Jsonb

from gateway import demo
from gateway.client import Gateway
from gateway.composition import Services
from sandbox.domains import contract_path
from sandbox.features import Compiled

TABLE = Path(__file__).with_name("authorisation.csv")
WHO = {
    "nobody": None, "data-scientist": "dana", "data-steward": "stella", "model-validator": "vera",
    "compliance-officer": "carl", "operator": "olga", "on-call": "omar", "service": "scoring",
}  # fmt: skip
MODEL = Path(demo.__file__).parent / "clinic" / "model.yaml"
DIGEST = "sha256:" + "0" * 64
APPROVAL = {"role": "model-validator", "meaning": "I validated it"}
LIVE = {"dataset": "clinic", "columns": ["patients.sex"], "purpose": "model-debugging"}
# What is sent: enough to be asked who one is, and where it can be helped not enough to change anything.
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/datasets": {"json": {"project": "readmission", "contract": contract_path("clinic").read_text("utf-8")}},
    "POST /v1/datasets/{dataset}/rows": {"files": [("files", (".hidden", b""))]},
    "POST /v1/audit/disclosures": {"json": {"dataset": "clinic", "person": "nobody of that name"}},
    "POST /v1/datasets/{dataset}/erasures": {"json": {"person": "nobody of that name"}},
    "POST /v1/snapshots": {"json": {"dataset": "{dataset}"}},
    "POST /v1/access-requests": {"json": LIVE | {"hours": 1, "why": "a test"}},
    "POST /v1/access-requests/{name}/reject": {"json": {"why": "a test"}},
    "POST /v1/leases": {"json": LIVE},
    "POST /v1/break-glass": {"json": {"dataset": "clinic", "columns": ["patients.sex"], "justification": "", "incident": ""}},
    "POST /v1/break-glass/{name}/review": {"json": {"outcome": "justified", "note": "a test"}},
    "POST /v1/promotions": {"data": {"project": "readmission", "contract": MODEL.read_text("utf-8")}},
    "POST /v1/scorings": {"json": {"model": "readmission/nothing"}},
    "POST /v1/scorings/schedules": {"json": {"model": "readmission/nothing", "at": "03:00"}},
    "POST /v1/promotions/{name}/stage": {"json": {"stage": "shadow"}},
    "POST /v1/promotions/{name}/approve": {"json": APPROVAL},
    "POST /v1/promotions/{name}/checks/{check}/waive": {"json": {"why": "a test", "until": "2099-01-01"}},
    "POST /v1/promotions/{name}/findings/{finding}/close": {"json": {"why": "a test"}},
    "POST /v1/promotions/{name}/reject": {"json": {"why": "a test"}},
    "POST /v1/egress-requests": {"data": {"project": "readmission", "why": "a test"}, "files": [("files", ("../a", b""))]},
    "PUT /v1/egress-requests/{name}/files/{path}": {"files": [("file", ("a.csv", b"a"))]},
    "POST /v1/egress-requests/{name}/votes": {"json": {"approve": False, "why": "a test"}},
    "POST /v1/ingress-requests": {"data": {"project": "readmission", "why": "a test"}, "files": [("files", ("../a", b""))]},
    "POST /v1/ingress-requests/{name}/votes": {"json": {"approve": False, "why": "a test"}},
    "POST /v1/models/{project}/{name}/rollback": {"json": {"digest": DIGEST}},
    "GET /v1/snapshots/{name}/difference": {"params": {"to": "0" * 32}},
    "POST /v1/sessions/end-all": {"json": {"subject": "nobody-at-all"}},
    "GET /v1/audit/trace": {"params": {"id": "nothing"}},
    "GET /v1/audit/disclosures": {"params": {"dataset": "clinic"}},
    "POST /v1/features": {"data": {"dataset": "clinic"}, "files": [("files", ("a.sh", b""))]},
    "POST /v1/notebook-cells": {
        "json": {"event": "started", "kernel": "k", "cell": "c", "code_hash": DIGEST, "project": "income"}
    },
    "POST /v1/audit/holds": {"json": {"reason": "a test", "thing": "nothing"}},
    "POST /v1/access-reviews": {"json": {"projects": ["nobody"], "days": 1}},
    "POST /v1/access-reviews/items/{name}/answer": {"json": {"answer": "keep", "why": "a test"}},
    "POST /v1/audit/exports": {"json": {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}},
}


@dataclass(frozen=True)
class World:
    """Objects of a project everybody here is in, and of one that nobody is in; new ones for every question."""

    parts: Services

    def path(self, path: str, project: str) -> str:
        kind = path.removeprefix("/v1/").split("/")[0]
        names = {
            "snapshots": self.snapshot, "access-requests": self.request, "leases": self.lease, "break-glass": self.glass,
            "promotions": self.promotion, "egress-requests": self.egress, "ingress-requests": self.ingress,
            "features": self.features, "access-reviews": self.review, "scorings": self.scoring,
        }  # fmt: skip
        name = names[kind](project) if kind in names else {"models": "ranks"}.get(kind, "0" * 32)
        asked = {"path": "patients.parquet", "check": "fairness", "finding": "nothing", "stage": "shadow"}
        return path.format(dataset=dataset_of(project), name=name, project=project, **asked)

    def insert(self, query: str, *values: Any) -> str:
        name = uuid4().hex[:16]
        with self.parts.pool.connection() as connection:
            connection.execute(query, (name, *values))  # type: ignore[arg-type]
        return name

    def snapshot(self, project: str) -> str:
        return self.insert(
            "INSERT INTO catalog.snapshots (id, dataset, project, state, requested_by, requested_at, decision_id, limits)"
            " VALUES (%s, %s, %s, 'failed', 'sam', now(), '', '{}')", dataset_of(project), project,
        )  # fmt: skip

    def request(self, project: str) -> str:
        asker = {
            "id": "sam",
            "type": "person",
            "roles": ["data-steward"],
            "projects": [project],
            "mfa": True,
            "training_until": 2**33,
        }
        return self.insert(
            "INSERT INTO access.requests (id, subject, asker, dataset, project, columns, purpose, hours, why, state, created_at)"
            " VALUES (%s, 'sam', %s, %s, %s, %s, 'model-debugging', 1, 'a test', 'pending', now())",
            Jsonb(asker), dataset_of(project), project, ["patients.sex"],
        )  # fmt: skip

    def review(self, project: str) -> str:
        """A campaign and its one question, of the same name."""
        return self.insert(
            "WITH made AS (INSERT INTO catalog.review_campaigns (id, projects, started_by, started_at, due_at, decision_id)"
            " VALUES (%s, '{}', 'carl', now(), now(), '') RETURNING id)"
            " INSERT INTO catalog.review_items (id, campaign, grant_id, holder, dataset, project, facts)"
            " SELECT id, id, 'g', 'somebody', %s, %s, %s FROM made", dataset_of(project), project,
            Jsonb({"purpose": "model-debugging", "approved_by": [], "leases": 0, "last_opened": None}),
        )  # fmt: skip

    def lease(self, project: str) -> str:
        now = self.parts.clock()
        return self.insert(
            "INSERT INTO access.leases (id, request, subject, dataset, project, state, decision_id, obligations, opened_at,"
            " expires) VALUES (%s, %s, 'sam', %s, %s, 'ended', '', '{}', %s, %s)",
            self.request(project), dataset_of(project), project, now - timedelta(hours=2), now - timedelta(hours=1),
        )  # fmt: skip

    def glass(self, project: str) -> str:
        return self.insert(
            "INSERT INTO access.break_glass (id, subject, dataset, project, columns, justification, incident, at,"
            " review_due) VALUES (%s, 'sam', %s, %s, %s, 'a test', 'a test', now(), now())",
            dataset_of(project), project, ["patients.sex"],
        )  # fmt: skip

    def egress(self, project: str) -> str:
        return self.insert(
            "INSERT INTO airlock.requests (id, project, author, why, state, digest, submitted_at, changed_at)"
            " VALUES (%s, %s, 'sam', 'a test', 'withdrawn', %s, now(), now())",
            project,
            DIGEST,
        )

    def ingress(self, project: str) -> str:
        return self.insert(
            "INSERT INTO airlock.requests (id, project, author, why, state, digest, submitted_at, changed_at, direction)"
            " VALUES (%s, %s, 'sam', 'a test', 'withdrawn', %s, now(), now(), 'in')", project, DIGEST,
        )  # fmt: skip

    def features(self, project: str) -> str:
        sql = "SELECT 1 FROM a"
        made = Compiled("a", "1", dataset_of(project), ("a.b",), {"c": "int64"}, sql, sql)
        return self.insert(
            "INSERT INTO catalog.features VALUES (%s, '1', %s, false, %s, %s, %s, '', 'sam', now())",
            project, dataset_of(project), DIGEST, Jsonb(made.as_json()),
        )  # fmt: skip

    def promotion(self, project: str) -> str:
        return self.insert(
            "INSERT INTO promotion.requests SELECT %s, %s, 'matrix', coalesce(max(version), 0) + 1, %s, 'low', 'dana', NULL, '',"
            " '', 'awaiting-approval', now(), now() FROM promotion.requests WHERE name = 'matrix'", project, DIGEST,
        )  # fmt: skip

    def scoring(self, project: str) -> str:
        return self.insert(
            "INSERT INTO promotion.scorings (id, project, name, asker, requested_at, state) VALUES (%s, %s, 'matrix', %s, now(),"
            " 'published')", project, Jsonb({"id": "sam", "type": "person", "roles": []}),
        )  # fmt: skip


def dataset_of(project: str) -> str:
    return "clinic" if project == "readmission" else "elsewhere"


@pytest.fixture(scope="module")
def world(parts: Services, clinic: Path) -> Iterator[World]:
    with parts.pool.connection() as connection:
        connection.execute("INSERT INTO catalog.projects SELECT 'elsewhere', wrapped_key, now() FROM catalog.projects LIMIT 1"
                           " ON CONFLICT DO NOTHING")  # fmt: skip
        connection.execute(
            "INSERT INTO catalog.datasets (id, project, contract, digest, registered_by, registered_at)"
            " SELECT 'elsewhere', 'elsewhere', replace(contract, 'id: clinic', 'id: elsewhere'), digest, 'sam', now()"
            " FROM catalog.datasets WHERE id = 'clinic' ON CONFLICT DO NOTHING"
        )
    yield World(parts)
    with parts.pool.connection() as connection:  # nothing of it waits for anybody afterwards
        connection.execute("UPDATE promotion.requests SET state = 'rejected' WHERE name = 'matrix'")
        connection.execute("UPDATE access.requests SET state = 'withdrawn' WHERE state = 'pending' AND why = 'a test'")
        connection.execute("UPDATE access.break_glass SET outcome = 'justified', reviewed_at = now() WHERE incident = 'a test'")


def operations(url: str) -> list[tuple[str, str]]:
    paths = httpx.get(f"{url}/v1/openapi.json", trust_env=False).json()["paths"]
    return sorted((path, method.upper()) for path, methods in paths.items() for method in methods)


def rows(url: str) -> Iterator[tuple[str, str, str]]:
    """(method, path, project) of every question, `-` where no object is named."""
    for path, method in operations(url):
        body = str(BODIES.get(f"{method} {path}", ""))
        named = "{" in path or "{dataset}" in body
        yield from ((method, path, project) for project in (("readmission", "elsewhere") if named else ("-",)))


def answer(http: httpx.Client, token: str | None, world: World, method: str, path: str, project: str) -> str:
    sent = BODIES.get(f"{method} {path}", {"json": {}} if method == "POST" else {})
    if sent.get("json", {}).get("dataset") == "{dataset}":
        sent = {"json": {"dataset": dataset_of(project)}}
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    place = world.path(path, project) if "{" in path else path
    said = http.request(method, place, headers=headers, **sent)
    assert said.status_code < 500, (method, place, said.text)
    if said.is_error:
        assert said.headers["content-type"] == "application/problem+json", (method, place, said.text)
        assert said.json()["code"]
    return {401: "login", 403: "denied", 404: "hidden"}.get(said.status_code, "ok")


def test_every_operation_answers_every_role_as_the_reviewed_table_says(
    url: str, world: World, as_user: Callable[[str], Gateway]
) -> None:
    tokens = {role: as_user(name).token() if name else None for role, name in WHO.items()}
    http = httpx.Client(base_url=url, trust_env=False, timeout=60)
    found = [
        [method, path, {"readmission": "own", "elsewhere": "other"}.get(project, "-")]
        + [answer(http, tokens[role], world, method, path, project) for role in WHO]
        for method, path, project in rows(url)
    ]
    heading = ["method", "path", "object", *WHO]
    if os.environ.get("SALLYPORT_WRITE_AUTHORISATION"):
        with TABLE.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([heading, *found])
    with TABLE.open(newline="") as file:
        expected = list(csv.reader(file))
    assert expected[0] == heading
    differing = [row for row in found if row not in expected] + [row for row in expected[1:] if row not in found]
    assert not differing


def test_the_reviewed_table_lets_nobody_in_and_shows_nobody_anothers_object() -> None:
    open_to_all = {"/health/live", "/health/ready", "/metrics", "/v1/policy"}
    with TABLE.open(newline="") as file:
        for row in csv.DictReader(file):
            assert (row["nobody"] == "ok") == (row["path"] in open_to_all), row
            if row["object"] == "other":
                seen = {row[role] for role in WHO if role not in ("nobody", "compliance-officer")}
                assert seen <= {"hidden", "denied"}, row
