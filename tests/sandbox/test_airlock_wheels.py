"""Packages and files that are to come in: malicious shapes are stopped, what no program can judge is left to people."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import pytest
from made_wheels import METADATA, NAME, packed

from sandbox.airlock.arriving import looked_at
from sandbox.airlock.hidden_code import hidden_code
from sandbox.airlock.wheels import Rules, permitted, wheel

RULES = Rules(("MIT", "BSD-3-Clause", "Apache-2.0"), 50)


def codes(content: bytes, name: str = NAME) -> set[tuple[str, str]]:
    return {(one.code, one.weight) for one in wheel(name, content, RULES)}


def test_a_plain_package_passes_without_a_finding() -> None:
    assert codes(packed({"made_up/__init__.py": "import json\n\ndef f():\n    return json.loads('1')\n"})) == set()


HOSTILE: dict[str, tuple[Mapping[str, Any], tuple[str, str]]] = {
    "a .pth file": ({"files": {"made_up.pth": "import os"}}, ("path_file", "stop")),
    "a module that runs at every start": ({"files": {"sitecustomize.py": ""}}, ("startup_module", "stop")),
    "a module in the place of Python's": ({"files": {"json/__init__.py": ""}}, ("shadows", "stop")),
    "a module in the place of Sallyport's": ({"files": {"sandbox/jail.py": ""}}, ("shadows", "stop")),
    "a path that leads out": ({"files": {"../../etc/cron.d/x": ""}}, ("leads_out", "stop")),
    "an absolute path": ({"files": {"/etc/x": ""}}, ("leads_out", "stop")),
    "two files of one name": ({"files": {"made_up/a.py": "", "made_up/A.py": ""}}, ("doubled_name", "stop")),
    "a link": ({"files": {"made_up/a": "/etc/passwd"}, "mode": 0o120777}, ("link", "stop")),
    "a bomb": ({"files": {"made_up/a.bin": b"\0" * (60 << 20)}}, ("too_large", "stop")),
    "no list of files": ({"files": {"made_up/a.py": ""}, "record": ""}, ("record_mismatch", "stop")),
    "another name inside": (
        {"files": {}, "metadata": METADATA.replace("made-up", "requests")}, ("wrong_name", "stop")
    ),
    "another version inside": ({"files": {}, "metadata": METADATA.replace(": 1.0", ": 9.9")}, ("wrong_name", "stop")),
    "code made not to be read": (
        {"files": {"made_up/__init__.py": "import base64\nexec(base64.b64decode('cHJpbnQoMSk='))"}}, ("hidden_code", "stop")
    ),
    "a program started at import": (
        {"files": {"made_up/__init__.py": "import os\nos.system('id')"}}, ("acts_at_import", "judge")
    ),
    "compiled code": ({"files": {"made_up/core.cpython-311-x86_64-linux-gnu.so": b"\x7fELF"}}, ("compiled", "judge")),
    "programs put elsewhere": ({"files": {"made_up-1.0.data/scripts/run": "#!/bin/sh"}}, ("outside_files", "judge")),
    "an archive inside": ({"files": {"made_up/more.zip": b"PK"}}, ("archive_inside", "judge")),
    "a licence that asks for much": (
        {"files": {}, "metadata": METADATA.replace("MIT", "AGPL-3.0-only")}, ("licence", "judge")
    ),
    "no licence": ({"files": {}, "metadata": METADATA.replace("License-Expression: MIT\n", "")}, ("licence", "judge")),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_what_a_hostile_package_does_is_named(what: str) -> None:
    made, expected = HOSTILE[what]
    assert expected in codes(packed(**made))


def test_a_file_changed_after_the_list_was_made_is_found() -> None:
    content = packed({"made_up/__init__.py": "x = 1"})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        record = archive.read("made_up-1.0.dist-info/RECORD").decode()
    assert ("record_mismatch", "stop") in codes(packed({"made_up/__init__.py": "x = 2"}, record=record))


def test_a_file_that_is_no_wheel_cannot_be_read() -> None:
    assert [one.code for one in looked_at(NAME, b"PK\x03\x04 broken", RULES)[0]] == ["unreadable"]
    assert [one.code for one in looked_at("made_up-1.0.tar.gz", b"\x1f\x8b", RULES)[0]] == ["source_archive"]
    assert [one.code for one in looked_at("book.xlsx", b"PK\x03\x04", RULES)[0]] == ["kind_not_allowed"]
    assert [one.code for one in looked_at("made_up.whl", packed({}), RULES)[0]] == ["wrong_name"]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("import zlib\neval(compile(zlib.decompress(b''), '', 'exec'))", ["hidden_code"]),
        ("import base64\nx = base64.b64decode('')\nexec(x)", ["hidden_code"]),
        ("__import__(bytes.fromhex('6f73').decode()).system('id')", ["hidden_code"]),
        ("import json\nx = json.loads('1')\nprint(eval('1 + 1'), x)", []),
        ("import subprocess\ndef f():\n    subprocess.run(['ls'])", []),
        ("import subprocess\nclass A:\n    x = subprocess.run(['ls'])", ["acts_at_import"]),
        ("import subprocess\nif __name__ == '__main__':\n    subprocess.run(['ls'])", []),
        ("print 'python 2'", ["unread_source"]),
        ("(" * 5000, ["unread_source"]),
    ],
)
def test_hidden_and_acting_code_is_told_from_its_shape(code: str, found: list[str]) -> None:
    assert [one[0] for one in hidden_code(code.encode())] == found


@pytest.mark.parametrize(
    ("expression", "answer"),
    [("MIT", True), ("mit", True), ("MIT OR GPL-3.0-only", True), ("MIT AND GPL-3.0-only", False), ("", False),
     ("MIT AND Apache-2.0", True), ("(MIT OR GPL-3.0-only) AND GPL-2.0-only", False), ("MIT-like", False)],
)  # fmt: skip
def test_a_licence_passes_when_one_alternative_asks_for_nothing_else(expression: str, answer: bool) -> None:
    assert permitted(expression, RULES.licences) is answer


def test_words_of_a_file_that_comes_in_are_searched_wherever_they_stand() -> None:
    findings, texts = looked_at("codes.csv", b"code,meaning\nI10,Hypertension\n", RULES)
    assert not findings and {"Hypertension", "codes"} <= {one.text for one in texts}
    assert "hidden in a notebook" in {one.text for one in looked_at("a.ipynb", b'{"a": ["hidden in a notebook"]}', RULES)[1]}
