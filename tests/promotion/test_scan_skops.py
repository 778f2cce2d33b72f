"""skops models: what scikit-learn makes is accepted, and what was forged in a text editor is not."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
import skops.io
from hostile_artefacts import zipped
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from promotion.scan.report import Refused
from promotion.scan.scanner import identify

FRAME = pd.DataFrame({"a": [1.0, 2.0, 3.0, np.nan] * 8, "b": ["x", "y", "z", "x"] * 8})
LABEL = [0, 1, 0, 1] * 8
NUMBERS = np.arange(64.0).reshape(32, 2) % 7


def pipeline(learner):
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    words = OneHotEncoder(handle_unknown="ignore")
    return make_pipeline(ColumnTransformer([("n", numbers, ["a"]), ("w", words, ["b"])]), learner).fit(FRAME, LABEL)


def verdict(data: bytes) -> str:
    try:
        return str(identify("model.skops", data))
    except Refused as refused:
        return refused.code
    except Exception as error:
        return type(error).__name__  # the scanner refuses on any error


def forged(data: bytes, change) -> bytes:
    """The model with its schema changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(files["schema.json"])
    change(schema, files)
    files["schema.json"] = json.dumps(schema).encode()
    return zipped(files)


def nodes(schema, loader):
    """The schema's nodes of that loader."""
    left, found = [schema], []
    while left:
        one = left.pop()
        if isinstance(one, dict):
            found += [one] if one.get("__loader__") == loader else []
            left += one.values()
        elif isinstance(one, list):
            left += one
    return found


@pytest.mark.parametrize(
    "learner",
    [
        LogisticRegression(),
        RandomForestClassifier(5),
        GradientBoostingClassifier(n_estimators=4),
        HistGradientBoostingClassifier(max_iter=4),
        DecisionTreeClassifier(),
    ],
    ids=lambda learner: type(learner).__name__,
)
def test_pipelines_of_scikit_learn_are_accepted(learner):
    assert verdict(skops.io.dumps(pipeline(learner))) == "skops"


def test_reviewed_functions_are_accepted_and_others_refused():
    good = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(NUMBERS, LABEL)
    assert verdict(skops.io.dumps(good)) == "skops"
    assert verdict(skops.io.dumps(FunctionTransformer(np.load))) == "skops_type"
    assert verdict(skops.io.dumps(FunctionTransformer(eval))) == "skops_type"


def test_types_whose_code_trusts_the_file_are_refused():
    for learner in (KNeighborsClassifier(), SVC()):
        assert verdict(skops.io.dumps(learner.fit(NUMBERS, LABEL))) == "skops_type"
    assert verdict(skops.io.dumps(CountVectorizer().fit(["some words"]))) == "skops"
    assert verdict(skops.io.dumps(CountVectorizer(input="filename"))) == "skops_type"


def operator_node(schema, files):
    schema["content"]["content"]["verbose"] = {
        "__class__": "methodcaller",
        "__module__": "operator",
        "__loader__": "OperatorFuncNode",
        "attrs": {"__class__": "tuple", "__module__": "builtins", "__loader__": "TupleNode", "content": []},
    }


def with_node(**node):
    def change(schema, files):
        schema["content"]["content"]["verbose"] = node

    return change


def renamed(module, kind):
    def change(schema, files):
        schema["__module__"], schema["__class__"] = module, kind

    return change


def pickled_array(schema, files):
    out = io.BytesIO()
    np.save(out, np.array([{}], dtype=object), allow_pickle=True)
    files[next(name for name in files if name.endswith(".npy"))] = out.getvalue()


def generator(schema, files):
    word = {
        "__class__": "str",
        "__module__": "builtins",
        "__loader__": "JsonNode",
        "content": '"set_bit_generator"',
        "is_json": True,
    }
    state = {"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode", "content": {"bit_generator": word}}
    with_node(
        __class__="Generator",
        __module__="numpy.random._generator",
        __loader__="RandomGeneratorNode",
        content={"bit_generator": state, "seed_seq": state},
    )(schema, files)


def same_id(schema, files):
    arrays = nodes(schema, "NdArrayNode")
    words = nodes(schema, "JsonNode")
    words[0]["__id__"] = arrays[0]["__id__"]


BAD = {
    "operator": operator_node,
    "os.system": with_node(__class__="system", __module__="os", __loader__="FunctionNode"),
    "numpy.load": with_node(__class__="load", __module__="numpy", __loader__="FunctionNode"),
    "type": with_node(__class__="Popen", __module__="subprocess", __loader__="TypeNode"),
    "builtin": with_node(__class__="eval", __module__="builtins", __loader__="TypeNode"),
    "method": with_node(__class__="x", __module__="os", __loader__="MethodNode", content={"func": "system", "obj": {}}),
    "partial": with_node(__class__="partial", __module__="functools", __loader__="PartialNode", content={}),
    "reduce": with_node(__class__="Popen", __module__="subprocess", __loader__="ConstructorFromReduceNode", content={}),
    "constructor": with_node(
        __class__="Pipeline", __module__="sklearn.pipeline", __loader__="ConstructorFromReduceNode", content={}
    ),
    "unknown": with_node(__class__="x", __module__="y", __loader__="EvilNode"),
    "none": with_node(__class__="str", __module__="builtins"),
    "object": with_node(__class__="dict", __module__="builtins", __loader__="ObjectNode", content={}),
    "loader": with_node(__class__="Pipeline", __module__="sklearn.pipeline", __loader__="FunctionNode"),
    "root": renamed("os", "system"),
    "prefix": renamed("sklearn.externals.evil", "Loader"),
    "memory": renamed("joblib.memory", "Memory"),
    "protocol": lambda schema, files: schema.update(protocol=0),
    "newer": lambda schema, files: schema.update(protocol=99),
    "array": pickled_array,
    "file": lambda schema, files: files.update({"evil.py": b"import os"}),
    "unused": lambda schema, files: files.update({"unused.npy": next(v for k, v in files.items() if k.endswith(".npy"))}),
    "missing": lambda schema, files: files.pop(next(name for name in files if name.endswith(".npy"))),
    "generator": generator,
    "id": same_id,
}


@pytest.mark.parametrize("name", BAD)
def test_a_forged_schema_is_refused(name):
    good = skops.io.dumps(pipeline(LogisticRegression()))
    assert verdict(good) == "skops"
    assert verdict(forged(good, BAD[name])) != "skops"


def tree(field, at, value):
    def change(schema, files):
        name = nodes(schema, "TreeNode")[0]["content"]["content"]["nodes"]["file"]
        array = np.load(io.BytesIO(files[name]))
        array[field][at] = value
        out = io.BytesIO()
        np.save(out, array)
        files[name] = out.getvalue()

    return change


def attribute(kind, name, value):
    def change(schema, files):
        for node in nodes(schema, "ObjectNode"):
            if node["__class__"] == kind and name in node["content"]["content"]:
                node["content"]["content"][name] = node["content"]["content"][name] | {"content": json.dumps(value), "__id__": 7}

    return change


@pytest.mark.parametrize(
    "change",
    [
        tree("left_child", 0, 9_999),
        tree("right_child", 0, -5),
        tree("left_child", 0, 0),
        tree("feature", 0, 2),
        tree("feature", 0, -9),
        attribute("RandomForestClassifier", "n_features_in_", 1),
        attribute("DecisionTreeClassifier", "n_features_in_", 1),
    ],
)
def test_forged_trees_are_refused(change):
    good = skops.io.dumps(RandomForestClassifier(3, random_state=0).fit(NUMBERS, LABEL))
    assert verdict(good) == "skops"
    assert verdict(forged(good, change)) == "forged_tree"


def test_data_around_or_between_the_members_is_refused():
    good = skops.io.dumps(LogisticRegression().fit(NUMBERS, LABEL))
    for data in (
        b"#!/bin/sh\n" + good,
        b"\x7fELF" + good,
        good + b"x",
        good[:-1],
        good.replace(b"PK\x01\x02", b"evilPK\x01\x02", 1),
    ):
        assert verdict(data) != "skops"


def test_sparse_matrices_with_forged_indices_are_refused():
    from scipy import sparse

    def change(schema, files):
        name = next(name for name in files if name.endswith(".npz"))
        with zipfile.ZipFile(io.BytesIO(files[name])) as inner:
            parts = {one: inner.read(one) for one in inner.namelist()}
        out = io.BytesIO()
        np.save(out, np.array([999], dtype=np.int32))
        parts["indices.npy"] = out.getvalue()
        files[name] = zipped(parts)

    learner = LogisticRegression().fit(NUMBERS, LABEL)
    learner.extra_ = sparse.csr_matrix(np.array([[0.0, 1.0]]))
    good = skops.io.dumps(learner)
    assert verdict(good) == "skops"
    assert verdict(forged(good, change)) != "skops"
