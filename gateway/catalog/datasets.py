"""Datasets: a contract registered by a steward, and the live rows loaded under it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from gateway.errors import GatewayError
from sandbox.contracts import Contract, load_contract
from sandbox.errors import SandboxError

log = logging.getLogger("sallyport.catalog")


class DatasetTaken(GatewayError):
    """Another project has a dataset of that name."""

    code: ClassVar[str] = "dataset_taken"


class DatasetNotFound(GatewayError):
    """No dataset of that name is registered."""

    code: ClassVar[str] = "dataset_not_found"


# Parsing a contract takes many times as long as reading it; a text always means the same contract.
_parsed = functools.lru_cache(maxsize=64)(load_contract)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A registered dataset. `rows` counts the live rows by table once they are loaded."""

    id: str
    project: str
    contract_text: str
    digest: str
    registered_by: str
    registered_at: datetime
    rows: Mapping[str, int]
    loaded_at: datetime | None

    @property
    def contract(self) -> Contract:
        return _parsed(self.contract_text)

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "project": self.project,
            "contract_digest": self.digest,
            "registered_by": self.registered_by,
            "registered_at": self.registered_at.isoformat(),
            "rows": dict(self.rows),
            "loaded_at": self.loaded_at and self.loaded_at.isoformat(),
        }


def register(
    connection: Connection[Any], *, project: str, contract: Contract, text: str, actor: Actor, decision_id: str, now: datetime
) -> Dataset:
    """`contract` is what the dataset of its name is judged by from now on; the change is in the ledger.

    Raises DatasetTaken where another project has a dataset of that name.
    """
    owner = connection.execute("SELECT project FROM catalog.datasets WHERE id = %s FOR UPDATE", (contract.id,)).fetchone()
    if owner and owner[0] != project:
        raise DatasetTaken(f"Another project has a dataset '{contract.id}'; give yours another id.")
    connection.execute(
        "INSERT INTO catalog.datasets (id, project, contract, digest, registered_by, registered_at)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO UPDATE SET project = excluded.project,"
        " contract = excluded.contract, digest = excluded.digest, registered_by = excluded.registered_by,"
        " registered_at = excluded.registered_at",
        (contract.id, project, text, contract.digest, actor.id, now),
    )
    append(connection, _entry("dataset:registered", contract.id, project, contract.digest, actor, decision_id, now, {}))
    return get(connection, contract.id)


def record_loaded(
    connection: Connection[Any], dataset: Dataset, *, rows: Mapping[str, int], actor: Actor, decision_id: str, now: datetime
) -> None:
    """The live tables of `dataset` hold `rows`; the load is in the ledger with its counts."""
    connection.execute(
        "UPDATE catalog.datasets SET rows = %s, loaded_at = %s WHERE id = %s", (Jsonb(dict(rows)), now, dataset.id)
    )
    detail = {f"rows_{table}": count for table, count in rows.items()}
    append(connection, _entry("dataset:loaded", dataset.id, dataset.project, dataset.digest, actor, decision_id, now, detail))


def record_load_started(
    connection: Connection[Any], dataset: Dataset, *, files: int, actor: Actor, decision_id: str, now: datetime
) -> None:
    """The ledger says that the live tables of `dataset` are about to be replaced, before they are."""
    detail = {"files": files}
    append(
        connection, _entry("dataset:load-started", dataset.id, dataset.project, dataset.digest, actor, decision_id, now, detail)
    )


def record_load_refused(
    connection: Connection[Any], dataset: Dataset, *, holds: Sequence[str], code: str, actor: Actor, decision_id: str,
    now: datetime,
) -> None:  # fmt: skip
    """The live tables of `dataset` are as they were, and the ledger says which legal holds stopped the load."""
    detail = {"code": code, "holds": list(holds)}
    entry = _entry("dataset:load-refused", dataset.id, dataset.project, dataset.digest, actor, decision_id, now, detail)
    append(connection, replace(entry, outcome="refused", reasons=(code,)))


def get(connection: Connection[Any], dataset: str) -> Dataset:
    """The dataset of that name. Raises DatasetNotFound."""
    for found in _select(connection, "WHERE id = %s", (dataset,)):
        return found
    raise DatasetNotFound(f"No dataset '{dataset}' is registered; `sallyport dataset list` shows those that are.")


def every(connection: Connection[Any]) -> list[Dataset]:
    """All registered datasets, by name."""
    return _select(connection, "ORDER BY id", ())


def policy_data(connection: Connection[Any]) -> dict[str, Any]:
    """`data.datasets` as policy reads it, from all registered contracts; one that cannot be read is unknown to policy."""
    known = {}
    for dataset in every(connection):
        try:
            known[dataset.id] = dict(dataset.contract.policy_data())
        except SandboxError as error:
            log.error("the contract of dataset %s cannot be used (%s), so policy does not know it", dataset.id, error.code)
    return known


def _select(connection: Connection[Any], tail: str, values: tuple[Any, ...]) -> list[Dataset]:
    columns = "id, project, contract, digest, registered_by, registered_at, rows, loaded_at"
    rows = connection.execute(f"SELECT {columns} FROM catalog.datasets {tail}", values).fetchall()  # noqa: S608
    return [Dataset(*row) for row in rows]


def _entry(
    event: str,
    dataset: str,
    project: str,
    digest: str,
    actor: Actor,
    decision_id: str,
    now: datetime,
    detail: Mapping[str, Any],
) -> Entry:
    return Entry(
        type=event,
        actor=actor,
        object=ObjectRef(type="dataset", id=dataset, digest=digest),
        project=project,
        outcome="done",
        refs={"decision_id": decision_id},
        detail=detail,
        occurred_at=now,
    )
