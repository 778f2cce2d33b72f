"""A contract proposed from the data itself: types, keys, joins, and what names, statistics and the text scrubber say of columns.

A column that nothing speaks for is left without class or treatment: a person decides, and `findings` lists it till then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sandbox.contracts import Class, Contract
from sandbox.errors import SourceMismatch
from sandbox.table_files import ENDINGS, texts_of
from sandbox.text import Scrubber

SAMPLE = 200  # values of a column that are looked at
MOSTLY = 0.6  # of the sample
FREE_TEXT_WORDS = 6  # mean words of a value from which it is free text
DIRECT_KINDS = frozenset(("NAME", "EMAIL", "PHONE", "SSN", "ID", "ACCOUNT", "VEHICLE", "DEVICE", "IP", "URL"))
DIRECT_NAME = re.compile(
    r"(?:^|_)(?:ssn|mrn|name|surname|forename|first|last|given|maiden|email|phone|mobile|fax|street|address|city|passport|licen[cs]e|drivers"
    r"|account|iban|card|pan|plate|vin|device|serial|url|ip|user(?:name)?|employer|lat|lon)(?:_|$)",
    re.I,
)
QUASI_NAME = re.compile(
    r"(?:^|_)(?:sex|gender|race|ethnicity|marital|state|county|country|nationality|age|occupation|education)(?:_|$)", re.I
)
ZIP_NAME = re.compile(r"(?:^|_)(?:zip|postcode|postal)", re.I)
TYPES = (
    ("integer", r"-?\d{1,18}"),
    ("number", r"-?\d+(?:\.\d+)?(?:[eE]-?\d+)?"),
    ("boolean", r"(?i)(?:true|false)"),
    ("date", r"\d{4}-\d\d-\d\d"),
    ("timestamp", r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?"),
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a contract lacks, and where."""

    code: str
    where: str
    detail: str


def propose(folder: Path, dataset: str, scrubber: Scrubber) -> dict[str, Any]:
    """An Open Data Contract Standard document for the table files of a folder. Raises SourceMismatch."""
    frames = {name: texts_of(path) for name, path in sorted(_files(folder))}
    if not frames:
        raise SourceMismatch(f"The folder has no table files ({', '.join(ENDINGS)}).")
    keys = {name: key for name, frame in frames.items() if (key := _key(name, frame))}
    tables = [_table(name, frame, frames, keys, scrubber) for name, frame in frames.items()]
    persons = _person_table(frames, keys)
    custom = [{"property": "purposes", "value": []}]
    if persons:
        custom.append({"property": "personKey", "value": f"{persons}.{keys[persons]}"})
    return {
        "apiVersion": "v3.1.0", "kind": "DataContract", "id": dataset, "name": dataset, "version": "0.1.0", "status": "proposed",
        "customProperties": custom, "schema": tables,
    }  # fmt: skip


def findings(contract: Contract, columns: Mapping[str, Sequence[str]] | None = None) -> list[Finding]:
    """What a contract lacks before a snapshot can be built; `columns` are those of the source, by table."""
    found = [Finding("unclassified", name, "has no class or no treatment") for name in contract.unclassified]
    if not contract.purposes:
        found.append(Finding("no_purpose", contract.id, "names no purpose that live access can be for"))
    if contract.person_key is None:
        found.append(Finding("no_person_key", contract.id, "says of no column that it names a person"))
    for name, column in contract.columns().items():
        if column.class_ is Class.DIRECT and column.treatment == "keep":
            found.append(Finding("direct_kept", name, "identifies directly and is kept as it is"))
    for table in contract.tables:
        if not any(column.primary_key for column in table.columns):
            found.append(Finding("no_primary_key", table.name, "has no primary key"))
        if columns is not None:
            described = {column.name for column in table.columns}
            if table.name not in columns:
                found.append(Finding("no_table", table.name, "is not in the source"))
            found += [
                Finding("new_column", f"{table.name}.{c}", "is not described")
                for c in columns.get(table.name, ())
                if c not in described
            ]
    return found


def source_columns(folder: Path) -> dict[str, list[str]]:
    """Table -> the columns of its file."""
    return {name: texts_of(path).columns for name, path in _files(folder)}


def _files(folder: Path) -> Iterable[tuple[str, Path]]:
    for path in folder.iterdir():
        ending = next((e for e in ENDINGS if path.name.endswith(e)), None)
        if ending and path.is_file():
            yield path.name.removesuffix(ending), path


def _key(table: str, frame: pl.DataFrame) -> str | None:
    """The column that is unique and never missing, the one named after the table first."""
    able = [c for c in frame.columns if frame.height and frame[c].null_count() == 0 and frame[c].n_unique() == frame.height]
    likely = [c for c in able if re.fullmatch(r"(?i)(?:.*_)?(?:id|key|code|number|uuid)", c)]
    own = [c for c in likely if c.lower().removesuffix("_id") in table.lower()]
    return next(iter([*own, *likely]), None)


def _person_table(frames: Mapping[str, pl.DataFrame], keys: Mapping[str, str]) -> str | None:
    """The table whose key most other tables refer to, if its columns name somebody."""
    counts = {name: sum(keys[name] in frame.columns for other, frame in frames.items() if other != name) for name in keys}
    named = [name for name in counts if any(DIRECT_NAME.search(column) for column in frames[name].columns)]
    return max(named, key=lambda name: counts[name], default=None)


def _table(
    name: str, frame: pl.DataFrame, frames: Mapping[str, pl.DataFrame], keys: Mapping[str, str], scrubber: Scrubber
) -> dict[str, Any]:
    properties = []
    for column in frame.columns:
        values = frame[column].drop_nulls()
        item: dict[str, Any] = {"name": column, "logicalType": _type(values)}
        home = next((t for t, k in keys.items() if k == column and t != name and _within(values, frames[t][k])), None)
        if keys.get(name) == column:
            item["primaryKey"] = True
        elif home:
            item["relationships"] = [{"type": "foreignKey", "to": f"{home}.{column}"}]
        if frame[column].null_count():
            item["required"] = False
        class_, treatment = (
            ("direct", "pseudonym") if keys.get(name) == column or home else _class(column, item["logicalType"], values, scrubber)
        )
        if class_:
            item["classification"] = class_
            item["customProperties"] = [{"property": "treatment", "value": treatment}]
            if treatment == "pseudonym":
                item["customProperties"].append({"property": "identifierKind", "value": column.lower()})
        properties.append(item)
    return {"name": name, "logicalType": "object", "properties": properties}


def _class(column: str, logical_type: str, values: pl.Series, scrubber: Scrubber) -> tuple[str | None, Any]:
    """(class, treatment) where something speaks for one."""
    if ZIP_NAME.search(column):
        return "quasi", "zip3"
    if logical_type in ("date", "timestamp"):
        return "quasi", {"name": "year", "width": 10, "oldest": 1930} if "birth" in column.lower() else {"name": "year"}
    if QUASI_NAME.search(column):
        return "quasi", {
            "name": "bin",
            "width": 10,
            "highest": 90,
        } if column.lower() == "age" and logical_type == "integer" else "keep"
    if DIRECT_NAME.search(column):
        return "direct", "suppress"
    if logical_type != "string" or values.is_empty():
        return None, None
    sample = values.unique(maintain_order=True).head(SAMPLE).to_list()
    if sum(len(value.split()) for value in sample) / len(sample) >= FREE_TEXT_WORDS:
        return "direct", "scrub"
    telling = sum(bool({found.kind for found in scrubber.find(value)} & DIRECT_KINDS) for value in sample)
    return ("direct", "suppress") if telling >= MOSTLY * len(sample) else (None, None)


def _type(values: pl.Series) -> str:
    for name, expression in TYPES:
        if len(values) and values.str.contains(f"^(?:{expression})$").all():
            leading_zero = name == "integer" and values.str.contains(r"^-?0\d").any()
            return "string" if leading_zero else name
    return "string"


def _within(values: pl.Series, keys: pl.Series) -> bool:
    return bool(len(values)) and bool(values.is_in(keys.implode()).all())
