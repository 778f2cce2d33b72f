"""A small contract and its rows, for the tests of contracts, sources and snapshots."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

PLANTED = "Quackenbush-Featherstone"
COLUMNS: dict[str, list[tuple[str, str, str, Any]]] = {
    "persons": [
        ("person_id", "string", "direct", "pseudonym"),
        ("name", "string", "direct", "suppress"),
        ("birth_date", "date", "quasi", {"name": "year", "width": 10, "oldest": 1930}),
        ("zip", "string", "quasi", "zip3"),
    ],
    "visits": [
        ("visit_id", "string", "direct", "pseudonym"),
        ("person_id", "string", "direct", "pseudonym"),
        ("day", "date", "quasi", {"name": "shift-date", "weekdays": True}),
        ("note", "string", "direct", "scrub"),
        ("score", "integer", "insensitive", "keep"),
    ],
}


def contract_text(columns: Mapping[str, Sequence[tuple[str, str, str | None, Any]]] = COLUMNS, **custom: Any) -> str:
    tables = []
    for table, described in columns.items():
        properties = []
        for name, logical_type, class_, treatment in described:
            item: dict[str, Any] = {"name": name, "logicalType": logical_type}
            if class_:
                item["classification"] = class_
            if treatment:
                item["customProperties"] = [{"property": "treatment", "value": treatment}]
                if name == "person_id":
                    item["customProperties"].append({"property": "identifierKind", "value": "person"})
            if name == "person_id" and table != "persons":
                item["relationships"] = [{"to": "persons.person_id", "type": "foreignKey"}]
            if name == described[0][0]:
                item["primaryKey"] = True
            properties.append(item)
        tables.append({"name": table, "logicalType": "object", "properties": properties})
    custom = {"personKey": "persons.person_id", "purposes": ["research"], "maxSuppressed": 0.5} | custom
    document = {
        "apiVersion": "v3.1.0", "kind": "DataContract", "id": "small", "version": "1.0.0", "status": "active", "schema": tables,
        "customProperties": [{"property": key, "value": value} for key, value in custom.items()],
    }  # fmt: skip
    return yaml.safe_dump(document)


def write_rows(folder: Path, persons: int = 24, **changes: str) -> Path:
    """Rows of which every two persons share decade and ZIP area; `changes` replace a whole file's text."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["person_id,name,birth_date,zip"]
    lines += [
        f"P{i:03d},Ada {PLANTED} {i},19{50 + 10 * (i % 2)}-0{1 + i % 9}-11,{10001 + 10000 * (i % 2)}" for i in range(persons)
    ]
    visits = [
        {
            "visit_id": f"V{i}-{j}", "person_id": f"P{i:03d}", "day": f"2024-03-{1 + 7 * j:02d}", "score": i,
            "note": f"Seen: Ada {PLANTED} {i}, born 19{50 + 10 * (i % 2)}-0{1 + i % 9}-11. Stable.",
        }
        for i in range(persons) for j in range(2)
    ]  # fmt: skip
    texts = {"persons.csv": "\n".join(lines) + "\n", "visits.jsonl": "".join(json.dumps(v) + "\n" for v in visits)}
    for name, text in {**texts, **{key.replace("__", "."): value for key, value in changes.items()}}.items():
        (folder / name).write_text(text, "utf-8")
    return folder
