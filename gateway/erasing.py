"""A person taken out of a dataset: live rows deleted, snapshots that hold them marked and their files removed, one built anew.

Every step finds what is left to do by looking, so an erasure that was cut short is finished by asking for it again. Copies that
were fetched, and backups, are out of reach: docs/how-to/snapshots.md says what to do about them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from compliance.entries import Actor
from compliance.retention import Hold, Thing
from gateway.catalog import erasures, snapshots
from gateway.catalog import holds as legal_holds
from gateway.catalog.datasets import Dataset
from gateway.catalog.erasures import Erasure
from gateway.catalog.projects import wrapped_key
from gateway.catalog.snapshots import Snapshot
from gateway.composition import Services
from gateway.errors import GatewayError
from sandbox.holding import holds, keyed_digest, persons_named

GONE = "It held a person who was erased since; its files are gone. A newer snapshot of the dataset takes its place."
DAMAGED = ".damaged-"


class NoPersons(GatewayError):
    """The dataset's contract says of no column that it names a person."""

    code = "no_person_key"


class UnderHold(GatewayError):
    """A legal hold covers something that would be deleted."""

    code = "under_legal_hold"


def erase(given: Services, dataset: Dataset, person: str, *, actor: Actor, decision_id: str) -> dict[str, Any]:
    """No live row and no file of a snapshot holds the person; what went, in counts. Raises GatewayError, SourceMismatch.

    Raises UnderHold, with nothing deleted, where a legal hold covers the live rows, the person or a snapshot that holds them.
    """
    if dataset.contract.person_key is None:
        raise NoPersons(f"The contract of {dataset.id} says of no column that it names a person.")
    with given.pool.connection() as connection:
        key = given.vault.unwrap_data_key(wrapped_key(connection, dataset.project))
        erasure = erasures.start(
            connection, dataset, person=keyed_digest(key, person), actor=actor, decision_id=decision_id, now=given.clock()
        )
    with given.pool.connection() as connection:
        connection.execute(legal_holds.ALONE)  # a hold that is placed now waits until what goes is gone
        erasures.lock(connection, dataset.id)
        gone = [one for one in snapshots.built(connection, dataset.project) if _holds(given, dataset, one, key, person)]
        held = _held(legal_holds.every(connection), erasure, gone)
        if held:
            erasures.refuse(connection, erasure, holds=held, code=UnderHold.code, actor=actor, now=given.clock())
        else:
            rows = given.delete_live(dataset.contract, person)
            erasures.removed(connection, erasure, now=given.clock())
            for one in gone:
                _mark(given, connection, one, actor, erasure.id)
            left = {one.digest for one in snapshots.built(connection, dataset.project)}
    if held:
        raise UnderHold("A legal hold covers what would be erased, so nothing was. A compliance officer sees it and may lift it.")
    for digest in {one.digest for one in gone if one.digest} - left:
        remove_files(given, digest)
    result = {"rows": rows, "snapshots": [one.id for one in gone]}
    with given.pool.connection() as connection:
        erasures.finish(connection, erasure, actor=actor, now=given.clock(), rows=rows, result=result)
    return {"id": erasure.id, "person": erasure.person, **result}


def remove_files(given: Services, digest: str) -> None:
    """Neither the released nor the held-back rows of the snapshot of that digest are there any more, damaged ones included."""
    for folder in _folders(given, digest):
        shutil.rmtree(folder, ignore_errors=True)


def set_aside(given: Services, digest: str, build: str) -> Path:
    """Where damaged files of the snapshot of that digest are kept, found by the build of that id."""
    folder = given.snapshot_folder(digest)
    return folder.with_name(f"{folder.name}{DAMAGED}{build}")


def _folders(given: Services, digest: str) -> list[Path]:
    """All that may hold rows of the snapshot of that digest."""
    folder = given.snapshot_folder(digest)
    return [folder, *folder.parent.glob(f"{folder.name}{DAMAGED}*"), given.holdout_folder(digest)]


def _held(standing: Iterable[Hold], erasure: Erasure, gone: Iterable[Snapshot]) -> list[str]:
    """The ids of the holds over the dataset's live rows, over the person by their keyed digest, or over one of the snapshots."""
    names = [("rows", erasure.dataset), ("rows", erasure.person), *(("snapshots", str(one.digest)) for one in gone)]
    things = [Thing(kind, name, erasure.started_at, erasure.project, erasure.dataset) for kind, name in names]
    return sorted(hold.id for hold in standing if any(hold.covers(thing) for thing in things))


def _holds(given: Services, dataset: Dataset, one: Snapshot, key: bytes, person: str) -> bool:
    if one.dataset != dataset.id or one.digest is None:
        return False
    persons = persons_named(snapshots.predicate(one))
    return any(holds(folder, persons, key, person) for folder in _folders(given, one.digest))


def _mark(given: Services, connection: Any, one: Snapshot, actor: Actor, erasure: str) -> None:
    snapshots.move(
        connection, one.id, "erased", actor=actor, now=given.clock(), digest=one.digest, envelope=one.envelope, code="erased",
        detail=GONE, refs={"erasure_id": erasure},
    )  # fmt: skip
