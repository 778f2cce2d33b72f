"""The tree, against vectors and code that others wrote."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compliance.checkpoints import ORIGIN, key_id, sign_checkpoint, verifier_key
from compliance.merkle import BLOCK, Tree
from compliance.verify import consistent
from tests.compliance.conftest import LocalSigner

# The leaves and roots by which Certificate Transparency's implementations test themselves.
LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def entry(number: int) -> bytes:
    return b'{"seq":%d}' % number


def tree(size: int) -> Tree:
    leaves = [hashlib.sha256(b"\x00" + entry(number)).digest() for number in range(size)]
    return Tree(size, lambda first, end: leaves[first:end])


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    leaves = [hashlib.sha256(b"\x00" + bytes.fromhex(leaf)).digest() for leaf in LEAVES]
    assert Tree(size, lambda first, end: leaves[first:end]).root().hex() == ROOTS[size]


def test_a_tree_with_leaves_missing_is_not_made() -> None:
    with pytest.raises(ValueError, match="missing"):
        Tree(BLOCK, lambda first, end: [bytes(32)] * (end - first - 1))


SIZES = st.integers(1, 3 * BLOCK)


@given(SIZES, SIZES)
def test_a_consistency_proof_convinces_only_of_what_is_so(one: int, other: int) -> None:
    old, size = sorted((one, other))
    made = tree(size)
    proof = made.consistency(old)
    assert consistent(old, made.root(old), size, made.root(), list(proof))
    if old < size:
        assert not consistent(old, bytes(32), size, made.root(), list(proof))
        assert not consistent(old, made.root(old), size, bytes(32), list(proof))
        assert not consistent(old, made.root(old), size, made.root(), [*proof, bytes(32)])
        assert not consistent(old, made.root(old), size, made.root(), list(proof[:-1]))


@pytest.fixture(scope="module")
def independent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checker built from Go modules."""
    if not shutil.which("go"):
        pytest.skip("Go is not installed")
    program = tmp_path_factory.mktemp("independent") / "check"
    source = Path(__file__).parent / "independent"
    built = subprocess.run(["go", "build", "-o", str(program), "."], cwd=source, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.skip("the Go modules are not at hand")
    return program


def ask(program: Path, cases: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(program)], input=json.dumps(cases), capture_output=True, text=True, check=False)


def text(node: bytes) -> str:
    return base64.b64encode(node).decode()


def test_code_of_others_takes_our_checkpoints_and_proofs_and_refuses_forged_ones(independent: Path) -> None:
    signer, sizes = LocalSigner(), (1, 2, 3, 7, 8, 9, 100, BLOCK, 2 * BLOCK + 37)
    made = tree(max(sizes))
    good = [sign_checkpoint(size, made.root(size), signer).decode() for size in sizes]
    forged = sign_checkpoint(3, made.root(3), LocalSigner(2)).decode()
    cases: dict[str, Any] = {
        "Key": verifier_key(ORIGIN, signer.public_key_pem()), "Checkpoints": good,
        "Refused": [good[0].replace("ledger\n1\n", "ledger\n2\n"), forged],
        "Inclusion": [
            {"Index": index, "Size": size, "Entry": text(entry(index)), "Root": text(made.root(size)),
             "Proof": [text(node) for node in made.inclusion(index, size)]}
            for size in sizes for index in {0, size // 2, size - 1}
        ],
        "Consistency": [
            {"Old": old, "Size": size, "OldRoot": text(made.root(old)), "Root": text(made.root(size)),
             "Proof": [text(node) for node in made.consistency(old, size)]}
            for size in sizes for old in sizes if old <= size
        ],
    }  # fmt: skip
    done = ask(independent, cases)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["11", str(len(cases["Inclusion"])), "45"]
    cases["Inclusion"][5]["Root"] = text(bytes(32))
    assert ask(independent, cases).returncode == 1


def test_a_notes_key_is_named_as_the_reference_names_it() -> None:
    """The example of Go's package sumdb/note."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    raw = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    pem = Ed25519PublicKey.from_public_bytes(raw[1:]).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert key_id("PeterNeumann", pem).hex() == "c74f20a3"
    assert verifier_key("PeterNeumann", pem) == "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
