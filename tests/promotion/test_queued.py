"""Queued inference in PostgreSQL: each request answered once, whatever happens in between, and told to its own caller only."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from door_three import DANA, NOW
from fastapi.testclient import TestClient

from promotion import queued
from promotion.answering import parsed, predict
from promotion.loading import Models
from promotion.queued import QueuedNotFound
from promotion.serving import create_app

ASKED = {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [1.0, 99.0]}]}


class Queue:
    """The table itself, with nothing sealed."""

    def __init__(self, connection):
        self.connection = connection

    def put(self, caller, model, body, replay_of=None):
        one = queued.new(model, caller=caller.id, asker={}, sealed=body, wrapped="", now=NOW, replay_of=replay_of)
        queued.put(self.connection, one)
        self.connection.commit()
        return one

    def get(self, caller, request):
        return queued.get(self.connection, request, caller=caller.id)

    def replay(self, caller, request):
        one = self.get(caller, request)
        return self.put(caller, one.model, one.sealed, one.id)


@pytest.fixture
def served(gate):
    gate.deployed()
    models, queue = Models(gate.store, gate.keys), Queue(gate.connection)

    async def log(predictions):
        raise AssertionError("nothing is predicted here")

    class Other:
        id = "mallory"

    app = create_app(models, authenticate=lambda token: DANA if token == "good" else Other(), log=log, queue=queue)
    with TestClient(app, raise_server_exceptions=False, headers={"Authorization": "Bearer good"}) as client:
        yield client, models, gate.connection


def answered(connection, models, request):
    one = queued.get(connection, request)
    key, loaded = models.get("readmission")
    prediction, outputs = predict(key, loaded, parsed(bytes(one.sealed)), one.caller)
    state = queued.answer(connection, request, prediction, {"outputs": outputs}, NOW)
    connection.commit()
    return state


def test_a_request_is_promised_answered_once_and_asked_again(served):
    client, models, connection = served
    taken = client.post("/v2/models/readmission/infer/queue", json=ASKED)
    assert taken.status_code == 202 and taken.json()["state"] == "queued", taken.text
    name = taken.json()["id"]
    assert client.get(f"/v2/queued/{name}").json()["response"] is None
    assert [answered(connection, models, name) for _ in range(3)] == ["answered"] * 3
    found = client.get(f"/v2/queued/{name}").json()
    assert found["state"] == "answered" and found["response"]["outputs"][0]["data"] == [1.0, 99.0]
    kept = connection.execute("SELECT id::text, rows FROM promotion.predictions").fetchall()
    assert kept == [(queued.prediction_id(name), 2)]

    again = client.post(f"/v2/queued/{name}/replay").json()
    assert (again["replay_of"], again["state"]) == (name, "queued")
    assert answered(connection, models, again["id"]) == "answered"
    assert connection.execute("SELECT count(*) FROM promotion.predictions").fetchone() == (2,)


def test_an_answer_and_its_prediction_are_kept_together_or_not_at_all(served):
    client, models, connection = served
    name = client.post("/v2/models/readmission/infer/queue", json=ASKED).json()["id"]
    key, loaded = models.get("readmission")
    prediction, _ = predict(key, loaded, parsed(json.dumps(ASKED).encode()), "dana")
    with pytest.raises(TypeError), connection.transaction():
        queued.answer(connection, name, prediction, {"outputs": object()}, NOW)
    assert connection.execute("SELECT count(*) FROM promotion.predictions").fetchone() == (0,)
    assert queued.get(connection, name).state == "queued"


def test_a_failure_is_told_with_its_code_and_stays(served):
    client, models, connection = served
    late = client.post("/v2/models/readmission/infer/queue", json=ASKED).json()["id"]
    queued.fail(connection, late, {"code": "unexpected"}, NOW)
    assert answered(connection, models, late) == "failed", "what its caller was told stays so"
    name = client.post("/v2/models/readmission/infer/queue", json={"parameters": {"entity_id": "7"}}).json()["id"]
    queued.fail(connection, name, {"code": "entity_not_found", "error": "No such row."}, NOW)
    connection.commit()
    found = client.get(f"/v2/queued/{name}").json()
    assert (found["state"], found["code"]) == ("failed", "entity_not_found")
    assert (
        queued.fail(connection, name, {}, NOW) == "failed" and queued.get(connection, name).problem["code"] == "entity_not_found"
    )


def test_others_see_nothing_of_it_and_what_does_not_fit_is_refused_at_once(served):
    client, _, connection = served
    name = client.post("/v2/models/readmission/infer/queue", json=ASKED).json()["id"]
    bad = {"Authorization": "Bearer bad"}
    for answer in (client.get(f"/v2/queued/{name}", headers=bad), client.post(f"/v2/queued/{name}/replay", headers=bad),
                   client.get("/v2/queued/nothing")):  # fmt: skip
        assert (answer.status_code, answer.json()["code"]) == (404, "queued_not_found")
    wrong = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [101.0]}]}
    for path, body, status in (
        ("readmission", wrong, 400), ("readmission", {}, 400), ("nothing", ASKED, 404), ("readmission/versions/9", ASKED, 404),
    ):  # fmt: skip
        assert client.post(f"/v2/models/{path}/infer/queue", json=body).status_code == status
    assert connection.execute("SELECT count(*) FROM promotion.queued").fetchone() == (1,)


def test_what_ended_long_ago_is_forgotten_but_not_what_waits_or_is_held(served):
    client, models, connection = served
    first, waits = (client.post("/v2/models/readmission/infer/queue", json=ASKED).json()["id"] for _ in range(2))
    answered(connection, models, first)
    again = client.post(f"/v2/queued/{first}/replay").json()["id"]
    later = NOW + timedelta(seconds=1)
    assert queued.forget(connection, NOW) == 0
    assert queued.forget(connection, later, but_of=["readmission"]) == 0
    assert queued.forget(connection, later) == 1
    assert queued.get(connection, waits).state == queued.get(connection, again).state == "queued"
    with pytest.raises(QueuedNotFound):
        queued.get(connection, first)
