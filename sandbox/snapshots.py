"""Door 1: a de-identified copy of a dataset, built whole or not at all, known by the digest of its bytes.

Live rows -> treatments -> free text scrubbed -> k and l measured and enforced -> Parquet files named by their digest.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from compliance.attestations import Statement, Subject
from compliance.canonical import canonical_json, digest, digest_file
from sandbox import certificate, held_back
from sandbox.bounds import Bounds, require_within
from sandbox.contracts import Class, Contract, Table
from sandbox.enforcement import Limits, enforce
from sandbox.errors import BuildFailed, SourceMismatch
from sandbox.manifests import PREDICATE_TYPE
from sandbox.remembered import Remembered
from sandbox.sources import Source, read_tables
from sandbox.structured import Spread, treat_rows, whole
from sandbox.text.surrogates import Surrogates
from sandbox.treatments import Keyed
from sandbox.treatments.shift_date import offset_days

TELLING = ("string", "date", "timestamp", "integer")  # types of columns whose values a text can repeat
CANARY_KIND = "canaries"
MOVED = ("noise", "round", "shift-date")  # treatments that leave a column its type and move its values
KEY_KIND, KEY_NAME_BYTES = "name-of-the-key", 16
Progress = Callable[[str, int, int], None]


class Scrubber(Protocol):
    """Removes identifiers from free text; `known` is the record of the person each text is of."""

    @property
    def recipe(self) -> Mapping[str, Any]: ...

    def scrub_batch(
        self, texts: Sequence[str | None], known: Sequence[Mapping[str, str]], progress: Callable[[int], None],
        surrogates: Sequence[Surrogates] = (),
    ) -> list[str | None]: ...  # fmt: skip


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


def build_snapshot(
    contract: Contract, source: Source, recipe: Recipe, *, out: Path, holdout_out: Path | None = None,
    built_at: str, progress: Progress = lambda step, done, total: None,
) -> Built:  # fmt: skip
    """`out` holds the snapshot's files, and `holdout_out` the persons held back; on any failure neither exists.

    Raises SourceMismatch, KUnreachable, CertificateRefused, BuildFailed; no message holds a value.
    """
    if contract.unclassified:
        raise SourceMismatch(f"These columns have no class or treatment: {', '.join(contract.unclassified)}.")
    progress("read", 0, len(contract.tables))
    live = read_tables(contract, source)
    treated = _treat_all(contract, live, recipe, progress)
    progress("risk", 0, 1)
    all_released, held = _split(contract, live, treated, recipe.key)
    released, facts = enforce(contract, all_released, recipe.limits)
    progress("certify", 0, 1)
    certified = _certify(contract, live, treated, (all_released, released), recipe)
    require_within(certified, facts, recipe.bounds)
    try:
        files = write_tables(released, out)
        if holdout_out is not None and contract.holdout:
            write_tables(held, holdout_out)
    except (OSError, pl.exceptions.PolarsError) as error:
        for folder in (out, holdout_out):
            for left in (folder, folder.with_name(folder.name + ".partial")) if folder else ():
                shutil.rmtree(left, ignore_errors=True)
        raise BuildFailed("The snapshot could not be written; nothing of it was kept.") from error
    predicate = _predicate(contract, live, recipe, facts) | {"built_at": built_at, "certificate": certified}
    statement = Statement(tuple(Subject(name, value) for name, value in sorted(files.items())), PREDICATE_TYPE, predicate)
    return Built(digest(canonical_json(files)), statement, out)


def _treat_all(
    contract: Contract, live: Mapping[str, pl.DataFrame], recipe: Recipe, progress: Progress
) -> dict[str, pl.DataFrame]:
    treated = {}
    for number, table in enumerate(contract.tables):
        progress(f"treat {table.name}", number, len(contract.tables))
        treated[table.name] = _treat(contract, table, live, recipe, progress)
    return treated


def _treat(
    contract: Contract, table: Table, live: Mapping[str, pl.DataFrame], recipe: Recipe, progress: Progress
) -> pl.DataFrame:
    frame, person = live[table.name], contract.person_column(table)
    persons = frame[person] if person else None
    made = recipe.spread(frame, partial(treat_rows, table, person, recipe.key, frame.height))
    columns = []
    for column in table.columns:
        if column.treatment == "scrub":
            moved = _surrogates(contract, persons, frame.height, recipe) if column.options.get("style") == "surrogate" else []
            columns.append(_scrub(contract, frame[column.name], persons, live, recipe, progress, moved))
        elif column.treatment != "suppress":
            columns.append(made[column.name])
    return pl.DataFrame(columns)


def _scrub(
    contract: Contract, texts: pl.Series, persons: pl.Series | None, live: Mapping[str, pl.DataFrame], recipe: Recipe,
    progress: Progress, surrogates: Sequence[Surrogates],
) -> pl.Series:  # fmt: skip
    records = _records(contract, live) if persons is not None else {}
    known = [records.get(person, {}) for person in persons] if persons is not None else [{}] * len(texts)
    total = len(texts)
    progress("scrub", 0, total)
    remembered = recipe.remembered or Remembered(recipe.key)
    clean = remembered.scrub(
        recipe.scrubber.scrub_batch, recipe.scrubber.recipe, texts.to_list(), known, surrogates,
        lambda done: progress("scrub", done, total),
    )  # fmt: skip
    return pl.Series(texts.name, clean, dtype=pl.String)


def _surrogates(contract: Contract, persons: pl.Series | None, number: int, recipe: Recipe) -> list[Surrogates]:
    """One for each row: dates in its text move as those of its person's columns do."""
    shifted = [column for column in contract.columns().values() if column.treatment == "shift-date"]
    weekdays = any(column.options.get("weekdays") for column in shifted)
    keyed = Keyed(recipe.key)
    named = persons.cast(pl.String).to_list() if persons is not None else [None] * number
    return [Surrogates(recipe.key, offset_days(keyed, person or "", weekdays=weekdays)) for person in named]


def _records(contract: Contract, live: Mapping[str, pl.DataFrame]) -> dict[Any, dict[str, str]]:
    """Person -> what the rows of all tables say that would identify them, or who is linked to them, in a text."""
    from sandbox.text.known import without_categories

    records: dict[Any, dict[str, str]] = {}
    for table in contract.tables:
        person = contract.person_column(table)
        own = f"{table.name}.{person}" == contract.person_key
        classes = (Class.DIRECT, Class.QUASI) if own else (Class.DIRECT,)
        telling = [
            c.name
            for c in table.columns
            if c.class_ in classes and c.treatment not in ("keep", "scrub") and c.logical_type in TELLING
        ]
        if person is None or not telling:
            continue
        columns = [pl.col(name).cast(pl.String).alias(f"{table.name}.{name}") for name in telling]
        for row in live[table.name].select(pl.col(person).alias("person"), *columns).unique(maintain_order=True).iter_rows():
            said = records.setdefault(row[0], {})
            said |= {f"{name} {value}": value for name, value in zip(telling, row[1:], strict=True) if value}
    return without_categories(records)


def _certify(
    contract: Contract, live: Mapping[str, pl.DataFrame], treated: Mapping[str, pl.DataFrame],
    released: tuple[Mapping[str, pl.DataFrame], Mapping[str, pl.DataFrame]], recipe: Recipe,
) -> dict[str, Any]:  # fmt: skip
    """The release certificate (sandbox/certificate.py): every measure, against all live rows."""
    texts = {name: column for name, column in contract.columns().items() if column.treatment == "scrub"}
    notes: dict[str, Any] = {}
    for name in texts:
        table, _, column = name.partition(".")
        persons, records = contract.person_column(contract.table(table)), _records(contract, live) if contract.person_key else {}
        rows = live[table].filter(pl.col(column).str.len_chars() > 0)
        if rows.is_empty():
            continue
        known = [records.get(person, {}) for person in rows[persons]] if persons else [{}] * rows.height
        scrub = partial(recipe.scrubber.scrub_batch, progress=lambda done: None)
        seed = Keyed(recipe.key).mac(CANARY_KIND, name)
        notes[name] = certificate.text_certificate(rows[column].to_list(), known, scrub, seed)
        notes[name]["words_kept"] = certificate.words_kept(live[table][column].to_list(), treated[table][column].to_list())
    skip = [*texts, *(name for name, column in contract.columns().items() if column.treatment == "pseudonym")]
    kept = {
        table.name: live[table.name].select(c.name for c in table.columns if c.treatment in MOVED) for table in contract.tables
    }
    return {
        "text": notes, "linkage": certificate.linkage(contract, *released),
        "drift": certificate.drift(treated, released[1], skip), "distortion": certificate.drift(kept, released[1], skip),
    }  # fmt: skip


def _split(
    contract: Contract, live: Mapping[str, pl.DataFrame], treated: Mapping[str, pl.DataFrame], key: bytes
) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame]]:
    """The released rows, and those of the persons held back for checking models in the live zone; tables of no person in both."""
    if not contract.holdout:
        return dict(treated), {}
    released, held = {}, {}
    for table in contract.tables:
        frame, person = treated[table.name], contract.person_column(table)
        # A person's column that is suppressed still says, in the live rows, whose row it is.
        persons = (frame if person in frame.columns else live[table.name])[person] if person else None
        back = held_back.chosen(contract, table, live[table.name], persons, key)
        released[table.name] = frame.filter(~back)
        held[table.name] = frame if person is None and contract.person_key else frame.filter(back)
    return released, held


def write_tables(frames: Mapping[str, pl.DataFrame], out: Path) -> dict[str, str]:
    """`out` holds one Parquet file a table, named by table and content; file name -> digest. All or nothing."""
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    files = {}
    for name, frame in frames.items():
        path = partial / name
        frame.sort(frame.columns, nulls_last=True).write_parquet(path, compression="zstd", statistics=False)
        value = digest_file(path)
        files[f"{name}-{value[7:23]}.parquet"] = value
        path.rename(partial / f"{name}-{value[7:23]}.parquet")
    partial.rename(out)
    return files


def _predicate(contract: Contract, live: Mapping[str, pl.DataFrame], recipe: Recipe, facts: Mapping[str, Any]) -> dict[str, Any]:
    sources = {name: digest(frame.write_csv().encode()) for name, frame in live.items()}
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
        "source": {"digest": digest(canonical_json(sources)), "rows": {name: f.height for name, f in live.items()}},
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
