"""Keys that were rotated: what was signed before is still signed, by a key the bundle names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compliance.attestations import Statement, Subject, sign_statement
from compliance.bundle import Keys
from compliance.canonical import canonical_json, digest
from compliance.checkpoints import sign_checkpoint
from compliance.entries import ObjectRef
from compliance.gathering import Attestation
from compliance.ledger import append
from compliance.publishing import ledger_tree
from compliance.verify import verify_bundle
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
