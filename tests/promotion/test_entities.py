"""Scoring by entity id: the definition's features of live rows, as of now, and everything that is refused."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest
from door_three import DANA, TEXT
from fastapi.testclient import TestClient

from promotion.entities import EntityAmbiguous, EntityNotFound, NoFeatures, gather
from promotion.errors import ReadingDenied
from promotion.inference import InvalidInput, Shape
from promotion.loading import Models
from promotion.model_contracts import FeatureDefinition, load_model_contract
from promotion.serving import create_app

NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)
LIVE = 'SELECT visit AS row_id, person, ended AS as_of, age AS "x", 100 * age % 7 AS other, ward AS "Ward" FROM visits'


def contract(inputs: str = "[{name: x, type: float, min: 0, max: 100}]", live: str = LIVE):
    plain = load_model_contract(TEXT.replace("inputs: [{name: x, type: float, min: 0, max: 100}]", f"inputs: {inputs}"))
    named = FeatureDefinition(name="stays", version="1", digest="sha256:" + "0" * 64, live_sql=live)
    return plain.model_copy(update={"feature_definition": named})


@pytest.fixture
def live(database_url):
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE visits (visit bigint, person text, ended timestamp, age numeric, ward text)")
        connection.execute(
            "INSERT INTO visits VALUES (1, 'p', '2026-10-01', 40.5, 'a'), (1, 'p', '2026-10-02', 41, ''),"
            " (1, 'p', '2026-12-01', 42, 'late'), (2, 'q', '2026-01-01', NULL, NULL), (3, 'r', '2027-01-01', 7, 'c'),"
            " (4, 's', '2026-01-01', 1, 'd'), (4, 's', '2026-01-01', 2, 'd'), (5, 't', '2026-01-01', 101, 'e')"
        )
        yield connection


def test_an_entity_is_its_newest_row_that_is_not_of_the_future_in_the_order_asked(live):
    both = contract("[{name: x, type: float}, {name: Ward, type: string}]")
    x, ward = gather(live, both, ["2", "1", "2"], NOW)
    assert (x.name, x.datatype, x.shape, x.data) == ("x", "FP64", [3], [None, 41.0, None])
    assert (ward.datatype, ward.data) == ("BYTES", ["", "", ""])
    fed = Shape(both).feed([x, ward])
    assert fed.rows == 3 and fed.missing == {"x": 2, "Ward": 3}
    later = gather(live, both, ["1"], datetime(2026, 12, 2, tzinfo=UTC))
    assert [one.data for one in later] == [[42.0], ["late"]]


@pytest.mark.parametrize("entity", ["3", "6", "x'; DROP TABLE visits; --", "", "9" * 30])
def test_an_entity_without_a_row_by_now_is_not_found_and_not_named(live, entity):
    with pytest.raises(EntityNotFound) as caught:
        gather(live, contract(), ["1", entity], NOW)
    assert "6" not in str(caught.value) and "DROP" not in str(caught.value)
    assert live.execute("SELECT count(*) FROM visits").fetchone() == (8,)


def test_two_newest_rows_and_a_value_out_of_range_give_no_prediction(live):
    with pytest.raises(EntityAmbiguous):
        gather(live, contract(), ["4"], NOW)
    with pytest.raises(InvalidInput, match="x has a value outside"):
        Shape(contract()).feed(gather(live, contract(), ["5"], NOW))


def test_a_contract_that_names_no_published_features_is_asked_with_inputs(live):
    with pytest.raises(NoFeatures):
        gather(live, load_model_contract(TEXT), ["1"], NOW)


@pytest.fixture
def served(gate, live):
    gate.deployed()
    asked: list = []

    def gathering(caller, model, digest, its, ids):
        asked.append((caller.id, model, digest, list(ids)))
        if caller.id != "dana":
            raise ReadingDenied("no", ("no_promotion",), "d1")
        return gather(live, contract(), ids, NOW)

    async def log(predictions):
        asked.extend(predictions)

    app = create_app(Models(gate.store, gate.keys), authenticate=lambda token: DANA, log=log, gather=gathering)
    with TestClient(app, raise_server_exceptions=False, headers={"Authorization": "Bearer good"}) as client:
        yield client, asked


def test_the_server_gathers_predicts_and_logs(served):
    client, asked = served
    for given, ids, scores in (("1", ["1"], [41.0]), (["2", "1"], ["2", "1"], [None, 41.0])):
        answer = client.post("/v2/models/readmission/infer", json={"parameters": {"entity_id": given, "other": 1}})
        assert answer.status_code == 200, answer.text
        assert answer.json()["outputs"][0]["data"] == scores
        (caller, model, _, found), logged = asked[-2:]
        assert (caller, model, found, logged.rows) == ("dana", ("readmission", "readmission"), ids, len(ids))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"parameters": {"entity_id": "6"}}, 404, "entity_not_found"),
        ({"parameters": {"entity_id": ["4"]}}, 409, "entity_ambiguous"),
        ({"parameters": {"entity_id": "5"}}, 400, "invalid_input"),
        ({"parameters": {"entity_id": 1}}, 400, "invalid_input"),
        ({"parameters": {"entity_id": ""}}, 400, "invalid_input"),
        ({"parameters": {"entity_id": []}}, 400, "invalid_input"),
        ({"parameters": {"entity_id": ["1"] * 1_001}}, 400, "invalid_input"),
        ({"parameters": {}}, 400, "invalid_input"),
        ({"parameters": {"entity_id": "1"}, "inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]}, 400,
         "invalid_input"),
    ],
)  # fmt: skip
def test_what_names_no_entity_that_is_known_is_refused_and_not_logged(served, body, status, code):
    client, asked = served
    answer = client.post("/v2/models/readmission/infer", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert not [one for one in asked if not isinstance(one, tuple)]


def test_a_server_that_reaches_no_live_rows_says_so(gate):
    gate.deployed()

    async def forget(predictions):
        pass

    app = create_app(Models(gate.store, gate.keys), authenticate=lambda token: DANA, log=forget)
    with TestClient(app, raise_server_exceptions=False, headers={"Authorization": "Bearer good"}) as client:
        answer = client.post("/v2/models/readmission/infer", json={"parameters": {"entity_id": "1"}})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_features")
