"""Keys that were rotated: what was signed before is still signed, by a key the bundle names."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compliance.attestations import Statement, Subject, sign_statement, verify_envelope
from compliance.bundle import Keys
from compliance.canonical import canonical_json, digest
from compliance.checkpoints import sign_checkpoint
from compliance.entries import ObjectRef
from compliance.gathering import Attestation
from compliance.ledger import append
from compliance.publishing import ledger_tree
from compliance.verify import verify_bundle
from gateway import vault as vaults
from gateway.embedded import openbao
from gateway.embedded.home import free_ports
from gateway.embedded.provision import GATEWAY_POLICY
from gateway.errors import VaultUnavailable
from gateway.vault import SIGNING_KEY, TransitSigner, Vault, new_client
from tests.compliance.conftest import START, LocalSigner, decision, fill
from tests.compliance.test_bundle import export

OLD, NEW = LocalSigner(1, "sallyport-evidence:v1"), LocalSigner(2, "sallyport-evidence:v2")
BOTH = {signer.keyid: signer.public_key_pem() for signer in (OLD, NEW)}
MODEL = ObjectRef("model", "p/m", "sha256:" + "1" * 64)


def checked(connection: Any, of: str = MODEL.digest or "", signer: LocalSigner = OLD) -> Attestation:
    """The ledger says that a check of the model is signed; the signed statement is about the bytes `of`."""
    envelope = sign_statement(Statement((Subject("model", of),), "urn:x", {"outcome": "passed"}), signer)
    detail = {"findings": 0, "envelope": digest(canonical_json(envelope))}
    append(connection, decision(type="check:completed", object=MODEL, outcome="done", detail=detail), now=START)
    connection.commit()
    return Attestation("p1", envelope)


def test_what_was_signed_before_a_rotation_still_verifies(app: Any, tmp_path: Path) -> None:
    made, tree = checked(app), ledger_tree(app)
    before = sign_checkpoint(tree.size, tree.root(), OLD)
    fill(app, 3, first=2)
    export(app, tmp_path / "b", signer=Keys(NEW, attestations=BOTH), attestations=[made], published=[before])
    found = verify_bundle(tmp_path / "b", checkpoints=(before,))
    assert found.ok, found.problems


def test_a_key_the_bundle_does_not_name_has_signed_nothing(app: Any, tmp_path: Path) -> None:
    made, tree = checked(app), ledger_tree(app)
    before = sign_checkpoint(tree.size, tree.root(), OLD)
    fill(app, 3, first=2)
    export(app, tmp_path / "b", signer=NEW, attestations=[made], published=[before])
    codes = {problem.code for problem in verify_bundle(tmp_path / "b").problems}
    assert codes == {"attestation_unsigned", "checkpoint_unsigned"}


@pytest.mark.parametrize("given", [True, False])
def test_a_check_rests_on_its_own_attestation(app: Any, tmp_path: Path, given: bool) -> None:
    other = checked(app, of="sha256:" + "2" * 64)
    export(app, tmp_path / "b", signer=OLD, attestations=[other] if given else [])
    (problem,) = verify_bundle(tmp_path / "b").problems
    assert problem.code == ("attestation_of_other" if given else "attestation_missing")
    assert problem.where == "entry 1 (check:completed)"


@pytest.fixture
def bao(tmp_path: Path) -> Iterator[tuple[Any, Vault, subprocess.Popen[bytes]]]:
    """A fresh OpenBao with the evidence key: its root, the gateway's own login, and the process."""
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    command = [openbao.program(), "server", "-dev", "-dev-root-token-id=root", f"-dev-listen-address=127.0.0.1:{port}"]
    with (tmp_path / "bao.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={"HOME": str(tmp_path)})
    try:
        root = new_client(address, "root")
        for _ in range(600):
            try:
                if root.sys.is_initialized() and not root.sys.is_sealed():
                    break
            except Exception:
                time.sleep(0.1)
        root.sys.enable_secrets_engine("transit", path="transit")
        root.sys.enable_auth_method("approle")
        root.secrets.transit.create_key(SIGNING_KEY, key_type="ed25519")
        root.sys.create_or_update_policy("gateway", GATEWAY_POLICY)
        root.auth.approle.create_or_update_approle("gateway", token_policies=["gateway"])
        role = root.auth.approle.read_role_id("gateway")["data"]["role_id"]
        secret = root.auth.approle.generate_secret_id("gateway")["data"]["secret_id"]
        yield root, Vault.login(address, role, secret), process
    finally:
        process.kill()
        process.wait()


def test_every_version_of_the_key_in_vault_is_known_by_its_id(bao: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    root, vault, process = bao
    monkeypatch.setattr(vaults, "KNOWN_KEYS_SECONDS", 0)
    old = vault.signer()
    statement = Statement((Subject("x", "sha256:" + "1" * 64),), "urn:x", {})
    before = sign_statement(statement, old)
    root.secrets.transit.rotate_key(SIGNING_KEY)
    new = TransitSigner(vault, SIGNING_KEY)
    after, late = sign_statement(statement, new), sign_statement(statement, old)
    assert (old.keyid, new.keyid) == (f"{SIGNING_KEY}:v1", f"{SIGNING_KEY}:v2")
    for signer in (old, new):  # a part that was started before the rotation trusts the new version too
        assert set(signer.public_keys()) == {old.keyid, new.keyid}
        for envelope in (before, after, late):
            verify_envelope(envelope, signer.public_keys())
    process.kill()
    process.wait()
    assert set(old.public_keys()) == {old.keyid, new.keyid}
    with pytest.raises(VaultUnavailable):
        old.sign(b"x")
