"""Live rows loaded, which deletes those that were there: so legal holds are asked first, as an erasure asks them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from compliance.entries import Actor
from compliance.retention import Hold, Thing
from gateway.catalog import datasets, erasures
from gateway.catalog import holds as legal_holds
from gateway.catalog.datasets import Dataset
from gateway.catalog.projects import wrapped_key
from gateway.composition import Services
from gateway.erasing import UnderHold
from sandbox.errors import SourceMismatch
from sandbox.holding import PERSON_DIGEST, keyed_digest


def load(given: Services, dataset: Dataset, folder: Path, *, files: int, actor: Actor, decision_id: str) -> dict[str, int]:
    """The live tables hold exactly the rows of `folder`'s table files, and the ledger says so; the rows of each.

    Raises SourceMismatch; UnderHold, with nothing changed, where a legal hold covers the rows that stand or a person among them.
    """
    told: dict[str, Any] = {"actor": actor, "decision_id": decision_id}
    with given.pool.connection() as connection:
        datasets.record_load_started(connection, dataset, files=files, now=given.clock(), **told)
    with given.pool.connection() as connection:
        connection.execute(legal_holds.STILL)  # a hold that is placed now waits until what goes is gone
        erasures.lock(connection, dataset.id)
        standing = datasets.get(connection, dataset.id)
        held = _held(given, standing, legal_holds.every(connection), wrapped_key(connection, dataset.project))
        if held:
            datasets.record_load_refused(connection, dataset, holds=held, code=UnderHold.code, now=given.clock(), **told)
        else:
            rows = given.load_live(folder, dataset.contract)
            datasets.record_loaded(connection, dataset, rows=rows, now=given.clock(), **told)
    if held:
        raise UnderHold(
            "A legal hold covers rows that would be replaced, so nothing was loaded. A compliance officer may lift it."
        )
    return rows


def _held(given: Services, dataset: Dataset, standing: Sequence[Hold], wrapped: str) -> list[str]:
    """The ids of the holds over the rows that stand, by dataset or by the keyed digest of a person among them."""
    if dataset.loaded_at is None:
        return []
    rows = Thing("rows", dataset.id, dataset.loaded_at, dataset.project, dataset.id)
    named = [hold for hold in standing if (hold.thing or "").startswith(PERSON_DIGEST)]
    named = [hold for hold in named if hold.covers(replace(rows, id=str(hold.thing)))]
    digests = _persons(given, dataset, wrapped) if named else set()
    persons = [hold for hold in named if digests is None or hold.thing in digests]
    return sorted(hold.id for hold in [*persons, *(hold for hold in standing if hold.covers(rows))])


def _persons(given: Services, dataset: Dataset, wrapped: str) -> set[str] | None:
    """The keyed digests of the persons of the live rows; None where they cannot be told, and then every hold counts."""
    if dataset.contract.person_key is None:
        return None
    key = given.vault.unwrap_data_key(wrapped)
    try:
        return {keyed_digest(key, person) for person in given.live_persons(dataset.contract)}
    except SourceMismatch:
        return None
