"""Dataset contracts: Open Data Contract Standard 3 (ODCS), with what de-identification needs as custom properties.

Of a column: `classification` is its class (direct, quasi, sensitive, insensitive), `treatment` what a snapshot does to it,
`identifierKind` the namespace of its pseudonyms. Of the contract: `personKey`, `purposes`, `maxTtl`, `rowFilters`, `holdout`,
`maxSuppressed`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from compliance.canonical import canonical_json, digest
from compliance.errors import ComplianceError
from compliance.yaml_texts import load_yaml
from sandbox.contract_terms import DEFAULT_MAX_SUPPRESSED, DEFAULT_MAX_TTL_SECONDS, dataset_terms, require_options
from sandbox.errors import InvalidContract

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
DATASET = re.compile(r"[a-z][a-z0-9_]{0,40}")
# A dataset's id is the schema of its live tables; these are schemas of others there.
RESERVED = re.compile(r"(pg_|lease_).*|public|information_schema|masking|sessions|scores")
LOGICAL_TYPES = ("string", "integer", "number", "boolean", "date", "timestamp")


class Class(StrEnum):
    """How much a column says about who a row is of; `direct` identifies alone."""

    DIRECT = "direct"
    QUASI = "quasi"
    SENSITIVE = "sensitive"
    INSENSITIVE = "insensitive"


@dataclass(frozen=True, slots=True)
class Column:
    """A column under contract. `class_` and `treatment` are None while the contract does not say."""

    name: str
    logical_type: str
    class_: Class | None
    treatment: str | None
    options: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""
    references: str | None = None  # table.column
    primary_key: bool = False
    required: bool = True


@dataclass(frozen=True, slots=True)
class Table:
    """A table under contract."""

    name: str
    columns: tuple[Column, ...]
    quality: tuple[Mapping[str, Any], ...] = ()

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Rows of the persons for whom `column` (table.column of the person's table) equals `equals`."""

    name: str
    column: str
    equals: Any


@dataclass(frozen=True, slots=True)
class Contract:
    """A dataset contract, valid once constructed. `person_key` is the table.column that names a person, if rows share one."""

    id: str
    version: str
    tables: tuple[Table, ...]
    purposes: tuple[str, ...]
    digest: str
    person_key: str | None = None
    project: str | None = None
    max_ttl: int = DEFAULT_MAX_TTL_SECONDS
    row_filters: Mapping[str, RowFilter] = field(default_factory=dict)
    holdout: float = 0.0
    max_suppressed: float = DEFAULT_MAX_SUPPRESSED

    def columns(self) -> dict[str, Column]:
        """`table.column` -> column."""
        return {f"{table.name}.{column.name}": column for table in self.tables for column in table.columns}

    @property
    def unclassified(self) -> tuple[str, ...]:
        """The columns that have no class or no treatment yet."""
        return tuple(name for name, column in self.columns().items() if not column.class_ or not column.treatment)

    def policy_data(self) -> dict[str, Any]:
        """This dataset as `data.datasets` holds it (POLICY.md)."""
        return {
            "purposes": list(self.purposes),
            "max_ttl": self.max_ttl,
            "row_filters": {purpose: row_filter.name for purpose, row_filter in self.row_filters.items()},
            "columns": {name: str(column.class_) for name, column in self.columns().items() if column.class_},
        }

    def table(self, name: str) -> Table:
        return next(table for table in self.tables if table.name == name)

    def person_column(self, table: Table) -> str | None:
        """The column of `table` that names the person a row is of."""
        if self.person_key is None:
            return None
        home, _, key = self.person_key.partition(".")
        if table.name == home:
            return key
        return next((column.name for column in table.columns if column.references == self.person_key), None)


def load_contract(source: Path | str) -> Contract:
    """The contract in a file or a text. Raises InvalidContract, naming table and column."""
    from open_data_contract_standard.model import OpenDataContractStandard
    from pydantic import ValidationError

    try:
        text = source.read_text("utf-8") if isinstance(source, Path) else source
        parsed = OpenDataContractStandard(**load_yaml(text))
    except (ComplianceError, ValidationError, TypeError, ValueError, AttributeError) as error:
        why = f" {error}" if isinstance(error, ComplianceError) else ""
        raise InvalidContract(f"This is no Open Data Contract Standard 3 document.{why}") from error
    if not str(parsed.apiVersion or "").startswith("v3") or parsed.kind != "DataContract":
        raise InvalidContract("The contract says neither apiVersion v3 nor kind DataContract.")
    return _contract(parsed)


def _contract(parsed: Any) -> Contract:
    terms = dataset_terms(_custom(parsed))
    tables = tuple(_table(schema) for schema in parsed.schema_ or ())
    if not DATASET.fullmatch(str(parsed.id or "")) or not tables:
        raise InvalidContract("The contract needs an id (lower-case letters, digits, _) and at least one table.")
    if RESERVED.fullmatch(parsed.id):
        raise InvalidContract("That id has a meaning in the live database already; give the dataset another.")
    _require_once("The contract names a table twice.", [table.name for table in tables])
    contract = Contract(
        id=parsed.id,
        version=str(parsed.version or "0"),
        tables=tables,
        purposes=terms.purposes,
        digest=_digest(parsed),
        person_key=terms.personKey,
        project=terms.project,
        max_ttl=terms.maxTtl,
        row_filters={purpose: RowFilter(**dict(said)) for purpose, said in terms.rowFilters.items()},
        holdout=terms.holdout,
        max_suppressed=terms.maxSuppressed,
    )
    _require_known_references(contract)
    return contract


def _digest(parsed: Any) -> str:
    try:
        return digest(canonical_json(parsed.model_dump(mode="json", by_alias=True, exclude_none=True)))
    except ComplianceError as error:
        raise InvalidContract("The contract holds a number that has no exact form in JSON.") from error


def _require_once(sentence: str, names: list[str]) -> None:
    """No name stands twice; the live database does not tell upper case from lower case."""
    if len({name.lower() for name in names}) != len(names):
        raise InvalidContract(sentence)


def _table(schema: Any) -> Table:
    if not NAME.fullmatch(str(schema.name or "")) or not schema.properties:
        raise InvalidContract("Each table needs a plain name and columns.")
    columns = tuple(_column(schema.name, item) for item in schema.properties)
    _require_once(f"Table {schema.name} names a column twice.", [column.name for column in columns])
    rules = tuple(rule.model_dump(exclude_none=True) for rule in _quality(schema))
    return Table(schema.name, columns, rules)


def _quality(schema: Any) -> Iterator[Any]:
    for item in (schema, *schema.properties):
        for rule in item.quality or ():
            if item is not schema:
                rule.arguments = {**(rule.arguments or {}), "column": item.name}
            yield rule


def _column(table: str, item: Any) -> Column:
    from sandbox.treatments import TREATMENTS

    where, custom = f"{table}.{item.name}", _custom(item)
    if not NAME.fullmatch(str(item.name or "")):
        raise InvalidContract(f"A column of table {table} has no plain name.")
    if item.logicalType not in LOGICAL_TYPES:
        raise InvalidContract(f"{where}: the logical type is none of {', '.join(LOGICAL_TYPES)}.")
    if item.classification is not None and item.classification not in set(Class):
        raise InvalidContract(f"{where}: the class is none of {', '.join(Class)}.")
    treatment = custom.get("treatment")
    options = dict(treatment) if isinstance(treatment, Mapping) else {"name": treatment}
    name = options.pop("name", None)
    kind = custom.get("identifierKind")
    if name is not None and (not isinstance(name, str) or name not in TREATMENTS):
        raise InvalidContract(f"{where}: the treatment is none of {', '.join(sorted(TREATMENTS))}.")
    if kind is not None and not isinstance(kind, str):
        raise InvalidContract(f"{where}: the identifierKind is a text.")
    if name is not None:
        require_options(where, name, options)
    references = next((relation.to for relation in item.relationships or () if relation.to), None)
    return Column(
        name=item.name,
        logical_type=item.logicalType,
        class_=Class(item.classification) if item.classification else None,
        treatment=name,
        options=options,
        kind=kind or references or where,
        references=references,
        primary_key=bool(item.primaryKey),
        required=item.required is not False,
    )


def _custom(item: Any) -> dict[str, Any]:
    return {custom.property: custom.value for custom in item.customProperties or ()}


def _require_known_references(contract: Contract) -> None:
    known = contract.columns()
    named = {column.references for column in known.values() if column.references} | {contract.person_key} - {None}
    named |= {row_filter.column for row_filter in contract.row_filters.values()}
    for name in sorted(str(item) for item in named):
        if name not in known:
            raise InvalidContract(f"The contract refers to {name}, which it does not describe.")
