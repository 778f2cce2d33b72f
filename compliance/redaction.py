"""Bundles redacted for their reader: what an entry shows them, by rules that are data (`readers.yaml`).

A withheld entry leaves its leaf hash in its place, made from its bytes as they are and never taken from the database: a withheld
place can therefore not hide a change. Its number and time stand beside, as the maker's word.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any, ClassVar

import yaml
from psycopg import Connection

from compliance import verify
from compliance.canonical import canonical_json
from compliance.errors import ComplianceError
from compliance.findings import Finding

STANDING = ("prev", "recorded_at", "seq", "source", "source_seq")  # what of a withheld entry is told
TEXT_WITHHELD = "(text withheld)"
TOKEN, PIECE = re.compile(r"[\w.@|-]+"), re.compile(r"\w+")
# Everybody who acted as a person, and everybody a lease or a question is about, by first appearance; services are not people.
PEOPLE = """
WITH told AS (
    SELECT seq, actor AS name, position('"kind":"service"'::bytea IN canonical) > 0 AS service FROM ledger.entries
    WHERE seq <= %(size)s AND position('"kind":"system"'::bytea IN canonical) = 0
    UNION ALL
    SELECT seq, substring(encode(canonical, 'escape') FROM '"holder":"([^"]*)"'), NULL FROM ledger.entries
    WHERE seq <= %(size)s AND position('"holder":"'::bytea IN canonical) > 0
)
SELECT name FROM told WHERE name <> '' GROUP BY name HAVING NOT coalesce(bool_and(service), false) ORDER BY min(seq), name
"""


class UnknownReader(ComplianceError):
    """No rules say what such a reader may see."""

    code: ClassVar[str] = "reader_not_found"


@dataclass(frozen=True, slots=True)
class Rule:
    """What is withheld, and why; see `readers.yaml`."""

    rule: str
    why: str
    events: tuple[str, ...]
    people: bool
    tables: bool

    def names(self, event: str) -> bool:
        """The rule is about such entries."""
        return not self.events or any(event == one or (one.endswith(":") and event.startswith(one)) for one in self.events)


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom a bundle is made."""

    id: str
    title: str
    replaces_names: bool
    codes_only: bool
    rules: tuple[Rule, ...]


@cache
def readers() -> Mapping[str, Reader]:
    """The readers there are rules for, by id."""
    data = yaml.safe_load((resources.files("compliance") / "readers.yaml").read_text("utf-8"))
    return {
        name: Reader(
            name, one["title"], one["names"] != "keep", one["findings"] != "sentences",
            tuple(Rule(**rule | {"events": tuple(rule["events"])}) for rule in one["withhold"]),
        )
        for name, one in data["readers"].items()
    }  # fmt: skip


def load_reader(name: str) -> Reader:
    """The reader of that id. Raises UnknownReader."""
    if name not in readers():
        raise UnknownReader(f"No rules say what a reader '{name[:40]}' may see; there are {', '.join(readers())}.")
    return readers()[name]


@dataclass(slots=True)
class Redaction:
    """What one reader sees of entries; `people` are the names to replace, by what stands in their place."""

    reader: Reader
    people: Mapping[str, str] = field(default_factory=dict)
    withheld: Counter[str] = field(default_factory=Counter)
    odd: tuple[str, ...] = field(init=False)  # names that are more than one word, the longest first

    def __post_init__(self) -> None:
        self.odd = tuple(sorted((name for name in self.people if not TOKEN.fullmatch(name)), key=lambda name: (-len(name), name)))

    @classmethod
    def of(cls, connection: Connection[Any], reader: Reader, size: int) -> Redaction:
        """For a ledger of `size` entries: a person has the same number in every bundle of it."""
        found = connection.execute(PEOPLE, {"size": size}).fetchall() if reader.replaces_names else []
        made = cls(reader, {name: f"person {number}" for number, (name,) in enumerate(found, 1)})
        made.withheld.update(dict.fromkeys((rule.rule for rule in reader.rules), 0))
        return made

    def rule(self, entry: Mapping[str, Any] | None) -> Rule | None:
        """The rule by which the entry is withheld. One that cannot be read is, unless its reader sees everything of its kind."""
        for rule in self.reader.rules:
            if entry is None:
                if not rule.events:
                    return rule
            elif rule.names(entry["type"]) and (not rule.people or self._personal(entry)):
                return rule
        return None

    def line(self, raw: bytes, entry: Mapping[str, Any] | None, rule: Rule | None) -> bytes:
        """What stands in the entry's place: its bytes, or the hash of them."""
        if rule is None:
            return b" " + raw if raw.startswith(verify.WITHHELD) else raw  # nothing in a ledger may pass for a withheld place
        told = {name: entry[name] for name in STANDING if name in entry} if entry else {}
        return canonical_json({"leaf": hashlib.sha256(b"\x00" + raw).hexdigest(), "rule": rule.rule, "type": "withheld", **told})

    def shown(self, entry: Mapping[str, Any], rule: Rule | None) -> Mapping[str, Any] | None:
        """The entry as tables may have it; None where they may not."""
        if rule is not None and not rule.tables:
            return None
        return self._replaced(entry) if self.reader.replaces_names else entry

    def findings(self, found: Sequence[Finding]) -> list[Finding]:
        """The findings as the reader may see them."""
        if not self.reader.codes_only:
            return [replace(finding, sentence=self._name(finding.sentence)) for finding in found]
        said = "There is something to look at; what it is about is withheld from this bundle."
        return [replace(finding, sentence=said) for finding in found]

    def rows(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Rows of a table that was made elsewhere, with names replaced."""
        return [{name: self._value(value, texts=False) for name, value in row.items()} for row in rows]

    def as_json(self) -> dict[str, Any]:
        """What the bundle says of its reader, and of what is withheld from them."""
        why = {rule.rule: rule.why for rule in self.reader.rules}
        return {"reader": {"id": self.reader.id, "title": self.reader.title, "rules": why}, "withheld": dict(self.withheld)}

    def _personal(self, entry: Mapping[str, Any]) -> bool:
        return bool(entry["detail"].get("envelope")) or self._replaced(entry) != entry

    def _replaced(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        actor, thing = entry["actor"], entry["object"]
        return {
            **entry, "actor": {**actor, "id": self._name(actor["id"])}, "object": {**thing, "id": self._name(thing["id"])},
            "refs": self._value(entry["refs"], texts=False), "detail": self._value(entry["detail"], texts=True),
        }  # fmt: skip

    def _value(self, value: Any, *, texts: bool) -> Any:
        if isinstance(value, str):
            return TEXT_WITHHELD if texts and " " in value and value not in self.people else self._name(value)
        if isinstance(value, Mapping):
            return {self._name(name): self._value(item, texts=texts) for name, item in value.items()}
        return [self._value(item, texts=texts) for item in value] if isinstance(value, list | tuple) else value

    def _name(self, text: str) -> str:
        """`text` with the names of people replaced, also where they are a part of it."""
        if text in self.people:
            return self.people[text]
        for odd in self.odd:
            text = text.replace(odd, self.people[odd])
        return TOKEN.sub(self._part, text) if self.people else text

    def _part(self, found: re.Match[str]) -> str:
        part = found[0]
        return self.people.get(part) or PIECE.sub(lambda piece: self.people.get(piece[0], piece[0]), part)
