"""Door 1: a de-identified copy of a dataset, built whole or not at all, known by the digest of its bytes.

Live rows looked at and sealed -> treated, free text scrubbed, some rows at a time -> k and l enforced and measured on the
treated rows -> certificate -> Parquet files named by their digest. Rows are never held whole: what counts all is DuckDB's.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from compliance.attestations import Statement, Subject
from compliance.canonical import canonical_json, digest
from sandbox import certificate, held_back
from sandbox.bounds import Bounds, require_within
from sandbox.contracts import Contract, Table
from sandbox.counting import counting
from sandbox.enforcement import Limits, enforce
from sandbox.errors import BuildFailed, SourceMismatch
from sandbox.manifests import PREDICATE_TYPE
from sandbox.people import People
from sandbox.remembered import Remembered
from sandbox.scrubbing import Scrubber, Texts
from sandbox.sealed import Sealed
from sandbox.shapes import Shape
from sandbox.sources import Source
from sandbox.staging import Stage
from sandbox.structured import Spread, treat_rows, whole
from sandbox.survey import Survey
from sandbox.treatments import Keyed
from sandbox.writing import write_table

MOVED = ("noise", "round", "shift-date")  # treatments that leave a column its type and move its values
KEY_KIND, KEY_NAME_BYTES = "name-of-the-key", 16
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a build is given beside contract and source. The key is the project's; only its wrapped form is written.

    `remembered` is what an earlier build made of texts and `spread` where treatments run; the outcome is the same without them.
    """

    key: bytes = field(repr=False)
    wrapped_key: str
    project: str
    limits: Limits
    scrubber: Scrubber
    remembered: Remembered | None = None
    bounds: Bounds = field(default_factory=Bounds)
    spread: Spread = whole


@dataclass(frozen=True, slots=True)
class Built:
    """A built snapshot: its digest, the statement to sign, and where its files are."""

    digest: str
    statement: Statement
    path: Path


@dataclass(slots=True)
class _Rows:
    """The live rows of a build, sealed, and what was seen of them before they are treated."""

    contract: Contract
    recipe: Recipe
    survey: Survey
    sealed: Sealed
    people: People
    texts: list[Texts]
    untreated: dict[str, Shape] = field(default_factory=dict)
    seed: int = field(default_factory=lambda: secrets.randbits(64))

    def look(self, source: Source) -> None:
        """All rows are sealed, and everything is as the contract says. Raises SourceMismatch."""
        for table in self.contract.tables:
            for rows in self.survey.look(table, source):
                self.sealed.put(table.name, rows)
                self.people.note(table, rows)
                for texts in self.texts:
                    if texts.table is table:
                        texts.note(rows)
        self.survey.require_references()
        self.people.settle()

    def treat(self, stage: Stage, progress: Progress) -> None:
        """The stage holds all rows, treated. Raises SourceMismatch."""
        for number, table in enumerate(self.contract.tables):
            progress(f"treat {table.name}", number, len(self.contract.tables))
            for rows in self.sealed.take(table.name):
                self._treat(table, rows, stage, progress)

    def _treat(self, table: Table, rows: pl.DataFrame, stage: Stage, progress: Progress) -> None:
        person, total = self.contract.person_column(table), self.survey.rows[table.name]
        made = self.recipe.spread(rows, partial(treat_rows, table, person, self.recipe.key, total))
        scrubbed = {t.column.name: t for t in self.texts if t.table is table}
        columns = [
            scrubbed[c.name].scrub(rows, self.people, lambda done: progress("scrub", done, total)) if c.name in scrubbed
            else made[c.name] for c in table.columns if c.treatment != "suppress"
        ]  # fmt: skip
        treated = pl.DataFrame(columns)
        # A person's column that is suppressed still says, in the live rows, whose row it is.
        persons = (treated if person in treated.columns else rows)[person] if person else None
        held = held_back.chosen(self.contract, table, rows, persons, self.recipe.key)
        digests = (
            rows[person].cast(pl.String).hash(self.seed) if person else pl.repeat(None, rows.height, dtype=pl.UInt64, eager=True)
        )
        stage.add(table, treated, digests, held)
        self._remember(table, rows)

    def _remember(self, table: Table, rows: pl.DataFrame) -> None:
        """How the live values of columns that keep their type but are moved are distributed."""
        for column in table.columns:
            if column.treatment in MOVED:
                self.untreated.setdefault(f"{table.name}.{column.name}", Shape()).add(rows[column.name])


def build_snapshot(
    contract: Contract, source: Source, recipe: Recipe, *, out: Path, holdout_out: Path | None = None,
    built_at: str, progress: Progress = lambda step, done, total: None, done_reading: Callable[[], None] = lambda: None,
) -> Built:  # fmt: skip
    """`out` holds the snapshot's files, and `holdout_out` the persons held back; on any failure neither exists.

    The source is read once; `done_reading` is called when it is not needed any more, before the long work.
    Raises SourceMismatch, KUnreachable, CertificateRefused, BuildFailed; no message holds a value.
    """
    if contract.unclassified:
        raise SourceMismatch(f"These columns have no class or treatment: {', '.join(contract.unclassified)}.")
    with _workshop(out) as work, counting(work) as duck:
        progress("read", 0, len(contract.tables))
        sealed = Sealed(work / "sealed")
        rows = _Rows(contract, recipe, Survey(contract, duck), sealed, People(contract), _texts(contract, recipe))
        rows.look(source)
        done_reading()
        stage = Stage(contract, work, duck)
        rows.treat(stage, progress)
        stage.open()
        progress("risk", 0, 1)
        facts = enforce(stage, recipe.limits)
        progress("certify", 0, 1)
        certified = _certify(stage, rows)
        require_within(certified, facts, recipe.bounds)
        files = _write(stage, work, out, holdout_out if contract.holdout else None)
    predicate = _predicate(contract, rows.survey, recipe, facts) | {"built_at": built_at, "certificate": certified}
    statement = Statement(tuple(Subject(name, value) for name, value in sorted(files.items())), PREDICATE_TYPE, predicate)
    return Built(digest(canonical_json(files)), statement, out)


@contextmanager
def _workshop(out: Path) -> Iterator[Path]:
    """A private folder beside `out`, gone afterwards; what an earlier build left of one is gone before. Raises BuildFailed."""
    work = out.with_name(out.name + ".partial")
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir(mode=0o700, parents=True)
        yield work
    except (OSError, pl.exceptions.PolarsError) as error:
        raise BuildFailed("The snapshot could not be written; nothing of it was kept.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _texts(contract: Contract, recipe: Recipe) -> list[Texts]:
    """The columns of free text."""
    remembered = recipe.remembered or Remembered(recipe.key)
    return [
        Texts(contract, table, column, recipe.key, recipe.scrubber, remembered)
        for table in contract.tables
        for column in table.columns
        if column.treatment == "scrub"
    ]


def _certify(stage: Stage, rows: _Rows) -> dict[str, Any]:
    """The release certificate (sandbox/certificate.py): every measure, against all live rows."""
    notes = {one.name: told for one in rows.texts if (told := one.certified()) is not None}
    pseudonyms = [name for name, column in stage.contract.columns().items() if column.treatment == "pseudonym"]
    skip = [*(one.name for one in rows.texts), *pseudonyms]
    return {
        "text": notes, "linkage": certificate.linkage(stage),
        "drift": certificate.drift(stage, skip), "distortion": certificate.distortion(stage, rows.untreated),
    }  # fmt: skip


def _write(stage: Stage, work: Path, out: Path, holdout_out: Path | None) -> dict[str, str]:
    """`out` holds one Parquet file a table and `holdout_out` those of the persons held back; file name -> digest of `out`'s."""
    contract, files = stage.contract, {}
    released, held = work / "released", work / "held"
    for folder in (released, held):
        folder.mkdir()
    for table in contract.tables:
        schema = stage.schemas[table.name]
        name, value = write_table(released, table.name, schema, stage.sorted(table, stage.released(table)))
        files[name] = value
        if holdout_out is not None:
            write_table(held, table.name, schema, stage.sorted(table, stage.held_back(table)))
    if holdout_out is not None:
        held.rename(holdout_out)
    try:
        released.rename(out)
    except OSError:
        if holdout_out is not None:
            shutil.rmtree(holdout_out, ignore_errors=True)
        raise
    return files


def _predicate(contract: Contract, survey: Survey, recipe: Recipe, facts: Mapping[str, Any]) -> dict[str, Any]:
    treatments = {name: column.treatment for name, column in contract.columns().items()}
    told = {
        "treatments": treatments,
        "options": {name: dict(column.options) for name, column in contract.columns().items() if column.options},
        "scrubber": dict(recipe.scrubber.recipe),
    }
    return {
        "dataset": contract.id,
        "project": recipe.project,
        "contract": {"digest": contract.digest, "version": contract.version},
        "source": {"digest": digest(canonical_json(survey.digests)), "rows": dict(survey.rows)},
        "recipe": {"digest": digest(canonical_json(told)), **told},
        "persons": _persons(contract),
        "keys": {table.name: key for table in contract.tables if (key := _released_key(table))},
        "wrapped_key": recipe.wrapped_key,
        "key": Keyed(recipe.key).mac(KEY_KIND, recipe.project)[:KEY_NAME_BYTES].hex(),
        "limits": {
            "min_k": recipe.limits.min_k,
            "min_l": recipe.limits.min_l,
            "k": recipe.limits.k,
            "certificate": recipe.bounds.as_json(),
        },
        "risk": facts,
        "holdout": contract.holdout,
    }


def _persons(contract: Contract) -> dict[str, dict[str, str]]:
    """Table -> the column that names its rows' person, as the snapshot names them."""
    told = {}
    for table in contract.tables:
        column = table.column(contract.person_column(table) or "")
        if column is not None:
            told[table.name] = {"column": column.name, "kind": column.kind, "treatment": str(column.treatment)}
    return told


def _released_key(table: Table) -> list[str]:
    """The columns of the table's key, where all of them are released."""
    key = [column for column in table.columns if column.primary_key]
    return [] if any(column.treatment in ("suppress", "scrub") for column in key) else [column.name for column in key]
