"""One pass over a period's entries: they are written out, and what they say together is found on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from compliance.reports import ReportFiles

REPORT_EVERY = 5_000


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
    events: dict[str, int] = field(default_factory=dict)
    last_hash: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)

    def add(self, seq: int, entry: Mapping[str, Any], since: str, until: str) -> None:
        """The entry is counted: its source's numbers, its time, its type, and what it refers to."""
        moment, number = entry["recorded_at"], entry["source_seq"]
        known = self.sources.setdefault(entry["source"], {"first": number, "last": number, "entries": 0})
        known["last"], known["entries"] = number, known["entries"] + 1
        if self.recorded and moment < self.recorded["last"]:
            self.clock_steps_back.append(seq)
        self.recorded = {"first": self.recorded["first"] if self.recorded else moment, "last": moment}
        self.outside += not since <= moment < until
        self.events[entry["type"]] = self.events.get(entry["type"], 0) + 1
        self.named.update((entry["object"]["id"], *entry["refs"].values()))
        if "envelope" in entry["detail"]:
            self.named.add(entry["detail"]["envelope"])


def gather(
    connection: Connection[Any], extent: Extent, period: tuple[str, str], folder: Path, *,
    attestations: Iterable[Attestation], matrix: ControlMatrix, watch: Watch, progress: Callable[[str, int, int], None],
) -> Gathered:  # fmt: skip
    """`folder` holds the entries, those next to them, the reports, the control matrix and the attestations referred to."""
    gathered = Gathered()
    with (folder / verify.ENTRIES).open("xb") as lines, ReportFiles(folder / "reports") as reports:
        for seq, raw in read(connection, after=extent.first - 1, until=extent.last):
            lines.write(raw + b"\n")
            entry = readable(raw)
            if entry:
                gathered.add(seq, entry, *period)
                reports.add(entry)
                matrix.add(entry)
                watch.add(entry)
            if seq % REPORT_EVERY == 0:
                progress("entries", seq - extent.first + 1, extent.entries)
    gathered.rows = reports.rows
    for name, beside in ((verify.BEFORE, extent.before), (verify.AFTER, extent.after)):
        for _, raw in read(connection, after=beside - 1, until=beside) if beside else ():
            (folder / name).write_bytes(raw)
    gathered.last_hash = _stored_hash(connection, extent.proof_end)
    _write_attestations(folder / "attestations", attestations, gathered.named)
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
        entry = json.loads(raw)
        texts = (entry["recorded_at"], entry["type"], entry["source"], entry["actor"]["id"], entry["object"]["id"])
        plain = all(isinstance(text, str) for text in texts) and isinstance(entry["source_seq"], int)
        return entry if plain and all(isinstance(entry[part], dict) for part in ("refs", "detail")) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _stored_hash(connection: Connection[Any], seq: int) -> str:
    row = connection.execute("SELECT hash FROM ledger.entries WHERE seq = %s", (seq,)).fetchone()
    return f"sha256:{bytes(row[0]).hex()}" if row else ""


def _write_attestations(folder: Path, attestations: Iterable[Attestation], named: set[str]) -> None:
    for attestation in attestations:
        data = canonical_json(attestation.envelope)
        name = digest(data)
        if attestation.of in named or name in named:
            folder.mkdir(exist_ok=True)
            (folder / f"{name.removeprefix('sha256:')}.dsse.json").write_bytes(data)
