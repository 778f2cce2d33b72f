"""Tables in texts and in JSON, wherever they stand in it and however they are turned: rows as objects or lists, columns as lists.

Places are told by number, since names of members can be values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

SENTENCE = "Numbers stand in a list, one perhaps for each person; see that they are aggregates."
IN_TEXT = "Lines are parted as a table's are, which is not checked as one; see that they are aggregates, or release a CSV file."
FEWEST_NUMBERS, FEWEST_LINES = 10, 5


def tables(value: Any, where: str = "") -> Iterator[tuple[str, list[list[str]]]]:
    """Place and rows, the header first, of every table in a JSON value; the place of the whole value is empty."""
    if found := _as_table(value):
        yield where, found
        return
    for name, inner in _members(value):
        yield from tables(inner, f"{where}{name}: ")


def numbers(value: Any, where: str = "") -> Iterator[str]:
    """The place of every long list of numbers (or of lists of them) that stands in no table."""
    if _as_table(value):
        return
    if isinstance(value, list) and len(value) >= FEWEST_NUMBERS and any(map(_is_number, _flat(value))):
        yield where.removesuffix(": ")
        return
    for name, inner in _members(value):
        yield from numbers(inner, f"{where}{name}: ")


def first_line_of_table(lines: Sequence[str]) -> int | None:
    """The number of the line at which lines begin that are parted alike and hold numbers, as a table's are; None without."""
    run, before = 0, ""
    for number, line in enumerate(lines, 1):
        parted = re.sub(r"[^,;|\t]", "", line) if re.search(r"\d", line) else ""
        run = run + 1 if parted and parted == before else 1 if parted else 0
        before = parted
        if run == FEWEST_LINES:
            return number - FEWEST_LINES + 1
    return None


def _as_table(value: Any) -> list[list[str]] | None:
    """The value as rows below a header; None when it is no table."""
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        header = list(dict.fromkeys(name for row in value for name in row))
        return [header, *([_text(row.get(name, "")) for name in header] for row in value)]
    if isinstance(value, dict) and value and all(isinstance(column, list) for column in value.values()):
        if len({len(column) for column in value.values()}) == 1 and len(value) > 1 and not any(map(_holds_more, value.values())):
            return [list(value), *([_text(part) for part in row] for row in zip(*value.values(), strict=True))]
        return None
    rows = isinstance(value, list) and len(value) > 1 and all(isinstance(row, list) and row for row in value)
    if rows and all(isinstance(part, str) for part in value[0]):
        return [[_text(part) for part in row] for row in value]
    return None


def _holds_more(column: list[Any]) -> bool:
    return any(isinstance(part, (list, dict)) for part in column)


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    yield from ((f"member {number}", inner) for number, inner in enumerate(inside, 1))


def _flat(value: list[Any]) -> Iterator[Any]:
    for part in value:
        if isinstance(part, list):
            yield from _flat(part)
        else:
            yield part


def _is_number(part: Any) -> bool:
    return isinstance(part, (int, float)) and not isinstance(part, bool)


def _text(part: Any) -> str:
    return "" if part is None else str(part)
