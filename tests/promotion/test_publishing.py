"""A volume that is full, and whatever else comes between the database and the store, leaves nothing half published."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from door_three import VALERIE, Gate, subject
from hostile_artefacts import small_onnx

from promotion import deployments, stages
from promotion.errors import StoreUnavailable
from promotion.publishing import publish
from promotion.stages import Stage
from promotion.tree import tree_digest

NAME = ("readmission", "readmission")


@contextmanager
def full_volume(room: int = 0) -> Iterator[None]:
    """No file of ours grows beyond so many bytes: the system refuses to write, as it does where nothing is left."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def files(gate: Gate) -> dict[str, bytes]:
    root = gate.store.folder("sha256:0").parents[1]
    return {str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_a_model_that_does_not_fit_is_not_there_at_all_and_can_be_put_again(gate: Gate, tmp_path: Path) -> None:
    gate.deployed()
    before = files(gate)
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "a.onnx").write_bytes(small_onnx())
    (folder / "b.txt").write_bytes(b"x" * 100_000)
    with full_volume(50_000), pytest.raises(StoreUnavailable):
        gate.store.put(folder)
    assert files(gate) == before
    digest = gate.store.put(folder)
    assert tree_digest(gate.store.folder(digest)) == digest == tree_digest(folder)


def test_a_deployment_that_cannot_be_told_to_the_store_leaves_the_old_one_whole_and_is_told_later(gate: Gate) -> None:
    first = gate.deployed()
    other = gate.approve(gate.checked(small_onnx(op="Neg")))
    before = files(gate)
    with gate.connection.transaction():
        deployments.deploy(
            gate.connection, other.id, store=gate.store, by=VALERIE, subject=subject(VALERIE), signer=gate.signer,
            decide=gate.policy.decide, now=gate.now,
        )  # fmt: skip
    with full_volume(), pytest.raises(StoreUnavailable), gate.connection.transaction():
        publish(gate.connection, gate.store)
    assert files(gate) == before
    assert gate.store.open_verified(*NAME, gate.keys())[0] == gate.store.folder(first.digest)
    with gate.connection.transaction():
        assert publish(gate.connection, gate.store) == 1
        assert publish(gate.connection, gate.store) == 0
    assert gate.store.open_verified(*NAME, gate.keys())[0] == gate.store.folder(other.digest)


def test_who_was_withdrawn_while_the_store_was_gone_answers_nobody_once_it_is_back(gate: Gate) -> None:
    gate.deployed()
    other = gate.approve(gate.checked(small_onnx(op="Neg")))
    with gate.connection.transaction():
        stages.place(
            gate.connection, other.id, Stage.CHALLENGER, share=50, store=gate.store, by=VALERIE, subject=subject(VALERIE),
            signer=gate.signer, decide=gate.policy.decide, now=gate.now,
        )  # fmt: skip
        assert publish(gate.connection, gate.store) == 1
    assert gate.store.stamp(*NAME, stage=Stage.CHALLENGER) is not None
    with gate.connection.transaction():
        stages.withdraw(gate.connection, *NAME, Stage.CHALLENGER, by=VALERIE, now=gate.now)
    assert gate.store.stamp(*NAME, stage=Stage.CHALLENGER) is not None, "killed before the store was told"
    with gate.connection.transaction():
        assert publish(gate.connection, gate.store) == 1
    assert gate.store.stamp(*NAME, stage=Stage.CHALLENGER) is None
    assert gate.store.deployed() == [NAME]


def test_an_old_statement_put_back_by_somebody_else_does_not_stay(gate: Gate) -> None:
    first = gate.deployed()
    old = gate.store.statement(*NAME)
    second = gate.deployed(small_onnx(op="Neg"))
    assert old is not None and first.digest != second.digest
    gate.store.deploy(*NAME, old)  # signed by us, once
    assert gate.store.open_verified(*NAME, gate.keys())[0] == gate.store.folder(first.digest)
    with gate.connection.transaction():
        assert publish(gate.connection, gate.store) == 1
    assert gate.store.open_verified(*NAME, gate.keys())[0] == gate.store.folder(second.digest)
