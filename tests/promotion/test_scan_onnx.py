"""ONNX graphs of every honest kind are accepted."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hostile_artefacts import small_onnx
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from sklearn.cluster import KMeans
from sklearn.ensemble import GradientBoostingClassifier, IsolationForest, RandomForestRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import KBinsDiscretizer
from sklearn.svm import SVC

from promotion.scan.scanner import identify

X = (np.arange(120.0).reshape(40, 3) % 11).astype(np.float32)
Y = (np.arange(40) % 3 == 0).astype(int)


def model(nodes, inputs=("x",), outputs=("y",), initial=(), opsets=(("", 18),), kind=TensorProto.FLOAT):
    given = [helper.make_tensor_value_info(name, kind, None) for name in inputs]
    made = [helper.make_tensor_value_info(name, kind, None) for name in outputs]
    graph = helper.make_graph(list(nodes), "g", given, made, initializer=list(initial))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid(*one) for one in opsets])


@pytest.mark.parametrize(
    "learner",
    [
        GradientBoostingClassifier(n_estimators=3),
        RandomForestRegressor(3),
        SVC(),
        KNeighborsClassifier(),
        KMeans(2, n_init=1),
        IsolationForest(n_estimators=3),
        KBinsDiscretizer(3, encode="ordinal"),
    ],
    ids=lambda learner: type(learner).__name__,
)
def test_what_scikit_learn_exports_is_accepted(learner):
    opsets = {"": 18, "ai.onnx.ml": 3}
    data = to_onnx(learner.fit(X, Y), X[:1], target_opset=opsets).SerializeToString()
    assert identify("model.onnx", data) == identify("model", data) == "onnx"


def test_a_convolutional_network_is_accepted():
    weights = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w")
    shape = numpy_helper.from_array(np.array([0, -1]), "s")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Reshape", ["p", "s"], ["f"]),
        helper.make_node("Softmax", ["f"], ["y"]),
    ]
    assert identify("model.onnx", model(nodes, initial=[weights, shape]).SerializeToString()) == "onnx"


def test_subgraphs_of_if_loop_and_scan_are_accepted():
    yes = helper.make_graph([helper.make_node("Identity", ["x"], ["o"])], "b", [], [helper.make_tensor_value_info("o", 1, None)])
    step = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Add", ["v", "v"], ["v2"])],
        "l",
        [helper.make_tensor_value_info(n, k, None) for n, k in (("i", 7), ("c", 9), ("v", 1))],
        [helper.make_tensor_value_info(n, k, None) for n, k in (("c2", 9), ("v2", 1))],
    )
    scan = helper.make_graph(
        [helper.make_node("Add", ["a", "b"], ["s"]), helper.make_node("Identity", ["s"], ["t"])],
        "s",
        [helper.make_tensor_value_info(n, 1, None) for n in ("a", "b")],
        [helper.make_tensor_value_info(n, 1, None) for n in ("s", "t")],
    )
    nodes = [
        helper.make_node("If", ["q"], ["z"], then_branch=yes, else_branch=yes),
        helper.make_node("Loop", ["", "q", "z"], ["w"], body=step),
        helper.make_node("Scan", ["w", "x"], ["y", "u"], body=scan, num_scan_inputs=1),
    ]
    assert identify("model.onnx", model(nodes, inputs=("x", "q")).SerializeToString()) == "onnx"


def test_quantised_graphs_are_accepted():
    scale = numpy_helper.from_array(np.array(0.1, np.float32), "s")
    zero = numpy_helper.from_array(np.array(0, np.uint8), "z")
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("QLinearAdd", ["q", "s", "z", "q", "s", "z", "s", "z"], ["a"], domain="com.microsoft"),
        helper.make_node("DequantizeLinear", ["a", "s", "z"], ["y"]),
    ]
    opsets = (("", 18), ("com.microsoft", 1))
    assert identify("model.onnx", model(nodes, initial=[scale, zero], opsets=opsets).SerializeToString()) == "onnx"
    imported = model([helper.make_node("Relu", ["x"], ["y"])], opsets=(("", 18), ("com.microsoft.nchwc", 1)))
    assert identify("model.onnx", imported.SerializeToString()) == "onnx"


def test_functions_of_standard_operators_are_accepted():
    def change(one):
        imports = [helper.make_opsetid("", 17)]
        one.functions.append(helper.make_function("own", "F", ["x"], ["y"], [helper.make_node("Neg", ["x"], ["y"])], imports))
        one.opset_import.append(helper.make_opsetid("own", 1))

    assert identify("model.onnx", small_onnx(change, op="F", domain="own")) == "onnx"


def test_a_vocabulary_and_metadata_of_words_are_accepted():
    def change(one):
        one.metadata_props.add(key="commit", value="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
        one.doc_string = "classic\nwords\nNote."

    nodes = [
        helper.make_node("LabelEncoder", ["x"], ["y"], domain="ai.onnx.ml", keys_strings=["Bell palsy"], values_floats=[1.0])
    ]
    one = model(nodes, opsets=(("", 18), ("ai.onnx.ml", 3)))
    change(one)
    assert identify("model.onnx", one.SerializeToString()) == "onnx"
    onnx.checker.check_model(onnx.load_from_string(small_onnx(change)))
    assert identify("model.onnx", small_onnx(change)) == "onnx"
