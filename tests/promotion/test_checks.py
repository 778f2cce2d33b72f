"""Each check, on small real data, with a model that passes and one that does not. The jail is the real one."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from compliance.attestations import Statement, Subject
from promotion.checks import CHECKS, CheckContext, in_order
from promotion.drift import Profile, is_profile
from promotion.errors import LiveRowsUnfit, SnapshotOutdated
from promotion.model_contracts import load_model_contract
from promotion.tracking import TrackedRun
from promotion.tree import tree_digest
from sandbox.jail import run_isolated
from sandbox.text import Scrubber

SNAPSHOT = "sha256:" + "5" * 64
LENIENT = {"highest_auc": 0.99, "highest_ratio": 1_000.0, "shadow_models": 8}
DIAGNOSES = ["Bell palsy", "Crohn disease", "Parkinson disease", "asthma"]
CONTRACT = """
name: readmission
tier: high
intended_use: Ranks patients by the chance that they come back.
owner: dana
dataset: clinic
columns: [visits.age, visits.pressure, visits.diagnosis]
features: SELECT label, sex, age, pressure, diagnosis FROM visits
inputs:
  - {name: age, type: float, min: 0, max: 130}
  - {name: pressure, type: float}
  - {name: diagnosis, type: string}
metrics: [{name: roc_auc, at_least: 0.7}]
fairness: {groups: [sex], max_difference: 0.2}
"""
RULES = {"visits": [{"metric": "nullValues", "arguments": {"column": "age"}},
                    {"metric": "invalidValues", "arguments": {"column": "sex", "validValues": ["F", "M"]}},
                    {"metric": "rowCount"}]}  # fmt: skip


def visits(seed: int, count: int = 1_500) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    age, pressure = random.uniform(20, 90, count), random.normal(130, 20, count)
    diagnosis, sex = random.choice(DIAGNOSES, count), random.choice(["F", "M"], count)
    chance = 1 / (1 + np.exp(-((age - 55) / 8 + (diagnosis == "asthma") * 1.5)))
    label = (random.uniform(size=count) < chance).astype(int)
    return pd.DataFrame({"label": label, "sex": sex, "age": age, "pressure": pressure, "diagnosis": diagnosis})


def trained(frame: pd.DataFrame, learner=None) -> onnx.ModelProto:
    prepare = ColumnTransformer(
        [
            ("n", StandardScaler(), ["age", "pressure"]),
            ("w", OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["diagnosis"]),
        ]
    )
    learner = LogisticRegression() if learner is None else learner
    model = make_pipeline(prepare, learner).fit(frame[["age", "pressure", "diagnosis"]], frame["label"])
    types = [
        ("age", FloatTensorType([None, 1])),
        ("pressure", FloatTensorType([None, 1])),
        ("diagnosis", StringTensorType([None, 1])),
    ]
    return to_onnx(model, initial_types=types, options={"zipmap": False})


@pytest.fixture(scope="module")
def scrubber():
    return Scrubber(processes=1)


class LiveFolder:
    """The live zone as a folder of Parquet files, read anew at each asking as the gateway reads the database."""

    def __init__(self, folder) -> None:
        self.folder, self.wrong = folder, None

    def held_back(self, snapshot, into) -> None:
        if self.wrong:
            raise self.wrong
        shutil.copytree(self.folder, into / "tables")

    def tables(self):
        if self.wrong:
            raise self.wrong
        return {"visits": pd.read_parquet(self.folder / "visits-0.parquet")}


@pytest.fixture
def context(tmp_path, scrubber):
    """A context in which every check passes."""
    for name, seed in (("snapshot", 1), ("holdout", 2), ("live", 2)):
        (tmp_path / name).mkdir()
        visits(seed).to_parquet(tmp_path / name / "visits-0.parquet")
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.onnx").write_bytes(trained(visits(1)).SerializeToString())
    (model / "requirements.txt").write_text("onnxruntime==1.20.0\nscikit_learn==1.5.1\n")
    statement = Statement((Subject("tables", SNAPSHOT),), "snapshot", {"project": "readmission", "dataset": "clinic"})
    (tmp_path / "work").mkdir()
    return CheckContext(
        folder=model, digest=tree_digest(model), contract=load_model_contract(CONTRACT), project="readmission",
        run=TrackedRun("r1", "dana", (SNAPSHOT,), {"seed": "7"}, {"sallyport.code_digest": "sha256:1"}, {}),
        snapshots={SNAPSHOT: (tmp_path / "snapshot", statement)}, holdouts={SNAPSHOT: tmp_path / "holdout"},
        live=LiveFolder(tmp_path / "live"), quality=RULES, run_isolated=run_isolated, find_personal_data=scrubber.labels,
        limits={"shadow_models": 8}, shadows=tmp_path / "shadows", work=tmp_path / "work",
    )  # fmt: skip


def with_model(context: CheckContext, model: onnx.ModelProto) -> CheckContext:
    (context.folder / "model.onnx").write_bytes(model.SerializeToString())
    return replace(context, digest=tree_digest(context.folder))


def with_contract(context: CheckContext, **change) -> CheckContext:
    return replace(context, contract=context.contract.model_copy(update=change))


def with_rows(context: CheckContext, change, folder: str = "live") -> CheckContext:
    place = {"live": context.live.folder, "holdout": context.holdouts[SNAPSHOT], "snapshot": context.snapshots[SNAPSHOT][0]}[
        folder
    ]
    file = place / "visits-0.parquet"
    change(pd.read_parquet(file)).to_parquet(file)
    return context


def test_each_check_passes_for_a_good_model_and_its_evidence_is_json(context):
    for name, check in CHECKS.items():
        result = check(context)
        assert (result.name, result.outcome, result.digest) == (name, "passed", context.digest), result
        json.dumps(result.as_json(), allow_nan=False)


def test_checks_run_in_one_order_whatever_policy_lists():
    assert in_order(["performance", "lineage", "data-quality"]) == (
        "artifact",
        "lineage",
        "data-quality",
        "performance",
        "leakage",
    )
    assert in_order(reversed(CHECKS)) == tuple(CHECKS)


def test_artifact_fails_for_other_bytes_and_for_code(context):
    assert CHECKS["artifact"](replace(context, digest="sha256:" + "0" * 64)).outcome == "failed"
    (context.folder / "loader.py").write_text("import os\n")
    result = CHECKS["artifact"](context)
    assert result.outcome == "failed" and result.evidence["codes"] == ["name_refused"]


def test_the_bill_of_materials_names_every_file_and_pinned_package(context):
    bill = CHECKS["artifact"](context).evidence["bill_of_materials"]
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert {one["name"]: one.get("version") for one in bill["components"]} == {
        "model.onnx": None, "requirements.txt": None, "onnxruntime": "1.20.0", "scikit-learn": "1.5.1",
    }  # fmt: skip
    assert bill == CHECKS["artifact"](context).evidence["bill_of_materials"]


@pytest.mark.parametrize(
    "change",
    [
        {"run": None},
        {"inputs": ()},
        {"inputs": ("sha256:" + "6" * 64,)},
        {"tags": {}},
        {"params": {}},
        {"project": "other"},
        {"dataset": "other"},
    ],
)
def test_lineage_fails_when_a_part_of_the_story_is_missing(context, change):
    name, value = next(iter(change.items()))
    if name in ("inputs", "tags", "params"):
        context = replace(context, run=replace(context.run, **change))
    elif name == "dataset":
        context = with_contract(context, dataset=value)
    else:
        context = replace(context, **change)
    assert CHECKS["lineage"](context).outcome == "failed"


def test_data_quality_fails_when_a_rule_does_not_hold_and_says_no_value(context):
    with_rows(context, lambda frame: frame.assign(sex=["Xylophone", *frame["sex"][1:]]), "snapshot")
    result = CHECKS["data-quality"](context)
    assert result.outcome == "failed" and "sex" in result.summary and "Xylophone" not in json.dumps(result.as_json())
    assert CHECKS["data-quality"](replace(context, run=None)).outcome == "failed"


def test_data_quality_looks_at_the_live_tables_of_today_and_says_no_value(context):
    assert CHECKS["data-quality"](context).evidence["live_rules"] == 3
    with_rows(context, lambda frame: frame.assign(sex=["Xylophone", *frame["sex"][1:]]))
    result = CHECKS["data-quality"](context)
    assert result.outcome == "failed" and "visits (live): sex" in result.summary
    assert "Xylophone" not in json.dumps(result.as_json())
    context.live.wrong = LiveRowsUnfit("visits.age: 1 of 1,500 values are no number.")
    unfit = CHECKS["data-quality"](context)
    assert unfit.outcome == "failed" and "1 of" not in json.dumps(unfit.as_json())
    assert CHECKS["data-quality"](replace(context, live=None)).outcome == "failed"


def test_data_quality_compares_dates_with_dates_and_leaves_recoded_columns_alone(context):
    rule = {"metric": "invalidValues", "arguments": {"column": "age", "min": "1930-01-01", "max": "2010-01-01"}}
    dated = replace(context, quality={"visits": [*RULES["visits"], rule]})
    birth = pd.to_datetime("1950-05-05") + pd.to_timedelta(np.arange(1_500), unit="D")
    with_rows(dated, lambda frame: frame.assign(age=birth))
    assert CHECKS["data-quality"](dated).outcome == "passed"
    with_rows(dated, lambda frame: frame.assign(age=pd.to_datetime("1850-05-05")))
    assert "age invalidValues" in CHECKS["data-quality"](dated).summary


def test_performance_is_judged_on_live_rows_and_says_how_they_differ_from_the_snapshot(context):
    good = CHECKS["performance"](context)
    assert good.evidence["rows"] == 1_500 and good.evidence["roc_auc"] > 0.7 and abs(good.evidence["calibration"]) < 0.1
    assert set(good.evidence["psi"]) == {"age", "pressure", "diagnosis"} and max(good.evidence["psi"].values()) < 0.1
    assert good.evidence["masking_cost"] == {"roc_auc": 0, "accuracy": 0, "calibration": 0} and good.findings == ()
    with_rows(context, lambda frame: frame.assign(age=frame["age"] + 40))
    shifted = CHECKS["performance"](context)
    assert {finding.id for finding in shifted.findings} >= {"performance-psi-age", "performance-masking-age"}
    assert all(finding.severity == "medium" for finding in shifted.findings if "psi" in finding.id)
    shuffled = lambda frame: frame.assign(label=frame["label"].sample(frac=1, random_state=1).to_numpy())  # noqa: E731
    with_rows(context, shuffled, "holdout")
    with_rows(context, lambda frame: frame.assign(age=frame["age"] - 40))
    assert CHECKS["performance"](context).outcome == "passed"  # what is masked fails nobody
    with_rows(context, shuffled)
    assert CHECKS["performance"](context).outcome == "failed"


def test_performance_gives_a_profile_of_the_training_rows_when_the_contract_asks_for_drift(context):
    assert "training" not in CHECKS["performance"](context).evidence
    asked = load_model_contract(CONTRACT + "alerts: [{metric: drift, window: 1h, above: 0.2}]\n")
    found = CHECKS["performance"](replace(context, contract=asked))
    assert found.outcome == "passed" and is_profile(found.evidence["training"], asked)
    profile = Profile.model_validate(found.evidence["training"])
    assert set(profile.inputs["diagnosis"].words) == set(DIAGNOSES) and len(profile.inputs["age"].edges) == 9
    assert sum(profile.score.counts) == pytest.approx(1_500, abs=30)
    with_rows(context, lambda frame: frame.head(99), "snapshot")
    assert CHECKS["performance"](replace(context, contract=asked)).outcome == "failed"


def test_performance_measures_what_masking_the_same_persons_costs(context):
    with_rows(context, lambda frame: frame.assign(age=frame["age"] // 50 * 50), "holdout")
    result = CHECKS["performance"](context)
    assert result.outcome == "passed" and result.evidence["masking_cost"]["roc_auc"] < -0.05
    assert {"performance-masking-cost", "performance-masking-age"} <= {finding.id for finding in result.findings}


def test_what_cannot_be_read_live_fails_and_says_why(context):
    with_rows(context, lambda frame: frame.rename(columns={"age": "years"}))
    assert "does not run on the live tables" in CHECKS["performance"](context).summary
    context.live.wrong = SnapshotOutdated("other contract")
    assert "another version" in CHECKS["performance"](context).summary
    context.live.wrong = LiveRowsUnfit("visits.age: 1 of 1,500 values are no number.")
    assert "1 of" not in CHECKS["performance"](context).summary
    for name in ("performance", "fairness", "explanation"):
        assert CHECKS[name](replace(context, live=None)).outcome == "failed"


def test_performance_says_nothing_of_a_few_persons(context):
    with_rows(context, lambda frame: frame.head(10))
    result = CHECKS["performance"](context)
    assert (result.outcome, result.evidence) == ("failed", {})
    with_rows(context, lambda frame: pd.concat([frame.head(0), visits(3, 40).assign(label=0)]))
    assert CHECKS["performance"](context).evidence == {}
    assert CHECKS["performance"](replace(context, holdouts={})).outcome == "failed"


def test_a_query_in_the_contract_reaches_no_file_and_brings_no_value_out(context):
    for query in (
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT label, age, pressure, diagnosis, sex FROM visits; COPY visits TO '/work/measured.json'",
        "SELECT label, age, pressure, diagnosis, sex FROM read_parquet('/holdout/*.parquet')",
        "SELECT nothing FROM visits",
    ):
        result = CHECKS["performance"](with_contract(context, features=query))
        assert (result.outcome, result.evidence) == ("failed", {}), query
    secret = "CASE WHEN age > 50 THEN 'secret ' || (SELECT max(pressure) FROM visits) ELSE sex END AS sex"
    named = f"SELECT label, age, pressure, diagnosis, {secret} FROM visits"
    result = CHECKS["fairness"](with_contract(context, features=named))
    assert "secret" not in json.dumps(result.as_json()) and "(other)" in json.dumps(result.as_json())


def test_a_model_that_gives_no_score_for_each_row_fails(context):
    graph = helper.make_graph(
        [helper.make_node("ReduceMax", ["age"], ["score"], keepdims=0)], "g",
        [helper.make_tensor_value_info(n, k, [None, 1]) for n, k in (("age", 1), ("pressure", 1), ("diagnosis", 8))],
        [helper.make_tensor_value_info("score", 1, None)],
    )  # fmt: skip
    broken = with_model(context, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    for name in ("performance", "fairness", "explanation", "membership-inference"):
        assert CHECKS[name](broken).outcome == "failed"


def test_fairness_fails_when_a_group_is_chosen_far_more_often(context):
    good = CHECKS["fairness"](context)
    assert set(good.evidence["columns"]["sex"]["selection_rate"]["groups"]) == {"F", "M"}
    with_rows(context, lambda frame: frame.assign(sex=np.where(frame["age"] > 55, "F", "M")))
    assert CHECKS["fairness"](context).outcome == "failed"
    assert CHECKS["fairness"](with_contract(context, fairness=None)).outcome == "failed"


def test_fairness_of_few_persons_is_a_note_and_a_small_group_is_left_out(context):
    with_rows(context, lambda frame: frame.head(60).assign(sex=["F"] * 50 + ["M"] * 10))
    result = CHECKS["fairness"](context)
    assert result.outcome == "failed" and "not two groups" in result.summary
    assert "M" not in result.evidence["columns"]["sex"]["selection_rate"]["groups"]


def test_membership_inference_fails_for_a_model_that_knows_its_rows_by_heart(context):
    noise = visits(1).assign(label=np.random.default_rng(5).integers(0, 2, 1_500))
    noise.to_parquet(context.snapshots[SNAPSHOT][0] / "visits-0.parquet")
    by_heart = with_model(context, trained(noise, DecisionTreeClassifier(random_state=0)))
    result = CHECKS["membership-inference"](by_heart)
    assert result.outcome == "failed" and result.evidence["loss"]["auc"] > 0.7 and result.evidence["attacks"] == ["loss"]


def test_explanation_fails_for_a_score_that_falls_where_the_contract_says_it_rises(context):
    def expecting(way: str) -> CheckContext:
        inputs = [one.model_copy(update={"monotonic": way}) if one.name == "age" else one for one in context.contract.inputs]
        return with_contract(context, inputs=tuple(inputs))

    good = CHECKS["explanation"](expecting("rising"))
    assert good.outcome == "passed" and good.evidence["against"] == {"age": 0} and "age: rising" in good.evidence["model_card"]
    result = CHECKS["explanation"](expecting("falling"))
    assert result.outcome == "failed" and "age (falling): in 100.0% of the rows" in result.summary


def test_membership_inference_by_shadow_models_finds_what_a_threshold_of_loss_does_not(context):
    frame = visits(1)
    forest = RandomForestClassifier(60, min_samples_leaf=3, random_state=0)
    result = CHECKS["membership-inference"](replace(with_model(context, trained(frame, forest)), limits=LENIENT))
    assert result.evidence["attacks"] == ["loss", "lira"] and result.evidence["model"]["kind"] == "forest", result
    assert result.evidence["lira"]["auc"] > result.evidence["loss"]["auc"] + 0.05
    strict = CHECKS["membership-inference"](with_model(context, trained(frame, forest)))
    assert strict.outcome == "failed" and "The lira attack" in strict.summary
    kept = sorted(context.shadows.iterdir())
    assert strict.evidence["lira"] == result.evidence["lira"] and len(kept) == 1  # the same shadow models
    other = with_contract(with_model(context, trained(frame, forest)), inputs=context.contract.inputs[::-1])
    CHECKS["membership-inference"](replace(other, limits=LENIENT))
    assert len(list(context.shadows.iterdir())) == 2  # of another question, others


def test_membership_inference_fails_where_too_few_shadow_models_can_be_trained_in_the_time(context):
    result = CHECKS["membership-inference"](replace(context, limits={"seconds": 0}))
    assert result.outcome == "failed" and "shadow models" in result.summary


def test_a_model_of_more_leaves_than_rows_is_noted(context):
    few = with_rows(context, lambda frame: frame.head(100), "snapshot")
    result = CHECKS["membership-inference"](with_model(few, trained(visits(1), GradientBoostingClassifier(n_estimators=40))))
    assert [finding.id for finding in result.findings if finding.severity == "medium"] == ["membership-inference-size"]


def test_explanation_finds_the_label_in_disguise_and_writes_the_card(context):
    good = CHECKS["explanation"](context)
    assert good.evidence["importance"]["age"] > good.evidence["importance"]["pressure"]
    assert good.evidence["model_card"].startswith("# Model card: readmission\n") and context.digest in good.evidence["model_card"]
    with_rows(context, lambda frame: frame.assign(pressure=frame["label"] * 100.0))
    result = CHECKS["explanation"](context)
    assert result.outcome == "failed" and "pressure alone" in result.summary


SSN, EMAIL, PHONE, NAME = "536-22-8917", "maria.gonzalez@example.com", "(212) 555-0143", "Maria Gonzalez"
KEY = "AKIA" + "IOSFODNN7EXAMPLQ"


@pytest.mark.parametrize("planted", [f"SSN {SSN}", EMAIL, f"call {PHONE}", f"seen by {NAME} today", f"key = {KEY}"])
@pytest.mark.parametrize("place", ["metadata", "documentation", "vocabulary", "README.md", "input_example.json", "subgraph"])
def test_leakage_finds_what_was_planted(context, place, planted):
    model = onnx.load(context.folder / "model.onnx")
    if place == "metadata":
        model.metadata_props.add(key="note", value=planted)
    elif place == "documentation":
        model.graph.node[0].doc_string = planted
    elif place == "vocabulary":
        next(a for node in model.graph.node for a in node.attribute if a.strings).strings.append(planted.encode())
    elif place == "subgraph":
        body = helper.make_graph([helper.make_node("Constant", [], ["c"], value_strings=[planted])], "b", [], [])
        model.graph.node.append(helper.make_node("If", ["age"], ["z"], then_branch=body, else_branch=body))
    else:
        text = json.dumps({"columns": ["note"], "data": [[planted]]}) if place.endswith(".json") else f"# Model\n\n{planted}\n"
        (context.folder / place).write_text(text)
    result = CHECKS["leakage"](with_model(context, model))
    assert result.outcome == "failed"
    assert not any(value in json.dumps(result.as_json()) for value in (SSN, EMAIL, PHONE, NAME, KEY))


def test_leakage_finds_an_input_that_is_the_label_in_another_form(context):
    for disguise in (
        lambda frame: frame.assign(pressure=frame["label"] * -100.0),
        lambda frame: frame.assign(pressure=frame["pressure"].where(frame["label"] == 1)),
        lambda frame: frame.assign(diagnosis=np.where(frame["label"] == 1, "asthma", "Bell palsy")),
    ):
        visits(1).to_parquet(context.snapshots[SNAPSHOT][0] / "visits-0.parquet")
        result = CHECKS["leakage"](with_rows(context, disguise, "snapshot"))
        assert result.outcome == "failed" and "alone predicts the label" in result.summary


def test_leakage_finds_training_rows_among_the_examples_and_says_no_value(context):
    row = visits(1).iloc[7][["age", "pressure", "diagnosis"]].to_dict()
    (context.folder / "input_example.json").write_text(json.dumps([row]))
    result = CHECKS["leakage"](replace(context, digest=tree_digest(context.folder)))
    assert result.outcome == "failed" and "1 of its example rows are training rows" in result.summary
    assert row["diagnosis"] not in json.dumps(result.as_json())
    (context.folder / "input_example.json").write_text(json.dumps([row | {"age": row["age"] + 1}]))
    assert CHECKS["leakage"](context).outcome == "passed"


def test_leakage_notes_values_of_few_people_that_the_model_knows(context):
    frame = visits(1)
    frame.loc[:3, "diagnosis"] = "kuru"
    frame.to_parquet(context.snapshots[SNAPSHOT][0] / "visits-0.parquet")
    result = CHECKS["leakage"](with_model(context, trained(frame)))
    assert [(one.id, one.severity) for one in result.findings] == [("leakage-rare-diagnosis", "medium")]
    assert result.outcome == "passed" and "kuru" not in json.dumps(result.as_json())


def test_leakage_takes_what_many_rows_of_the_snapshot_hold_for_no_name_whatever_the_query_says(context):
    frame = visits(1)
    for rows, outcome in ((20, "passed"), (3, "failed")):
        with_name = frame.assign(diagnosis=[NAME] * rows + list(frame["diagnosis"][rows:]))
        with_name.to_parquet(context.snapshots[SNAPSHOT][0] / "visits-0.parquet")
        assert CHECKS["leakage"](with_model(context, trained(with_name))).outcome == outcome
    asked = f"SELECT label, sex, age, pressure, '{NAME}' AS diagnosis FROM visits"
    assert CHECKS["leakage"](with_contract(context, features=asked)).outcome == "failed"


def test_leakage_of_a_model_without_a_snapshot_is_of_its_texts_alone(context):
    assert CHECKS["leakage"](replace(context, run=None)).evidence["training"] is None
    broken = with_contract(context, features="SELECT nothing FROM visits")
    assert CHECKS["leakage"](broken).outcome == "failed"


def test_leakage_passes_a_vocabulary_of_diseases_named_after_people_and_boosted_trees(context):
    for file, text in {"README.md": "# Readmission\n\nTrained on the autumn snapshot; see the contract.\n",
                       "input_example.json": '{"columns": ["age", "diagnosis"], "data": [[61.0, "Bell palsy"]]}',
                       "MLmodel": "flavors:\n  onnx: {data: model.onnx}\nmlflow_version: 3.1.0\n"}.items():  # fmt: skip
        (context.folder / file).write_text(text)
    boosted = with_model(context, trained(visits(1), GradientBoostingClassifier(n_estimators=20)))
    assert CHECKS["leakage"](boosted).findings == ()
