"""A stack is backed up while it runs and made again elsewhere: evidence verifies, a snapshot is read, a model answers."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient

from compliance.attestations import Statement, Subject, sign_statement
from compliance.bundle import export_bundle
from compliance.canonical import digest_file
from compliance.gathering import Attestation
from compliance.ledger import integrate
from compliance.verify import verify_bundle
from gateway import serve
from gateway.catalog.projects import wrapped_key
from gateway.client import Gateway
from gateway.commands.dataset import send_rows
from gateway.commands.snapshot import watch
from gateway.commands.table_files import table_files
from gateway.composition import Services, compose
from gateway.embedded import openbao, postgres, stack
from gateway.embedded.home import Home
from gateway.embedded.users import login
from gateway.errors import BackupFailed, BackupRefused, HomeUnusable
from gateway.exporting import ENVELOPES
from gateway.operations import archives, backups, restoring
from gateway.settings import Settings
from promotion.store import PREDICATE_TYPE
from sandbox.manifests import verify_snapshot

CONTRACT = """
name: kept
tier: low
intended_use: Shows that a model outlives its machine.
owner: dana
dataset: clinic
columns: [encounters.systolic]
features: SELECT label, x FROM encounters
inputs: [{name: x, type: float, min: 0, max: 100}]
metrics: [{name: roc_auc, at_least: 0.7}]
"""
MODEL = "readmission/kept"
WARDS = """
apiVersion: v3.1.0
kind: DataContract
id: wards
name: Wards
version: 1.0.0
status: active
customProperties:
  - {property: purposes, value: [model-debugging]}
schema:
  - name: stays
    properties:
      - name: person
        logicalType: string
        classification: direct
        customProperties: [{property: treatment, value: pseudonym}]
      - name: age
        logicalType: integer
        classification: quasi
        customProperties: [{property: treatment, value: {name: bin, width: 20}}]
"""


def relu() -> bytes:
    from onnx import TensorProto, helper

    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 1]) for name in ("x", "y"))
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [given], [made])
    model: bytes = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    return model


def deploy(given: Services, folder: Path) -> None:
    """A signed model is in production; the checks before that are another test's."""
    (folder / "model.onnx").write_bytes(relu())
    digest = given.store.put(folder)
    predicate = {"model": MODEL, "version": 1, "contract": CONTRACT}
    given.store.deploy(
        *MODEL.split("/"), sign_statement(Statement((Subject("model", digest),), PREDICATE_TYPE, predicate), given.signer)
    )


@dataclass(frozen=True)
class Restored:
    archive: Path
    made: dict[str, Any]
    home: Home
    services: Services
    snapshot: str
    key: bytes


@pytest.fixture(scope="module")
def archive(
    clinic: Path, as_user: Callable[[str], Gateway], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """A backup of the running stack, and what it held that must be found again."""
    sam, rows = as_user("sam"), tmp_path_factory.mktemp("wards")
    (rows / "stays.csv").write_text("person,age\n" + "".join(f"p{number},{20 + number % 40}\n" for number in range(200)))
    sam.post("/v1/datasets", {"project": "readmission", "contract": WARDS})
    with table_files(str(rows)) as paths:
        send_rows(sam, "wards", paths)
    built = watch(sam, sam.post("/v1/snapshots", {"dataset": "wards"}))
    assert built["state"] == "built", built
    given = compose(Settings.load())
    deploy(given, tmp_path_factory.mktemp("model"))
    with given.pool.connection() as connection:
        key = given.vault.unwrap_data_key(wrapped_key(connection, "readmission"))
    out = tmp_path_factory.mktemp("backup") / "all.tar"
    made = backups.back_up(given.home, out, lambda step: None)
    given.close()
    return out, made | {"snapshot": built["digest"], "key": key}


@pytest.fixture(scope="module")
def restored(archive: tuple[Path, dict[str, Any]]) -> Iterator[Restored]:
    """Another home, made from the backup while the first one runs; the parts that hold state run."""
    out, made = archive
    folder = Path(tempfile.mkdtemp(prefix="sp-restored-"))
    before, os.environ["SALLYPORT_HOME"] = os.environ["SALLYPORT_HOME"], str(folder)
    home = Home(folder)
    try:
        restoring.restore(home, out, made["digest"])
        home.prepare()
        stack.start_foundations(home)
        services = compose(Settings.load())
        os.environ["SALLYPORT_HOME"] = before
        yield Restored(out, made, home, services, made["snapshot"], made["key"])
        services.close()
    finally:
        os.environ["SALLYPORT_HOME"] = before
        stack.down(home, lambda name, seconds: None)
        shutil.rmtree(home.sockets, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def events(home: Home) -> list[str]:
    with psycopg.connect(postgres.superuser(home, "control")) as connection:
        integrate(connection)
        return [event for (event,) in connection.execute("SELECT type FROM ledger.entries ORDER BY seq").fetchall()]


def test_only_this_account_can_read_a_backup_which_says_what_it_holds(archive: tuple[Path, dict[str, Any]]) -> None:
    out, made = archive
    assert out.stat().st_mode & 0o777 == 0o600
    assert made["digest"] == digest_file(out) and "unseals" in made["holds"]
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def test_the_ledger_says_that_a_backup_was_made_in_that_backup_and_that_it_was_restored(restored: Restored) -> None:
    found = events(restored.home)
    assert found.index("backup:made") < found.index("restore:done") == len(found) - 1


def test_the_restored_evidence_verifies(restored: Restored, tmp_path: Path) -> None:
    with restored.services.pool.connection() as connection:
        made = export_bundle(
            connection, signer=restored.services.signer, since=datetime.now(UTC) - timedelta(days=1),
            until=datetime.now(UTC) + timedelta(minutes=1), profile="hipaa", out=tmp_path / "evidence",
            attestations=[Attestation(of, envelope) for of, envelope in connection.execute(ENVELOPES).fetchall()],
        )  # fmt: skip
    assert made.entries > 10 and not made.problems and verify_bundle(tmp_path / "evidence").ok


def test_a_restored_snapshot_is_the_signed_one_and_its_projects_key_opens(restored: Restored) -> None:
    verify_snapshot(restored.services.snapshot_folder(restored.snapshot), restored.services.public_keys())
    with restored.services.pool.connection() as connection:
        assert restored.services.vault.unwrap_data_key(wrapped_key(connection, "readmission")) == restored.key


def test_the_restored_vault_makes_identities_for_the_restored_live_rows(restored: Restored) -> None:
    credential = restored.services.vault.credential("snapshot-builder")
    address = psycopg.conninfo.make_conninfo(
        restored.services.database("gateway_live", "live"), user=credential.username, password=credential.password
    )
    with psycopg.connect(address) as live:
        assert live.execute("SELECT count(*) FROM clinic.patients").fetchone() == (400,)
    restored.services.vault.revoke_lease(credential.lease_id)


def test_a_restored_model_answers_people_who_log_in_to_the_restored_stack(restored: Restored) -> None:
    token = login(restored.home.root, "dana")
    body = {"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [7.0]}]}
    with TestClient(serve.application(restored.services)) as client:
        answer = client.post("/v2/models/kept/infer", json=body, headers={"Authorization": f"Bearer {token}"})
        unknown = client.post("/v2/models/kept/infer", json=body)
    assert (answer.status_code, unknown.status_code) == (200, 401), answer.text
    assert answer.json()["outputs"][-1]["data"] == [7.0]


def test_a_restored_home_is_finished_and_can_be_backed_up_itself(restored: Restored, tmp_path: Path) -> None:
    assert restoring.waiting(restored.home) is None and not (restored.home.root / archives.VAULT).exists()
    assert backups.back_up(restored.home, tmp_path / "again.tar", lambda step: None)["files"] >= restored.made["files"]


def test_the_operators_login_can_do_nothing_but_operate(stack_home: Path) -> None:
    from hvac.exceptions import Forbidden

    client = openbao.operator_client(Home(stack_home))
    for path in ("secret/data/sallyport/database", "database/creds/snapshot-builder", "identity/oidc/token/sallyport"):
        with pytest.raises(Forbidden):
            client.read(path)
    with pytest.raises(Forbidden):
        client.secrets.transit.sign_data("sallyport-evidence", "AAAA")


def test_a_backup_never_replaces_a_file_and_one_that_fails_leaves_nothing(stack_home: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    with pytest.raises(BackupFailed, match="exists already"):
        backups.back_up(Home(stack_home), tmp_path / "there", lambda step: None)

    def full(step: str) -> None:
        if step == "keys":
            raise OSError(28, "No space left on device")

    with pytest.raises(BackupFailed, match="No space left"):
        backups.back_up(Home(stack_home), tmp_path / "new.tar", full)
    assert [path.name for path in tmp_path.iterdir()] == ["there"] and (tmp_path / "there").read_text() == "mine"
    assert events(Home(stack_home))[-1] == "backup:failed"


GOOD = {archives.POSTGRES: b"", archives.VAULT: b"v", archives.STACK: b"{}", "secrets/a": b"s"}


def packed(path: Path, files: dict[str, bytes], manifest: dict[str, Any] | None = None, **odd: Any) -> Path:
    """A tar of these files, with a manifest that is right unless another is given."""
    right = {name: {"sha256": sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()}
    last = json.dumps({"format": 1, "files": right} if manifest is None else manifest).encode()
    with tarfile.open(path, "w") as tar:
        for name, data in {**files, archives.MANIFEST: last}.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            for key, value in odd.items() if name == "secrets/a" else ():
                setattr(about, key, value)
            tar.addfile(about, io.BytesIO(data))
    return path


def wrong(name: str) -> dict[str, Any]:
    return {"format": 1, "files": {n: {"sha256": "0" * 64, "bytes": len(d)} for n, d in GOOD.items() if n != name}}


@pytest.mark.parametrize(
    ("files", "manifest", "odd", "says"),
    [
        (GOOD | {"../escaped": b"x"}, None, {}, "does not belong"),
        (GOOD | {"/tmp/escaped": b"x"}, None, {}, "does not belong"),
        (GOOD | {"secrets/../../escaped": b"x"}, None, {}, "does not belong"),
        (GOOD | {"run/postgres.json": b"x"}, None, {}, "does not belong"),
        (GOOD, None, {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd", "size": 0}, "other than plain files"),
        (GOOD, None, {"type": tarfile.LNKTYPE, "linkname": "stack.json", "size": 0}, "other than plain files"),
        (GOOD, wrong(""), {}, "not those that its manifest names"),
        (GOOD, wrong("secrets/a"), {}, "not those that its manifest names"),
        (GOOD, {"format": 9, "files": {}}, {}, "no backup that this release"),
        ({"stack.json": b"{}"}, None, {}, "lacks"),
        (GOOD, None, {}, "cannot be unpacked"),
    ],
)  # fmt: skip
def test_a_bad_backup_is_refused_with_a_sentence_and_leaves_nothing(
    tmp_path: Path, files: dict[str, bytes], manifest: dict[str, Any] | None, odd: dict[str, Any], says: str
) -> None:
    bad = packed(tmp_path / "bad.tar", files, manifest, **odd)
    with pytest.raises(BackupRefused, match=says):
        restoring.restore(Home(tmp_path / "home"), bad)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.tar"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.9999])
def test_a_backup_cut_short_is_refused(tmp_path: Path, archive: tuple[Path, dict[str, Any]], share: float) -> None:
    short = tmp_path / "short.tar"
    with archive[0].open("rb") as whole, short.open("wb") as file:
        file.write(whole.read(int(archive[0].stat().st_size * share)))
    with pytest.raises(BackupRefused):
        restoring.restore(Home(tmp_path / "home"), short)
    assert [path.name for path in tmp_path.iterdir()] == ["short.tar"]


def test_a_home_that_is_not_empty_and_a_file_of_another_digest_are_refused(tmp_path: Path) -> None:
    bad = packed(tmp_path / "bad.tar", GOOD)
    (tmp_path / "home").mkdir()
    with pytest.raises(BackupRefused, match="digest"):
        restoring.restore(Home(tmp_path / "home"), bad, "sha256:" + "0" * 64)
    (tmp_path / "home" / "mine").write_text("kept")
    with pytest.raises(HomeUnusable, match="not empty"):
        restoring.restore(Home(tmp_path / "home"), bad)
    assert (tmp_path / "home" / "mine").read_text() == "kept"
