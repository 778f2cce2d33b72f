"""Notes in a JSON Lines file, scrubbed into another: whole or not at all, no value in any error."""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.errors import InvalidNotes
from sandbox.text.scrubber import Scrubber
from sandbox.text.surrogates import Surrogates
from sandbox.treatments.keyed import Keyed

TEXT, ID = "text", "note_id"
SHIFT_KIND = "note-shift"


@dataclass(frozen=True, slots=True)
class Summary:
    """What was done: notes read, notes that held an identifier, and identifiers removed by kind."""

    notes: int
    notes_changed: int
    removed: Mapping[str, int]

    def as_json(self) -> dict[str, Any]:
        return {"notes": self.notes, "notes_changed": self.notes_changed, "removed": dict(self.removed)}


def scrub_file(
    given: Path, out: Path, scrubber: Scrubber, *, known: Path | None = None, key: str = "patient_id",
    progress: Callable[[int, int], None] = lambda done, total: None, surrogate_key: bytes | None = None,
) -> Summary:  # fmt: skip
    """`out` holds the rows of `given` with scrubbed texts, other fields as they were; on failure `out` is as before.

    With `known`, a CSV table, everything that the row of the same `key` says is removed too. With `surrogate_key`
    surrogates stand where tags would, the same for the same person and key. Raises InvalidNotes.
    """
    rows = list(read_notes(given))
    records = _records(rows, known, key) if known else [{} for _ in rows]
    texts = [row[TEXT] for row in rows]
    progress(0, len(rows))
    instead = [_surrogates(surrogate_key, str(row.get(key) or row[ID])) for row in rows] if surrogate_key else []
    clean = scrubber.scrub_all(texts, records, lambda done: progress(done, len(rows)), instead)
    removed: Counter[str] = Counter()
    for one in clean:
        removed.update(one.removed)
    _write(out, ({**row, TEXT: one.text} for row, one in zip(rows, clean, strict=True)))
    return Summary(len(rows), sum(bool(one.removed) for one in clean), dict(sorted(removed.items())))


def _surrogates(key: bytes, person: str) -> Surrogates:
    """Dates move back by 13 to 23 months, so that neither year nor month stays."""
    drawn = int.from_bytes(Keyed(key).mac(SHIFT_KIND, person)[:8])
    return Surrogates(key, -(397 + drawn % 304))


def read_notes(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file of notes. Raises InvalidNotes naming line and field."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip(b" \t\r\n\xef\xbb\xbf"):
                    yield _row(number, line)
    except OSError as error:
        raise InvalidNotes(f"The file of notes cannot be read: {error.strerror}.") from error


def read_known(path: Path, key: str) -> dict[str, dict[str, str]]:
    """`key` -> everything the table's rows with it say. Raises InvalidNotes."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    records: dict[str, dict[str, str]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if key not in (reader.fieldnames or ()):
                raise InvalidNotes(f"The known table has no column {key}.")
            for number, row in enumerate(reader):
                said = {f"{name} {number}": value for name, value in row.items() if isinstance(value, str) and value.strip()}
                records.setdefault(row[key] or "", {}).update(said)
    except UnicodeDecodeError as error:
        raise InvalidNotes("The known table is not UTF-8.") from error
    except (OSError, csv.Error) as error:
        raise InvalidNotes("The known table cannot be read as CSV.") from error
    return records


def _row(number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidNotes(f"Line {number} is not UTF-8.") from error
    except (ValueError, RecursionError) as error:
        # `from None`: the parser's own message and the line it holds must not reach a traceback.
        raise InvalidNotes(f"Line {number} is no JSON ({type(error).__name__}).") from None
    if not isinstance(row, dict):
        raise InvalidNotes(f"Line {number} is no JSON object.")
    for name in (ID, TEXT):
        if name not in row:
            raise InvalidNotes(f"Line {number} has no field {name}.")
    if row[TEXT] is not None and not isinstance(row[TEXT], str):
        raise InvalidNotes(f"Line {number}: the field {TEXT} is no string.")
    return row


def _records(rows: list[dict[str, Any]], known: Path, key: str) -> list[dict[str, str]]:
    from sandbox.text.known import without_categories

    table = without_categories(read_known(known, key))
    missing = [number for number, row in enumerate(rows, 1) if str(row.get(key, "")) not in table]
    if missing:
        raise InvalidNotes(
            f"{len(missing):,} of {len(rows):,} notes (the first is number {missing[0]}) have a {key} that the known table lacks."
        )
    return [table[str(row[key])] for row in rows]


def _write(out: Path, rows: Iterator[dict[str, Any]]) -> None:
    partial = out.with_name(out.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            for row in rows:
                file.write(_line(row))
        partial.replace(out)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InvalidNotes(f"The scrubbed notes cannot be written: {error.strerror}. Nothing was kept.") from error
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _line(row: Mapping[str, Any]) -> str:
    line = json.dumps(row, ensure_ascii=False)
    try:
        line.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can hold and UTF-8 cannot
        line = json.dumps(row)
    return line + "\n"
