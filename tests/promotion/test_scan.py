"""What the scan refuses and accepts: bad artefacts of every kind, and good ones of every allowed format."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import hostile_artefacts as bad
import hostile_more as more
import pytest

from promotion.scan import scan_here, scan_model

FILES = Path(__file__).with_name("files")


def bad_files(marker: Path) -> list[tuple[str, bytes]]:
    return [(f"{family.__name__}/{name}", data) for family in bad.FAMILIES for name, data in family(marker)]


@pytest.mark.parametrize("family", bad.FAMILIES, ids=lambda family: family.__name__)
def test_every_bad_file_is_refused_alone_and_beside_a_good_model(family, tmp_path):
    marker = tmp_path / "marker"
    accepted, slow = [], []
    for name, data in family(marker):
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / "model.onnx").write_bytes(bad.small_onnx())
        (folder / name).write_bytes(data)
        started = time.monotonic()
        if scan_here(folder / name).accepted or scan_here(folder).accepted:
            accepted.append(name)
        if time.monotonic() - started > 10:
            slow.append(name)
        (folder / name).unlink()
    assert (accepted, slow) == ([], [])
    assert not marker.exists()


def test_every_bad_companion_is_refused_and_the_same_folder_without_it_accepted(tmp_path):
    accepted = []
    for name, files in bad.descriptions(tmp_path / "marker"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.onnx").write_bytes(bad.small_onnx())
        assert scan_here(folder).accepted
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        if scan_here(folder).accepted:
            accepted.append(name)
    assert accepted == []
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("family", more.FAMILIES, ids=lambda family: family.__name__)
def test_every_further_trick_beside_a_good_model_is_refused(family, tmp_path):
    accepted, slow = [], []
    for number, (name, files) in enumerate(family(tmp_path / "marker")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "model.onnx").write_bytes(bad.small_onnx())
        for path, data in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        started = time.monotonic()
        if scan_here(folder).accepted:
            accepted.append(name)
        if time.monotonic() - started > 10:
            slow.append(name)
    assert (accepted, slow) == ([], [])
    assert not (tmp_path / "marker").exists()


def put(tmp_path: Path, **files: bytes) -> Path:
    folder = tmp_path / "good"
    folder.mkdir(exist_ok=True)
    (folder / "model.onnx").write_bytes(bad.small_onnx())
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_links_pipes_and_sockets_are_refused_without_opening_them(tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("x")

    def bind(path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(str(path))

    for number, make in enumerate(
        [
            lambda path: path.symlink_to("/etc/passwd"),
            lambda path: path.symlink_to(outside.parent),
            lambda path: os.link(outside, path),
            os.mkfifo,
            bind,
            lambda path: path.symlink_to("nowhere"),
        ]
    ):
        folder = put(tmp_path / str(number) if (tmp_path / str(number)).mkdir() is None else tmp_path)
        make(folder / "x.txt")
        report = scan_here(folder)
        assert {finding.code for finding in report.findings} == {"special_file"}, number
    link = tmp_path / "link"
    link.symlink_to(put(tmp_path))
    assert not scan_here(link).accepted


def test_nothing_and_an_empty_folder_and_companions_alone_are_no_model(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "companions").mkdir()
    (tmp_path / "companions/README.md").write_text("# hello\n")
    assert [scan_here(tmp_path / name).findings[0].code for name in ("missing", "empty", "companions")] == [
        "unreadable",
        "no_model",
        "no_model",
    ]


def test_names_that_are_no_text_are_refused_and_reported_in_ascii(tmp_path):
    folder = put(tmp_path)
    Path(os.fsdecode(os.fsencode(folder) + b"/a\xff.txt")).write_text("x")
    report = scan_model(folder)
    assert [finding.code for finding in report.findings] == ["odd_name"]
    json.dumps(report.as_json(), ensure_ascii=False).encode()


def test_a_file_larger_than_any_model_is_refused_without_reading_it(tmp_path):
    with (put(tmp_path) / "model2.onnx").open("wb") as file:
        file.truncate(1 << 40)
    started = time.monotonic()
    assert [finding.code for finding in scan_here(tmp_path / "good").findings] == ["too_large"]
    assert time.monotonic() - started < 2


def test_a_scan_that_takes_too_long_ends_and_refuses(tmp_path):
    assert scan_model(put(tmp_path), seconds=0.01).findings[0].code == "too_costly"


COMPANIONS = {
    "MLmodel": bad.MLMODEL.encode(),
    "conda.yaml": b"channels:\n- conda-forge\ndependencies:\n- python=3.11.7\n- pip<=23.2.1\n- pip:\n"
    b"  - mlflow==3.1.0\n  - onnxruntime\nname: mlflow-env\n",
    "python_env.yaml": b"python: 3.11.7\nbuild_dependencies:\n- pip==23.2.1\n- setuptools==84.2.1\n"
    b"- wheel\ndependencies:\n- -r requirements.txt\n",
    "requirements.txt": b"mlflow==3.1.0\nonnxruntime>=1.17,<2\n"
    b"scikit-learn[alldeps]~=1.5; python_version >= '3.9'\n# a note\nnumpy==2.0.1 \\\n    --hash=sha256:"
    + b"a" * 64
    + b"\ncatboost\nnumpy\npandas\n",
    "input_example.json": b'{"columns": ["a", "b"], "data": [[1.0, "x"], [NaN, "y"]]}',
    "serving_input_example.json": b'{"dataframe_split": {"columns": ["a"], "data": [[1.0]]}}',
    "README.md": "# Readmission\n\nUse it so:\n\n    import onnxruntime\n\nCafé, naïve.\n".encode(),
    "notes.txt": b"Trained on the autumn snapshot.\nclassic\nwords\nNote.\n",
    "LICENSE": b"Apache License\n",
    ".gitignore": b"*.tmp\n",
    "metrics.json": b'{"roc_auc": 0.81, "digest": "%b"}' % (b"0123456789abcdef" * 4),
    "registered_model_meta": b"model_name: readmission\nmodel_version: '1'\n",
    "params.json": b'{"learner": "boosting", "features_info": "see the contract"}',
    "example.csv": b"a,b\n1,2\n",
}


def test_a_model_with_every_companion_of_mlflow_is_accepted(tmp_path):
    folder = put(tmp_path, **COMPANIONS)
    (folder / "metadata").mkdir()
    (folder / "metadata/MLmodel").write_bytes(COMPANIONS["MLmodel"])
    assert scan_here(folder).as_json() == {"accepted": True, "findings": []}


@pytest.mark.parametrize("file", sorted(FILES.iterdir()), ids=lambda file: file.name)
def test_native_models_of_the_tree_libraries_are_accepted(file):
    report = scan_here(file)
    assert report.findings == ()
    assert report.formats == ({"x": "xgboost", "l": "lightgbm", "c": "catboost"}[file.name[0]],)


def test_the_command_says_what_the_scan_says_from_within_a_folder_of_traps(tmp_path):
    folder = put(tmp_path)
    for name in ("json.py", "onnx.py", "sitecustomize.py", "promotion.py"):
        (folder / name).write_text(f"open({str(tmp_path / 'marker')!r}, 'w')\n")
    command = [Path(sys.executable).with_name("sallyport"), "model", "scan", ".", "--json"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    answer = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert answer["accepted"] is False
    assert {finding["file"] for finding in answer["findings"]} == {"json.py", "onnx.py", "sitecustomize.py", "promotion.py"}
    assert not (tmp_path / "marker").exists()
    for name in ("json.py", "onnx.py", "sitecustomize.py", "promotion.py"):
        (folder / name).unlink()
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (ended.returncode, json.loads(ended.stdout)) == (0, {"accepted": True, "findings": []})
