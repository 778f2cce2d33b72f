"""Published feature definitions: compiled by the gateway, found by name and version, used by models and under a lease."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

import sandbox.client as sp
from compliance.entries import Actor
from gateway.catalog import features
from gateway.client import Gateway, Refusal
from gateway.commands import snapshot as snapshots
from gateway.commands.features import command
from promotion.model_contracts import load_model_contract
from sandbox.errors import InvalidFeatures
from sandbox.features import Compiled

As = Callable[[str], Gateway]
CODE = """
from sandbox.features import Beside, Definition, History, Rows, year

stays = Definition(
    name="stays", version="1.0", dataset="clinic",
    rows=Rows("encounters", entity="encounter_id", as_of="stop", person="patient_id",
              columns=("start", "stop", "hba1c", "encounter_class")),
    beside=(Beside("patients", by="patient_id", columns=("birth_date",)),),
    history=(History("encounters", by="patient_id", known="stop", values=lambda past: {"earlier": past.count()}),),
    values=lambda row: {
        "age": year(row.start) - year(row.birth_date), "days": row.stop.delta(row.start, unit="day"), "hba1c": row.hba1c,
        "encounter_class": row.encounter_class,
    },
    label="readmitted_30d",
)
"""
CONTRACT = """
name: stays-model
tier: low
intended_use: Ranks patients.
owner: dana
dataset: clinic
columns: []
features: {definition: stays, version: "1.0"}
inputs: [{name: age, type: float}, {name: earlier, type: float}]
metrics: [{name: roc_auc, at_least: 0.5}]
"""


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("project") / "stays.py"
    file.write_text(CODE)
    return file


@pytest.fixture(scope="module")
def published(as_user: As, clinic: Path, code: Path) -> dict[str, Any]:
    """The definition, published by dana for project readmission."""
    ended = CliRunner().invoke(command, ["publish", str(code), "--dataset", "clinic", "--as", "dana"])
    assert ended.exit_code == 0, ended.output
    return as_user("dana").get("/v1/features/stays", version="1.0")


def test_a_published_definition_is_found_and_recorded(published: dict[str, Any], as_user: As) -> None:
    assert published["columns"]["age"] == "int64"
    assert "patients.birth_date" in published["reads"]
    entries = as_user("carl").get("/v1/audit/entries", type="features:published")["items"]
    assert published["digest"] in {one["object"]["digest"] for one in entries}


def test_a_version_stays_as_it_is(published: dict[str, Any], code: Path, tmp_path: Path, as_user: As) -> None:
    dana = as_user("dana")

    def send(text: str) -> Any:
        return dana.post("/v1/features", data={"dataset": "clinic"}, files=[("files", ("stays.py", text.encode()))])["items"]

    assert send(CODE)[0]["digest"] == published["digest"]
    with pytest.raises(Refusal) as caught:
        send(CODE.replace("row.hba1c", "row.hba1c + 1"))
    assert caught.value.problem_code == "features_taken"
    assert send(CODE.replace("row.hba1c", "row.hba1c + 1").replace('"1.0"', '"1.1"'))[0]["version"] == "1.1"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("stays.py", CODE.replace("birth_date", "surname")),
        ("stays.py", CODE.replace('dataset="clinic"', 'dataset="other"')),
        ("stays.py", "import os; os.kill(1, 9)"),
        ("stays.py", "raise SystemExit(0)"),
        ("../stays.py", CODE),
        ("stays.sh", CODE),
    ],
)
def test_what_is_no_definition_of_the_dataset_is_refused(name: str, text: str, as_user: As, clinic: Path) -> None:
    with pytest.raises(Refusal) as caught:
        as_user("dana").post("/v1/features", data={"dataset": "clinic"}, files=[("files", (name, text.encode()))])
    assert caught.value.problem_code == "invalid_features"


def test_a_model_contract_names_the_definition_and_holds_its_sql(published: dict[str, Any], as_user: As) -> None:
    dana = as_user("dana")
    files = [("contract", (None, CONTRACT)), ("project", (None, "readmission")), ("files", ("model.onnx", b"not a model"))]
    made = dana.post("/v1/promotions", files=files)
    assert made["state"] in ("submitted", "checking")
    for wrong, code in (("name: age", "invalid_features"), ('version: "1.0"', "features_not_found")):
        changed = CONTRACT.replace(wrong, {"name: age": "name: height", 'version: "1.0"': 'version: "9"'}[wrong])
        with pytest.raises(Refusal) as caught:
            dana.post("/v1/promotions", files=[("contract", (None, changed)), *files[1:]])
        assert caught.value.problem_code == code


def test_the_sql_of_the_definition_stands_in_the_contract(published: dict[str, Any], database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        for package in ("compliance", "gateway.catalog"):
            connection.execute((resources.files(package) / "schema.sql").read_text("utf-8"))  # type: ignore[arg-type]
        now = datetime.now(UTC)
        connection.execute("INSERT INTO catalog.projects VALUES ('readmission', '', %s), ('other', '', %s)", (now, now))
        connection.execute("INSERT INTO catalog.datasets VALUES ('clinic', 'readmission', '', '', 'sam', %s)", (now,))
        one = Compiled.of({name: published[name] for name in Compiled.__slots__})
        given: dict[str, Any] = {"source_digest": "sha256:0", "actor": Actor("dana", "person"), "decision_id": "d", "now": now}
        features.publish(connection, one, project="readmission", shared=False, **given)
        with pytest.raises(features.FeaturesNotFound):
            features.resolved(connection, CONTRACT, ("other",))
        features.publish(connection, one, project="readmission", shared=True, **given)
        text = features.resolved(connection, CONTRACT, ("other",))
        with pytest.raises(features.FeaturesTaken):
            features.publish(connection, replace(one, version="2"), project="other", shared=True, **given)
        assert features.resolved(connection, text, ("other",)) == text
        for own, other in (("FROM", "FROM  "), (one.digest, "sha256:" + "0" * 64), ("version: '1.0'", "version: '2.0'")):
            with pytest.raises((InvalidFeatures, features.FeaturesNotFound)):  # nobody writes a definition in the gateway's place
                features.resolved(connection, text.replace(own, other), ("other",))
    contract = load_model_contract(text)
    assert contract.features == one.snapshot_sql
    assert contract.columns == one.reads
    assert contract.feature_definition is not None
    assert contract.feature_definition.digest == one.digest
    assert contract.feature_definition.live_sql == one.live_sql


def test_the_same_definition_runs_on_a_snapshot_and_under_a_lease(
    published: dict[str, Any], as_user: As, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SALLYPORT_TOKEN", as_user("dana").token())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    sam = as_user("sam")
    built = snapshots.watch(sam, sam.post("/v1/snapshots", {"dataset": "clinic"}))
    assert built["state"] == "built", built
    learnt = sp.features("stays", "1.0")
    assert len(learnt) > 100
    assert {"label", "person", *published["columns"]} < set(learnt.columns)
    with pytest.raises(sp.NotFound, match=r"stays 1\.0"):
        sp.features("stays", "7")
    reads = [name for name in published["reads"] if name != "encounters.readmitted_30d"]
    asked = sp.request_access("clinic", columns=reads, purpose="model-debugging", why="to score")
    for steward in ("sam", "stella"):  # two, for the columns that identify
        as_user(steward).post(f"/v1/access-requests/{asked.id}/approve")
    with sp.live(asked.wait(10)) as connection:
        scored = sp.live_features(connection, "stays", "1.0")
        one = sp.live_features(connection, "stays", "1.0", entities=[scored["row_id"][3]])
    assert "label" not in scored.columns
    assert scored["age"].median() > 20
    assert scored["earlier"].max() > 0
    assert one.drop(columns="as_of").iloc[0].equals(scored.drop(columns="as_of").iloc[3].rename(0))
