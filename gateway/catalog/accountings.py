"""Accountings of one person's disclosures as the gateway keeps them: asked for by whom, about what, and the answer given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import uuid4

from psycopg import Connection
from psycopg.types.json import Jsonb

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from gateway.catalog.datasets import Dataset
from gateway.errors import GatewayError

COLUMNS = "id, dataset, project, person, since, until, asked_by, decision_id, made_at, result"


class AccountingNotFound(GatewayError):
    """There is no such accounting of disclosures."""

    code: ClassVar[str] = "accounting_not_found"


@dataclass(frozen=True, slots=True)
class Accounting:
    """An accounting of one person in one dataset; `person` is a digest keyed by the project's key, `result` what was answered."""

    id: str
    dataset: str
    project: str
    person: str
    since: datetime | None
    until: datetime | None
    asked_by: str
    decision_id: str
    made_at: datetime
    result: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id, "dataset": self.dataset, "person": self.person, "since": self.since and self.since.isoformat(),
            "until": self.until and self.until.isoformat(), "asked_by": self.asked_by, "made_at": self.made_at.isoformat(),
            **self.result,
        }  # fmt: skip


def begin(connection: Connection[Any], dataset: Dataset, *, person: str, actor: Actor, decision_id: str, now: datetime) -> str:
    """The ledger says that somebody is about to look where a person's data went, before anything is looked at; its id."""
    name = uuid4().hex
    append(connection, _entry("audit:accounting-started", name, dataset, actor, decision_id, now, {"person": person}))
    return name


def keep(
    connection: Connection[Any], name: str, dataset: Dataset, *, person: str, period: tuple[datetime | None, datetime | None],
    actor: Actor, decision_id: str, now: datetime, result: Mapping[str, Any],
) -> Accounting:  # fmt: skip
    """The accounting is kept as it is given, and the ledger says so."""
    made = Accounting(name, dataset.id, dataset.project, person, *period, actor.id, decision_id, now, result)
    connection.execute(
        f"INSERT INTO catalog.accountings ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",  # noqa: S608
        (name, made.dataset, made.project, person, *period, actor.id, decision_id, now, Jsonb(dict(result))),
    )
    detail = {"person": person, "lines": len(result["items"])}
    append(connection, _entry("audit:accounted", name, dataset, actor, decision_id, now, detail))
    return made


def get(connection: Connection[Any], name: str) -> Accounting:
    """The accounting of that id. Raises AccountingNotFound."""
    for row in connection.execute(f"SELECT {COLUMNS} FROM catalog.accountings WHERE id = %s", (name,)).fetchall():  # noqa: S608
        return Accounting(*row)
    raise AccountingNotFound("There is no such accounting of disclosures.")


def _entry(
    event: str, name: str, dataset: Dataset, actor: Actor, decision_id: str, now: datetime, detail: Mapping[str, Any]
) -> Entry:
    return Entry(
        type=event, actor=actor, object=ObjectRef("accounting", name), project=dataset.project, outcome="done",
        refs={"decision_id": decision_id, "dataset": dataset.id}, detail=detail, occurred_at=now,
    )  # fmt: skip
