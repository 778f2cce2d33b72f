"""One pass over a period's entries: they are written out, and what they say together is found on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from psycopg import Connection

from compliance import verify
from compliance.canonical import canonical_json, digest
from compliance.controls import ControlMatrix
from compliance.extent import Extent
from compliance.findings import Watch
from compliance.ledger import read
from compliance.redaction import Redaction
from compliance.reports import ReportFiles

REPORT_EVERY = 5_000
AGAINST = ("deny", "refused", "failed")


@dataclass(frozen=True, slots=True)
class Attestation:
    """A signed statement and the id of what it is about (a snapshot, a promotion), by which entries refer to it."""

    of: str
    envelope: Mapping[str, Any]


@dataclass(slots=True)
class Gathered:
    """What the entries of a period say together."""

    sources: dict[str, dict[str, int]] = field(default_factory=dict)
    recorded: dict[str, str] | None = None
    clock_steps_back: list[int] = field(default_factory=list)
    outside: int = 0
    denied: int = 0
    events: dict[str, int] = field(default_factory=dict)
    last_hash: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    first: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    actors: set[str] = field(default_factory=set)
    days: dict[str, list[int]] = field(default_factory=dict)  # day -> how many came to be, and how many did not
    wanted: Collection[Any] = ()  # the attestations there are, by digest and by what they are about
    named: set[str] = field(default_factory=set)  # those of them that entries refer to

    def add(self, seq: int, entry: Mapping[str, Any], since: str, until: str) -> None:
        """The entry is counted: its source's numbers, its time and its type."""
        moment, number = entry["recorded_at"], entry["source_seq"]
        known = self.sources.setdefault(entry["source"], {"first": number, "last": number, "entries": 0})
        known["last"], known["entries"] = number, known["entries"] + 1
        if self.recorded and moment < self.recorded["last"]:
            self.clock_steps_back.append(seq)
        self.recorded = {"first": self.recorded["first"] if self.recorded else moment, "last": moment}
        self.denied += entry["outcome"] in ("deny", "refused")
        self.outside += not since <= moment < until
        self.events[entry["type"]] = self.events.get(entry["type"], 0) + 1
        self.actors.add(entry["actor"]["id"])
        self.days.setdefault(moment[:10], [0, 0])[entry["outcome"] in AGAINST] += 1

    def refer(self, entry: Mapping[str, Any]) -> None:
        """The attestations that the entry refers to go with it."""
        for name in (entry["object"]["id"], entry["detail"].get("envelope"), *entry["refs"].values()):
            if isinstance(name, str) and name in self.wanted:
                self.named.add(name)


def gather(
    connection: Connection[Any], extent: Extent, period: tuple[str, str], folder: Path, *,
    attestations: Iterable[Attestation], matrix: ControlMatrix, watch: Watch, redaction: Redaction,
    progress: Callable[[str, int, int], None],
) -> Gathered:  # fmt: skip
    """`folder` holds what the reader may see of the entries and of those next to them, the reports, and the attestations."""
    signed = {digest(data := canonical_json(one.envelope)): (one.of, data) for one in attestations}
    gathered = Gathered(wanted=frozenset(signed) | {of for of, _ in signed.values()})
    with (folder / verify.ENTRIES).open("xb") as lines, ReportFiles(folder / "reports") as reports:
        for seq, raw in read(connection, after=extent.first - 1, until=extent.last):
            rule = redaction.rule(entry := readable(raw))
            lines.write(redaction.line(raw, entry, rule) + b"\n")
            if rule:
                redaction.withheld[rule.rule] += 1
            elif entry:
                gathered.refer(entry)
            if entry:
                gathered.add(seq, entry, *period)
                matrix.add(entry)
                watch.add(entry)
                if shown := redaction.shown(entry, rule):
                    reports.add(shown)
            if seq % REPORT_EVERY == 0:
                progress("entries", seq - extent.first + 1, extent.entries)
    gathered.rows, gathered.first = reports.rows, reports.first
    for name, beside in ((verify.BEFORE, extent.before), (verify.AFTER, extent.after)):
        for _, raw in read(connection, after=beside - 1, until=beside) if beside else ():
            rule = redaction.rule(entry := readable(raw))
            (folder / name).write_bytes(redaction.line(raw, entry, rule))
    gathered.last_hash = _stored_hash(connection, extent.proof_end)
    _write_attestations(folder / "attestations", signed, gathered.named)
    return gathered


def earlier_entries(connection: Connection[Any], extent: Extent, events: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The entries before the period of these types."""
    if not events:
        return
    with connection.cursor() as rows:
        rows.execute("SELECT canonical FROM ledger.entries WHERE seq < %s AND type = ANY(%s)", (extent.first, list(events)))
        for (raw,) in rows:
            entry = readable(bytes(raw))
            if entry:
                yield entry


def readable(raw: bytes) -> dict[str, Any] | None:
    """The entry in `raw`, or None for bytes that nobody wrote as an entry; the verifier will name them."""
    try:
        entry = json.loads(raw, strict=False)  # as the verifier reads it, so that nothing it takes is left out
        texts = [entry[name] for name in ("type", "outcome", "source", "recorded_at", "occurred_at")]
        texts += [entry["actor"]["id"], entry["object"]["type"], entry["object"]["id"]]
        whole = (
            all(isinstance(text, str) for text in texts) and verify.MOMENT.fullmatch(entry["recorded_at"])
            and all(type(entry[name]) is int for name in ("seq", "source_seq"))
            and all(isinstance(entry[name], dict) for name in ("refs", "detail"))
            and all(isinstance(names, list) for names in (entry["reasons"], entry["actor"]["roles"]))
            and (entry["project"] is None or isinstance(entry["project"], str))
        )  # fmt: skip
        return entry if whole else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _stored_hash(connection: Connection[Any], seq: int) -> str:
    row = connection.execute("SELECT hash FROM ledger.entries WHERE seq = %s", (seq,)).fetchone()
    return f"sha256:{bytes(row[0]).hex()}" if row else ""


def _write_attestations(folder: Path, signed: Mapping[str, tuple[str, bytes]], named: set[str]) -> None:
    for name, (of, data) in signed.items():
        if of in named or name in named:
            folder.mkdir(exist_ok=True)
            (folder / f"{name.removeprefix('sha256:')}.dsse.json").write_bytes(data)
