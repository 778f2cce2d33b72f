"""A witness signs what has only grown, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from compliance.bundle import Keys
from compliance.checkpoints import COSIGNATURE, ORIGIN, sign_checkpoint, verifier_key
from compliance.errors import CheckpointRefused
from compliance.verify import verify_bundle
from compliance.witness import Witness
from tests.compliance.conftest import START, LocalSigner, fill
from tests.compliance.test_bundle import export
from tests.compliance.test_merkle import tree

LOG, OTHER = LocalSigner(1), LocalSigner(2, "witness")


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness("audit.example/witness", OTHER, LOG.public_key_pem(), tmp_path / "state" / "last.txt")


def offer(witness: Witness, size: int, proof: Sequence[bytes] = (), signer: LocalSigner = LOG) -> bytes:
    return witness.sign(sign_checkpoint(size, tree(size).root(), signer), proof, now=START)


def test_a_ledger_that_only_grew_is_signed(witness: Witness) -> None:
    offer(witness, 5)
    cosigned = offer(witness, 9, tree(9).consistency(5))
    assert witness.last() == cosigned
    assert cosigned.decode().splitlines()[5].startswith("\u2014 audit.example/witness ")
    assert offer(witness, 9) is not None


@pytest.mark.parametrize(
    ("size", "proof"),
    [(4, ()), (9, ()), (9, tree(9).consistency(4)), (9, [bytes(32)] * 4), (0, ())],
)
def test_what_is_not_proven_to_have_grown_is_not_signed(witness: Witness, size: int, proof: Any) -> None:
    before = offer(witness, 5)
    with pytest.raises(CheckpointRefused):
        offer(witness, size, proof)
    assert witness.last() == before


def test_another_root_of_the_same_size_is_not_signed(witness: Witness) -> None:
    offer(witness, 5)
    with pytest.raises(CheckpointRefused, match="Nothing proves"):
        witness.sign(sign_checkpoint(5, bytes(32), LOG), [], now=START)


def test_what_the_log_did_not_sign_is_not_signed(witness: Witness) -> None:
    with pytest.raises(CheckpointRefused, match="did not sign"):
        offer(witness, 5, signer=LocalSigner(3))
    good = sign_checkpoint(5, tree(5).root(), LOG)
    for bad in (b"", b"nonsense", good.replace(b"\n5\n", b"\n6\n"), good.replace(ORIGIN.encode(), b"another/log")):
        with pytest.raises(CheckpointRefused):
            witness.sign(bad, [], now=START)
    assert witness.last() is None


def test_the_witnesss_signature_stands_in_the_bundle_and_is_verified(app: Any, tmp_path: Path, witness: Witness) -> None:
    fill(app, 9)
    keys = Keys(LOG, witnesses={witness.name: OTHER.public_key_pem()})
    cosigned = witness.sign(export(app, tmp_path / "first").checkpoint, [], now=START)
    export(app, tmp_path / "b", signer=keys, published=[cosigned])
    assert (tmp_path / "b" / "checkpoint.txt").read_bytes() == cosigned
    assert verify_bundle(tmp_path / "b").ok
    forged = Keys(LOG, witnesses={witness.name: LocalSigner(3).public_key_pem()})
    export(app, tmp_path / "forged", signer=forged, published=[cosigned])
    assert [problem.code for problem in verify_bundle(tmp_path / "forged").problems] == ["witness_unsigned"]


def test_the_witnesss_key_is_named_as_a_cosignature_key() -> None:
    pem = OTHER.public_key_pem()
    assert verifier_key("w", pem, COSIGNATURE) != verifier_key("w", pem)
