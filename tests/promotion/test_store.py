"""The store gives out exactly the bytes that were signed, under exactly the name that was signed, or nothing."""

from __future__ import annotations

import json
import os
import threading

import pytest
from door_three import LocalSigner
from hostile_artefacts import small_onnx

from compliance.attestations import Statement, Subject, sign_statement
from promotion.errors import InvalidModelTree, NotDeployed, Tampered
from promotion.store import PREDICATE_TYPE, ModelStore
from promotion.tree import files_of, tree_digest


def model(tmp_path, name="model", **files):
    folder = tmp_path / name
    folder.mkdir()
    for path, data in ({"model.onnx": small_onnx()} | files).items():
        (folder / path).write_bytes(data)
    return folder


def statement(digest, name="readmission/readmission", kind=PREDICATE_TYPE):
    return Statement((Subject("model", digest),), kind, {"model": name, "version": 1, "contract": ""})


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "store")


SIGNER = LocalSigner()
KEYS = {SIGNER.keyid: SIGNER.public_key_pem()}


def test_the_digest_changes_with_any_byte_and_any_name_and_with_nothing_else(tmp_path):
    first = model(tmp_path)
    assert tree_digest(first) == tree_digest(model(tmp_path, "again"))
    assert len({tree_digest(one) for one in (
        first, model(tmp_path, "a", x=b""), model(tmp_path, "b", y=b""), model(tmp_path, "c", x=b"1"),
        model(tmp_path, "d", **{"model.onnx": b""}),
    )}) == 5  # fmt: skip
    os.utime(first / "model.onnx", (1, 1))
    assert tree_digest(first) == tree_digest(tmp_path / "again")


def test_links_pipes_odd_names_and_empty_folders_are_no_tree(tmp_path):
    for number, spoil in enumerate((
        lambda folder: (folder / "link").symlink_to("/etc/passwd"), lambda folder: (folder / "dir").symlink_to("/etc"),
        lambda folder: os.mkfifo(folder / "pipe"), lambda folder: (folder / "a\nb").write_text(""),
        lambda folder: (folder / "model.onnx").unlink(),
    )):  # fmt: skip
        folder = model(tmp_path, f"m{number}")
        spoil(folder)
        with pytest.raises(InvalidModelTree):
            files_of(folder)


def test_what_is_put_is_read_only_and_putting_it_again_changes_nothing(store, tmp_path):
    digest = store.put(model(tmp_path))
    file = store.folder(digest) / "model.onnx"
    before = file.stat()
    assert store.put(tmp_path / "model") == digest and file.stat() == before
    assert before.st_mode & 0o222 == 0


def test_many_who_put_the_same_bytes_at_once_all_succeed(store, tmp_path):
    folder = model(tmp_path, big=os.urandom(200_000))
    found, failed = [], []

    def put():
        try:
            found.append(store.put(folder))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=put) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [] and len(set(found)) == 1 and len(found) == 12
    assert tree_digest(store.folder(found[0])) == found[0]


def test_only_signed_statements_over_these_bytes_and_this_name_are_opened(store, tmp_path):
    digest, other = store.put(model(tmp_path)), store.put(model(tmp_path, "other", x=b""))
    stranger = LocalSigner(2)
    with pytest.raises(NotDeployed):
        store.open_verified("readmission", "readmission", KEYS)
    good = sign_statement(statement(digest), SIGNER)
    store.deploy("readmission", "readmission", good)
    assert store.open_verified("readmission", "readmission", KEYS)[0] == store.folder(digest)
    for bad in (
        sign_statement(statement(digest), stranger),
        sign_statement(statement(digest, name="other/model"), SIGNER),
        sign_statement(statement(digest, kind="urn:sallyport:approval:v1"), SIGNER),
        sign_statement(statement("sha256:" + "0" * 64), SIGNER),
        sign_statement(Statement((), PREDICATE_TYPE, {"model": "readmission/readmission"}), SIGNER),
        good | {"payload": sign_statement(statement(other), stranger)["payload"]},
        good | {"signatures": []},
        {},
    ):
        store.deploy("readmission", "readmission", bad)
        with pytest.raises(Tampered):
            store.open_verified("readmission", "readmission", KEYS)


@pytest.mark.parametrize("spoil", ["swap", "add", "remove", "link"])
def test_bytes_changed_in_the_store_are_not_opened(store, tmp_path, spoil):
    digest = store.put(model(tmp_path, extra=b"x"))
    store.deploy("readmission", "readmission", sign_statement(statement(digest), SIGNER))
    folder = store.folder(digest)
    (folder / "model.onnx").chmod(0o644)
    match spoil:
        case "swap":
            (folder / "model.onnx").write_bytes(small_onnx(op="Neg"))
        case "add":
            (folder / "loader.py").write_text("import os")
        case "remove":
            (folder / "extra").unlink()
        case "link":
            (folder / "model.onnx").unlink()
            (folder / "model.onnx").symlink_to(tmp_path / "model" / "model.onnx")
    with pytest.raises((Tampered, InvalidModelTree)):
        store.open_verified("readmission", "readmission", KEYS)


def test_a_statement_that_was_cut_short_is_no_deployment(store, tmp_path):
    digest = store.put(model(tmp_path))
    store.deploy("readmission", "readmission", sign_statement(statement(digest), SIGNER))
    file = next((tmp_path / "store").glob("deployments/*/*.json"))
    file.write_text(json.dumps(sign_statement(statement(digest), SIGNER))[:-9])
    with pytest.raises(NotDeployed):
        store.open_verified("readmission", "readmission", KEYS)
