"""Files and packages into the sandbox on the running stack: checked in the jail, two blind reviews, admitted, taken out again."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_wheels import NAME, packed

from compliance.canonical import digest
from gateway.client import Gateway, Refusal
from gateway.commands import ingress
from gateway.errors import WrongBytes

As = Callable[[str], Gateway]


def ask(who: Gateway, files: dict[str, bytes]) -> dict[str, Any]:
    sent = [("files", (name, io.BytesIO(content))) for name, content in files.items()]
    made = who.post("/v1/ingress-requests", data={"project": "readmission", "why": "codes for a paper"}, files=sent)
    return ingress.watch(who, made["id"])


def vote(who: Gateway, request: dict[str, Any]) -> Any:
    accepted = [one["id"] for one in request["findings"] if one["weight"] == "judge"]
    body = {"approve": True, "why": "looked at", "accept": accepted}
    return who.post(f"/v1/ingress-requests/{request['id']}/votes", body)


def test_a_package_comes_in_after_two_reviews_and_goes_out_of_use_again(as_user: As, tmp_path: Path) -> None:
    dana, content = as_user("dana"), packed({"made_up/__init__.py": "answer = 42\n", "made_up/core.abi3.so": b"\x7fELF"})
    found = ask(dana, {NAME: content, "codes.csv": b"code,meaning\nI10,Hypertension\n"})
    assert found["state"] == "in-review" and [one["code"] for one in found["findings"]] == ["compiled"], found
    with pytest.raises(Refusal) as early:
        dana.post(f"/v1/ingress-requests/{found['id']}/admit")
    assert early.value.problem_code == "wrong_state"
    with pytest.raises(Refusal) as own:
        vote(dana, found)
    assert own.value.reasons == ("role_not_permitted",)
    vote(as_user("odile"), found)
    assert vote(as_user("otto"), found)["state"] == "approved"
    wheels, files = tmp_path / "wheels", tmp_path / "files"
    ingress.bring_in(dana, wheels, files)
    assert not [path for path in tmp_path.rglob("*") if path.name in (NAME, "codes.csv")]
    assert dana.post(f"/v1/ingress-requests/{found['id']}/admit")["state"] == "released"
    (wheels / "slipped_in-1.0-py3-none-any.whl").parent.mkdir(exist_ok=True)
    (wheels / "slipped_in-1.0-py3-none-any.whl").write_bytes(content)
    ingress.bring_in(dana, wheels, files)
    assert [path.name for path in wheels.iterdir()] == [NAME] and (wheels / NAME).read_bytes() == content
    assert (files / found["id"][:8] / "codes.csv").is_file()
    entries = as_user("carl").get("/v1/audit/entries", object_type="ingress", object_id=found["id"], limit=100)["items"]
    kinds = [one["type"] for one in entries]
    assert kinds[:2] == ["ingress:submitted", "ingress:checks-started"] and kinds.count("ingress:voted") == 2
    assert kinds.index("ingress:approved") < kinds.index("ingress:admitted") < kinds.index("ingress:file-taken")
    assert not any(one["id"] == found["id"] for one in dana.get("/v1/egress-requests")["items"])
    as_user("otto").post(f"/v1/ingress-requests/{found['id']}/withdraw")
    ingress.bring_in(dana, wheels, files)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_is_hostile_or_personal_is_returned_and_never_admitted(as_user: As) -> None:
    dana = as_user("dana")
    hostile = ask(dana, {NAME: packed({"made_up.pth": "import os"}), "made_up-1.0.tar.gz": b"\x1f\x8b"})
    assert hostile["state"] == "returned"
    assert {"path_file", "source_archive"} <= {one["code"] for one in hostile["findings"]}
    personal = ask(dana, {"list.csv": b"name,ssn\nsomebody,078-05-1120\n"})
    assert personal["state"] == "returned" and "personal_data" in {one["code"] for one in personal["findings"]}
    for one in (hostile, personal):
        with pytest.raises(Refusal):
            dana.post(f"/v1/ingress-requests/{one['id']}/admit")
        for name in ("dana", "odile", "carl"):
            with pytest.raises(Refusal):
                list(as_user(name).download(f"/v1/ingress-requests/{one['id']}/files/{one['files'][0]['path']}"))


def test_bytes_that_are_not_those_reviewed_are_not_kept(tmp_path: Path) -> None:
    class Changed:
        def download(self, path: str) -> list[bytes]:
            return [b"other"]

    with pytest.raises(WrongBytes):
        ingress.take(Changed(), "r", {"path": NAME, "digest": digest(b"reviewed")}, tmp_path / NAME)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
