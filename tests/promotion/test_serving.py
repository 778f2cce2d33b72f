"""The model server over a real store: the protocol, hostile requests, and models that do not verify."""

from __future__ import annotations

import json

import pytest
from door_three import TEXT
from fastapi.testclient import TestClient
from hostile_artefacts import small_onnx
from onnx import TensorProto, helper

from compliance.entries import Actor
from gateway.logs import JsonLines
from promotion.loading import Models
from promotion.serving import MOST_BODY_BYTES, create_app


class Unknown(Exception):
    code = "not_authenticated"


def authenticate(token: str) -> Actor:
    if token != "good":
        raise Unknown
    return Actor("pipeline", "service")


async def forget(predictions):
    pass


@pytest.fixture
def served(gate):
    """A client of the server, what it logged, and the gate behind it."""
    gate.deployed()
    logged: list = []

    async def log(predictions):
        logged.extend(predictions)

    app = create_app(Models(gate.store, gate.keys), authenticate=authenticate, log=log)
    with TestClient(app, raise_server_exceptions=False, headers={"Authorization": "Bearer good"}) as client:
        yield client, logged, gate


def ask(values, *, shape=None, datatype="FP32", name="x"):
    return {"inputs": [{"name": name, "shape": shape or [len(values)], "datatype": datatype, "data": values}]}


def infer(client, body, path="readmission/infer"):
    text = body if isinstance(body, str) else json.dumps(body)
    return client.post(f"/v2/models/{path}", content=text, headers={"Content-Type": "application/json"})


def test_an_inference_follows_the_protocol_and_is_logged_before_it_is_given(served):
    client, logged, _ = served
    answer = infer(client, ask([1.0, 0.25, 99.5], shape=[3, 1]) | {"id": "mine"})
    assert answer.status_code == 200, answer.text
    given = answer.json()
    assert (given["model_name"], given["model_version"], given["id"]) == ("readmission", "1", "mine")
    assert given["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [3, 1], "data": [1.0, 0.25, 99.5]}]
    assert given["parameters"]["prediction_id"] == logged[0].id
    assert (logged[0].rows, logged[0].positives, logged[0].missing, logged[0].caller) == (3, 2, {}, "pipeline")


def test_the_server_and_its_models_describe_themselves(served):
    client, _, _ = served
    assert client.get("/v2").json()["name"] == "sallyport"
    assert client.get("/v2/health/live").json() == {"live": True} and client.get("/v2/health/ready").json() == {"ready": True}
    described = client.get("/v2/models/readmission.readmission/versions/1").json()
    assert described["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 1]}]
    assert client.get("/v2/models/readmission/ready").json()["ready"] is True
    for path in ("nothing", "readmission/versions/2", "..%2f..%2fetc", "readmission/versions/2/ready"):
        assert client.get(f"/v2/models/{path}").status_code == 404


def test_missing_values_are_taken_and_counted_and_nan_is_missing(served):
    client, logged, _ = served
    assert infer(client, ask([1.0, None])).json()["outputs"][0]["data"] == [1.0, None]
    assert infer(client, '{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [NaN]}]}').status_code == 200
    assert [one.missing for one in logged] == [{"x": 1}, {"x": 1}]
    assert infer(client, ask([[1.0], [2.0]], shape=[2, 1])).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        ask([]), ask([1.0], name="y"), ask([1.0], shape=[2]), ask([1.0, 2.0], shape=[1, 2]), ask([1.0], datatype="INT64"),
        ask([1.0], datatype="BYTES"), ask(["1"]), ask([True]), ask([[1.0, 2.0]]), ask([[[1.0]]]), ask([{"a": 1}]),
        ask([-0.1]), ask([100.1]),
        ask([1e300]), ask([10**400]), ask([10**30]), ask([1.0, [2.0]]),
        ask([[1.0], 2.0], shape=[2, 1]), ask([1.0] * 10_001), {"inputs": []}, {"inputs": ask([1.0])["inputs"] * 2},
        '{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [Infinity]}]}',
    ],
)  # fmt: skip
def test_a_request_that_does_not_fit_the_contract_is_refused_without_repeating_a_value(served, body):
    client, logged, _ = served
    answer = infer(client, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input"), answer.text
    assert logged == [] and "100.1" not in answer.text


@pytest.mark.parametrize("body", ["", "[]", "{", '{"inputs": 1}', '{"inputs": [{"name": 1}]}', "[" * 100_000, "\xff"])
def test_what_is_no_request_is_refused(served, body):
    client, logged, _ = served
    assert infer(client, body).status_code in (400, 422)
    assert logged == []


def test_a_body_larger_than_the_server_takes_is_refused_said_or_not(served):
    client, logged, _ = served
    assert infer(client, " " * (MOST_BODY_BYTES + 1)).status_code == 413

    def parts():
        for _ in range(MOST_BODY_BYTES // (1 << 20) + 2):
            yield b" " * (1 << 20)

    answer = client.post("/v2/models/readmission/infer", content=parts(), headers={"Content-Type": "application/json"})
    assert answer.status_code >= 400 and logged == []


def test_nobody_unknown_is_answered(served):
    client, logged, _ = served
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer bad"}):
        answer = client.post("/v2/models/readmission/infer", json=ask([1.0]), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")
    assert logged == []


def test_no_prediction_is_given_that_could_not_be_logged(gate, caplog):
    gate.deployed()

    async def log(predictions):
        raise OSError("disk full at /secret/place")

    app = create_app(Models(gate.store, gate.keys), authenticate=authenticate, log=log)
    with TestClient(app, raise_server_exceptions=False, headers={"Authorization": "Bearer good"}) as client:
        answer = infer(client, ask([1.0]))
    assert answer.status_code == 503 and "secret" not in answer.text and "outputs" not in answer.text
    (line,) = (json.loads(JsonLines().format(one)) for one in caplog.records if one.name == "sallyport.serving")
    assert line["message"] == "an inference was not answered (unexpected)" and "secret" not in str(line)
    assert line["error"].startswith("OSError at "), "whoever runs the server can see where to look"


def test_a_model_whose_bytes_or_statement_changed_is_not_served(gate):
    promotion = gate.deployed()
    models = Models(gate.store, gate.keys)
    file = gate.store.folder(promotion.digest) / "model.onnx"
    file.chmod(0o644)
    file.write_bytes(small_onnx(op="Neg"))
    app = create_app(models, authenticate=authenticate, log=forget)
    with TestClient(app, raise_server_exceptions=False, headers={"Authorization": "Bearer good"}) as client:
        answer = infer(client, ask([1.0]))
        assert (answer.status_code, answer.json()["code"]) == (503, "tampered")
        file.write_bytes(small_onnx())
        assert infer(client, ask([1.0])).status_code == 200
        next(gate.store.folder("").parent.glob("deployments/*/*.json")).write_text("{}")
        assert infer(client, ask([1.0])).status_code == 503


def test_another_deployment_is_served_at_once(served):
    client, _, gate = served
    assert infer(client, ask([2.0])).json()["outputs"][0]["data"] == [2.0]
    gate.deployed(small_onnx(op="Neg"))
    answer = infer(client, ask([2.0])).json()
    assert (answer["model_version"], answer["outputs"][0]["data"]) == ("2", [-2.0])


def test_whole_numbers_and_texts_are_what_they_say(gate):
    given = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1]),
        helper.make_tensor_value_info("w", TensorProto.STRING, [None, 1]),
    ]
    made = [helper.make_tensor_value_info(n, k, None) for n, k in (("v", TensorProto.STRING), ("y", TensorProto.FLOAT))]
    nodes = [helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Identity", ["w"], ["v"])]
    model = helper.make_model(
        helper.make_graph(nodes, "g", given, made), opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    inputs = "inputs: [{name: x, type: integer}, {name: w, type: string}]"
    gate.deployed(model.SerializeToString(), text=TEXT.replace("inputs: [{name: x, type: float, min: 0, max: 100}]", inputs))
    app = create_app(Models(gate.store, gate.keys), authenticate=authenticate, log=forget)

    def body(number, word):
        return {"inputs": ask([number], datatype="INT64")["inputs"] + ask([word], datatype="BYTES", name="w")["inputs"]}

    with TestClient(app, raise_server_exceptions=False, headers={"Authorization": "Bearer good"}) as client:
        assert [one["data"] for one in infer(client, body(3, "a")).json()["outputs"]] == [["a"], [3.0]]
        assert infer(client, body(3.5, "a")).status_code == infer(client, body(3, 4)).status_code == 400


@pytest.mark.parametrize("ending", ["json", "txt", "skops"])
def test_models_of_other_formats_are_served_under_the_same_verification(gate, tmp_path, ending):
    from test_runtimes import ROWS, lightgbm_file, skops_file, xgboost_file

    make = {"json": xgboost_file, "txt": lightgbm_file, "skops": skops_file}[ending]
    (tmp_path / "made").mkdir()
    expected = make(tmp_path / "made", ending)
    text = TEXT.replace("{name: x, type: float, min: 0, max: 100}", ", ".join(f"{{name: {n}, type: float}}" for n in "abc"))
    promotion = gate.deployed((tmp_path / "made" / f"model.{ending}").read_bytes(), text=text.replace("missing:x", "missing:a"),
                              name=f"model.{ending}")  # fmt: skip
    app = create_app(Models(gate.store, gate.keys), authenticate=authenticate, log=forget)
    body = {"inputs": [ask([float(value) for value in ROWS[:2, n]], name=name)["inputs"][0] for n, name in enumerate("abc")]}
    with TestClient(app, raise_server_exceptions=False, headers={"Authorization": "Bearer good"}) as client:
        given = infer(client, body).json()["outputs"][-1]["data"]
        width = len(given) // 2
        assert given[width - 1 :: width] == pytest.approx(expected[:2], rel=1e-5)
        file = gate.store.folder(promotion.digest) / f"model.{ending}"
        file.chmod(0o644)
        file.write_bytes(file.read_bytes() + b" ")
        app = create_app(Models(gate.store, gate.keys), authenticate=authenticate, log=forget)
    with TestClient(app, raise_server_exceptions=False, headers={"Authorization": "Bearer good"}) as client:
        assert infer(client, body).json()["code"] == "tampered"


def test_the_server_counts_what_it_answered_and_refused_under_names_of_models_that_are_there(served):
    client, _, _ = served
    infer(client, ask([1.0]))
    infer(client, ask([101.0]))
    for name in ('no"such', "nothing"):
        infer(client, ask([1.0]), path=f"{name}/infer")
    infer(client, "{", path='no"such/infer')
    text = client.get("/metrics").text
    assert 'sallyport_inference_requests_total{model="readmission",code="ok"} 1\n' in text
    assert 'sallyport_inference_requests_total{model="readmission",code="invalid_input"} 1\n' in text
    assert 'sallyport_inference_requests_total{model="none",code="model_not_found"} 2\n' in text
    assert 'sallyport_inference_requests_total{model="none",code="invalid_input"} 1\n' in text
    assert 'sallyport_inference_seconds_bucket{model="readmission",le="+Inf"} 2\n' in text
    assert 'sallyport_inference_seconds_count{model="readmission"} 2\n' in text and "such" not in text
