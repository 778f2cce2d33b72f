"""Where one person's data went, or could have gone: to leases, checks, snapshots, predictions and released outputs.

The person's key is looked for in live rows, and as a pseudonym in snapshots. It is stored nowhere: the ledger and what is kept of
the accounting hold a digest keyed by the project's key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import Connection

from compliance.disclosures import NOTE_OF_PERSON, Line, accounting, live_reads, released
from compliance.entries import Actor
from compliance.ledger import integrate
from gateway.catalog import accountings, snapshots
from gateway.catalog.accountings import Accounting
from gateway.catalog.datasets import Dataset
from gateway.catalog.projects import wrapped_key
from gateway.composition import Services
from gateway.erasing import NoPersons
from promotion.errors import InvalidModelContract
from promotion.model_contracts import load_model_contract
from sandbox.holding import holds, keyed_digest, persons_named
from sandbox.standing import Standing, person_stands

FILTERS = "SELECT id, obligations ->> 'row_filter' FROM access.leases WHERE dataset = %s"
# Who policy let read the dataset's snapshots while this one stood, and when.
READERS = """
SELECT subject, input #>> '{subject,type}', min(decided_at), max(decided_at) FROM catalog.decisions
WHERE allow AND action = 'read' AND input #>> '{resource,zone}' = 'sandbox' AND input #>> '{resource,id}' = %s
    AND decided_at >= %s AND (%s::timestamptz IS NULL OR decided_at < %s)
    AND (%s::timestamptz IS NULL OR decided_at >= %s) AND (%s::timestamptz IS NULL OR decided_at < %s)
GROUP BY 1, 2 ORDER BY 3, 1
"""
SNAPSHOTS = """
SELECT s.id, coalesce(e.person = %s, false), s.state, b.occurred_at, x.occurred_at, b.seq FROM catalog.snapshots s
JOIN ledger.entries b ON b.type = 'snapshot:built' AND b.object_type = 'snapshot' AND b.object_id = s.id
LEFT JOIN ledger.entries x ON x.type = 'snapshot:erased' AND x.object_type = 'snapshot' AND x.object_id = s.id
LEFT JOIN catalog.erasures e ON e.id = convert_from(x.canonical, 'UTF8')::jsonb #>> '{refs,erasure_id}'
WHERE s.dataset = %s ORDER BY b.seq
"""
PREDICTED = """
SELECT caller, min(at), max(at), sum(rows) FROM promotion.predictions
WHERE project = %s AND name = %s AND digest = %s
    AND (%s::timestamptz IS NULL OR at >= %s) AND (%s::timestamptz IS NULL OR at < %s)
GROUP BY caller, (at AT TIME ZONE 'UTC')::date ORDER BY 2, 1
"""


@dataclass(frozen=True, slots=True)
class Search:
    """Whom is looked for, in which dataset and period, and what of them stands in its live rows today."""

    given: Services
    dataset: Dataset
    key: bytes
    person: str
    since: datetime | None
    until: datetime | None
    standing: Standing

    @property
    def period(self) -> tuple[datetime | None, ...]:
        """The bounds as the queries take them."""
        return (self.since, self.since, self.until, self.until)


def account(
    given: Services, dataset: Dataset, person: str, *, since: datetime | None, until: datetime | None, actor: Actor,
    decision_id: str,
) -> Accounting:  # fmt: skip
    """The accounting of the person, kept, and in the ledger. Raises NoPersons, SourceMismatch, VaultError."""
    if dataset.contract.person_key is None:
        raise NoPersons(f"The contract of {dataset.id} says of no column that it names a person.")
    with given.pool.connection() as connection:
        key = given.vault.unwrap_data_key(wrapped_key(connection, dataset.project))
        who = keyed_digest(key, person)
        name = accountings.begin(connection, dataset, person=who, actor=actor, decision_id=decision_id, now=given.clock())
    with psycopg.connect(given.database("live_loader", "live")) as live:
        standing = person_stands(dataset.contract, person, live)
    search = Search(given, dataset, key, person, since, until, standing)
    with given.pool.connection() as connection:
        integrate(connection)
        held, without = _snapshots(connection, search, who)
        lines = [*_live(connection, search), *held, *_predictions(connection, search)]
        lines += released(connection, dataset.project, since, until)
        result = {
            "items": [line.as_json() for line in sorted(lines, key=lambda line: (line.date, line.kind, line.recipient))],
            "snapshots_without": without, "stands_today": dict(standing.tables), "note": NOTE_OF_PERSON,
        }  # fmt: skip
        return accountings.keep(
            connection, name, dataset, person=who, period=(since, until), actor=actor, decision_id=decision_id,
            now=given.clock(), result=result,
        )  # fmt: skip


def _live(connection: Connection[Any], search: Search) -> Iterator[Line]:
    """Each opening of the dataset's live rows to somebody, and each reading of them by a check."""
    filters = dict(connection.execute(FILTERS, (search.dataset.id,)).fetchall())
    for one in accounting(connection, search.dataset.id, since=search.since, until=search.until):
        opened = {column.partition(".")[0] for column in one["what"]}
        yield Line(
            "live-access", one["date"], one["recipient"], one["recipient_kind"],
            ", ".join(f"{column} ({how})" for column, how in sorted(one["what"].items())), one["why"], "could have",
            _basis(search.standing, opened, filters.get(one["lease"])) + f"; {one['statements']} statements were run",
            under=one["under"] | ({"lease": one["lease"]} if one["lease"] else {}), entry=one["entry"],
        )  # fmt: skip
    everything = {table.name for table in search.dataset.contract.tables}
    yield from live_reads(connection, search.dataset.id, search.since, search.until, _basis(search.standing, everything, None))


def _basis(standing: Standing, opened: set[str], row_filter: str | None) -> str:
    """What is known of the person's rows in the tables that were opened."""
    named = sorted(opened & set(standing.tables))
    if not named:
        return "the tables opened name no person"
    there = [table for table in named if standing.tables[table]]
    said = f"rows of the person stand in {', '.join(there)} today" if there else "no row of the person stands there today"
    if row_filter is None or row_filter not in standing.filters or not any(standing.tables.values()):
        return said
    return f"{said}, and the row filter {row_filter} {'shows' if standing.filters[row_filter] else 'hides'} them today"


def _snapshots(connection: Connection[Any], search: Search, who: str) -> tuple[list[Line], int]:
    """A line for everybody who could read a snapshot that held the person, or may have; and how many did not hold them."""
    lines, without = list[Line](), 0
    for name, erased_for_them, state, built, gone, entry in connection.execute(SNAPSHOTS, (who, search.dataset.id)).fetchall():
        if _outside(search, built, gone):
            continue
        held, basis = ("yes", "it was erased for them") if erased_for_them else _held(search, snapshots.get(connection, name))
        if held == "no":
            without += 1
            continue
        values = (search.dataset.id, built, gone, gone, *search.period)
        readers = connection.execute(READERS, values).fetchall() or [("nobody yet", "", built, built)]
        lines += [
            Line(
                "snapshot", first.isoformat(), who_read, kind or "", f"de-identified rows in the snapshot {name}",
                "work in the sandbox", held, basis, until=last.isoformat(), under={"snapshot": name, "state": state}, entry=entry,
            )
            for who_read, kind, first, last in readers
        ]  # fmt: skip
    return lines, without


def _held(search: Search, snapshot: snapshots.Snapshot) -> tuple[str, str]:
    """Whether the snapshot's released rows hold the person: "yes", "no" or "could have", and why."""
    persons = persons_named(snapshots.predicate(snapshot)) if snapshot.envelope else None
    folder = search.given.snapshot_folder(snapshot.digest or "")
    if persons is None:
        return "could have", "its manifest does not say how its rows name persons"
    if not folder.is_dir():
        return "could have", "its files are gone"
    if holds(folder, persons, search.key, search.person):
        return "yes", "the person's pseudonym stands in it"
    return "no", ""


def _outside(search: Search, built: datetime, gone: datetime | None) -> bool:
    return bool((search.until and built >= search.until) or (search.since and gone and gone < search.since))


def _predictions(connection: Connection[Any], search: Search) -> Iterator[Line]:
    """What models of the dataset answered, by caller and day."""
    basis = "inputs are kept as a hash, which names nobody"
    for project, name, digest, use in _models(connection, search.dataset.id):
        for caller, first, last, rows in connection.execute(PREDICTED, (project, name, digest, *search.period)).fetchall():
            yield Line(
                "prediction", first.isoformat(), caller, "service", f"{rows} scores of the model {project}/{name}", use,
                "could have", basis, until=last.isoformat(), under={"model": digest},
            )  # fmt: skip


def _models(connection: Connection[Any], dataset: str) -> Iterator[tuple[str, str, str, str]]:
    """(project, name, digest, intended use) of each model that was submitted over the dataset."""
    known: Mapping[tuple[str, str, str], str] = {
        (project, name, digest): text for project, name, digest, text in connection.execute(
            "SELECT project, name, digest, contract FROM promotion.requests ORDER BY submitted_at"
        ).fetchall()
    }  # fmt: skip
    for (project, name, digest), text in known.items():
        try:
            contract = load_model_contract(text)
        except InvalidModelContract:  # of another release: in doubt it reads this dataset
            yield project, name, digest, "not readable in its contract"
            continue
        if contract.dataset == dataset:
            yield project, name, digest, contract.intended_use
