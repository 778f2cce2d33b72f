"""Models of every format that is served give what their own library gave when they were trained, and nothing else is loaded."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from hostile_artefacts import small_onnx
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from promotion import runtimes
from promotion.inference import described, scores
from promotion.model_contracts import Input
from promotion.runtimes import NotServable

RANDOM = np.random.default_rng(11)
ROWS = RANDOM.normal(size=(300, 3)).astype(np.float32)
LABEL = (ROWS[:, 0] + ROWS[:, 1] * ROWS[:, 2] > 0).astype(int)
NAMES = ["a", "b", "c"]
FRAME = pd.DataFrame(ROWS, columns=NAMES)
INPUTS = [Input(name=name, type="float") for name in NAMES]
# Not in the model's own order, and with a value missing: neither may matter.
ASKED = {name: np.where(np.arange(300)[:, None] == 7, np.nan, ROWS[:, [NAMES.index(name)]]).astype(np.float32) for name in "cab"}
HOLED = pd.DataFrame({name: ASKED[name].ravel() for name in NAMES})


def xgboost_file(folder: Path, ending: str) -> np.ndarray:
    import xgboost

    model = xgboost.XGBClassifier(n_estimators=9, max_depth=3).fit(FRAME, LABEL)
    model.get_booster().save_model(folder / f"model.{ending}")
    return model.predict_proba(HOLED)[:, 1]


def lightgbm_file(folder: Path, ending: str) -> np.ndarray:
    import lightgbm

    model = lightgbm.LGBMClassifier(n_estimators=9, verbose=-1).fit(FRAME, LABEL)
    model.booster_.save_model(folder / f"model.{ending}")
    return model.predict_proba(HOLED)[:, 1]


def skops_file(folder: Path, ending: str) -> np.ndarray:
    model = make_pipeline(SimpleImputer(), LogisticRegression()).fit(FRAME, LABEL)
    skops.io.dump(model, folder / f"model.{ending}")
    return model.predict_proba(HOLED)[:, 1]


def unnamed_lightgbm_file(folder: Path, ending: str) -> np.ndarray:
    import lightgbm

    model = lightgbm.train({"objective": "binary", "verbose": -1}, lightgbm.Dataset(ROWS, LABEL), num_boost_round=5)
    model.save_model(folder / f"model.{ending}")
    return model.predict(HOLED.to_numpy())


@pytest.mark.parametrize(
    ("make", "ending", "platform"),
    [
        (xgboost_file, "json", "xgboost"), (xgboost_file, "ubj", "xgboost"), (lightgbm_file, "txt", "lightgbm"),
        (unnamed_lightgbm_file, "txt", "lightgbm"), (skops_file, "skops", "sklearn"),
    ],
)  # fmt: skip
def test_a_model_gives_what_its_own_library_gave(tmp_path, make, ending, platform):
    expected = make(tmp_path, ending)
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    model = runtimes.load(tmp_path, INPUTS, threads=1)
    given = scores(described(model.outputs, model.run(ASKED)), 300)
    assert model.platform == platform
    np.testing.assert_allclose(given, expected, rtol=1e-5)


def test_texts_reach_a_model_that_takes_them(tmp_path):
    frame = FRAME.assign(w=np.where(LABEL, "yes", "no"))
    columns = ColumnTransformer([("w", OneHotEncoder(handle_unknown="ignore"), ["w"])], remainder="passthrough")
    skops.io.dump(make_pipeline(columns, LogisticRegression()).fit(frame, LABEL), tmp_path / "m.skops")
    model = runtimes.load(tmp_path, [*INPUTS, Input(name="w", type="string")])
    words = np.array([["yes"], ["no"], [""]], dtype=object)
    found = model.run({name: ROWS[:3, [number]] * 0 for number, name in enumerate(NAMES)} | {"w": words})[0][:, 1]
    assert found[0] > 0.5 > found[1]


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("ending", ["cbm", "json"])
def test_a_catboost_model_gives_what_its_library_gave_where_that_is_installed(tmp_path, ending, words):
    catboost = pytest.importorskip("catboost")
    frame = FRAME.assign(w=np.where(LABEL, "yes", "no")) if words else FRAME
    model = catboost.CatBoostClassifier(iterations=9, verbose=0, allow_writing_files=False, cat_features=["w"] if words else [])
    model.fit(frame, LABEL).save_model(
        tmp_path / f"m.{ending}", format=ending, pool=catboost.Pool(frame, LABEL, ["w"] if words else [])
    )
    asked = ASKED | ({"w": np.where(LABEL, "yes", "")[:, None].astype(object)} if words else {})
    holed = HOLED[NAMES].assign(w=asked["w"].ravel()) if words else HOLED[NAMES]
    loaded = runtimes.load(tmp_path, [*INPUTS, Input(name="w", type="string")] if words else INPUTS, threads=1)
    np.testing.assert_allclose(
        scores(described(loaded.outputs, loaded.run(asked)), 300), model.predict_proba(holed)[:, 1], rtol=1e-5
    )
    with pytest.raises(NotServable):
        runtimes.load(tmp_path, INPUTS if words else [*INPUTS, Input(name="w", type="string")])


@pytest.mark.parametrize("file", ["c.cbm", "c.json", "ccat.cbm"])
def test_a_catboost_model_is_refused_with_what_to_do_where_its_library_is_not_installed(tmp_path, monkeypatch, file):
    shutil.copy(Path(__file__).parent / "files" / file, tmp_path)
    monkeypatch.setattr(runtimes, "find_spec", lambda name: None)
    with pytest.raises(NotServable, match="submit the model as ONNX"):
        runtimes.load(tmp_path, INPUTS)
    assert "operator install it" in str(runtimes.unserved(["catboost"]))


def test_weights_alone_are_served_nowhere_and_a_graph_beside_them_is():
    assert "submit the model as ONNX" in str(runtimes.unserved(["safetensors"]))
    assert runtimes.unserved(["onnx"]) is None
    assert runtimes.unserved(["onnx", "safetensors"]) is None


@pytest.mark.parametrize("inputs", [INPUTS[:2], [*INPUTS, Input(name="d", type="float")], [Input(name="a", type="string")]])
@pytest.mark.parametrize(("make", "ending"), [(xgboost_file, "json"), (lightgbm_file, "txt"), (skops_file, "skops")])
def test_a_contract_that_lies_about_the_inputs_is_not_served(tmp_path, make, ending, inputs):
    make(tmp_path, ending)
    with pytest.raises(NotServable):
        runtimes.load(tmp_path, inputs)


def test_a_type_that_was_not_reviewed_is_not_loaded(tmp_path):
    skops.io.dump(KNeighborsClassifier().fit(ROWS, LABEL), tmp_path / "m.skops")
    with pytest.raises(NotServable, match="not reviewed"):
        runtimes.load(tmp_path, INPUTS)


def test_what_is_no_one_model_is_not_loaded_and_no_word_of_it_is_repeated(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(NotServable):
        runtimes.load(tmp_path, INPUTS)
    (tmp_path / "m.onnx").write_bytes(b"\x08\x08secret-word")
    with pytest.raises(NotServable) as caught:
        runtimes.load(tmp_path, INPUTS)
    assert "secret" not in str(caught.value)
    (tmp_path / "m.onnx").write_bytes(small_onnx())
    (tmp_path / "n.onnx").write_bytes(small_onnx())
    with pytest.raises(NotServable):
        runtimes.load(tmp_path, [Input(name="x", type="float")])


def test_a_function_named_in_a_skops_file_is_never_called(tmp_path):
    """A forged schema that names os.system beside a good model."""
    skops_file(tmp_path, "skops")
    with zipfile.ZipFile(tmp_path / "model.skops") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(files["schema.json"])
    schema["content"]["content"] |= {
        "evil": {
            "__class__": "system",
            "__module__": "os",
            "__loader__": "FunctionNode",
            "content": {"module_path": "os", "function": "system"},
        }
    }
    files["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(tmp_path / "model.skops", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    with pytest.raises(NotServable):
        runtimes.load(tmp_path, INPUTS)
