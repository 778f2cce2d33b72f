"""How things look in a notebook: small tables, and bars that show how far something is."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any


def table(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """`rows` as an HTML table; every value is escaped."""
    head = "".join(f"<th style='text-align: left'>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align: left'>{escape(_short(row.get(column)))}</td>" for column in columns) + "</tr>"
        for row in rows
    )
    return f"<b>{escape(title)}</b><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _short(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"{text[:19]}…" if text.startswith("sha256:") else text


class Progress:
    """A line that says how far something is, on a terminal and in a notebook; silent where nobody looks."""

    def __init__(self, what: str) -> None:
        self._what, self._shown = what, sys.stderr.isatty() or "ipykernel" in sys.modules

    def at(self, done: int, total: int) -> None:
        """`done` of `total` is reached."""
        if self._shown and total:
            filled = 24 * done // total
            sys.stderr.write(f"\r{self._what} [{'#' * filled}{'.' * (24 - filled)}] {done:,}/{total:,}")
            sys.stderr.flush()

    def end(self) -> None:
        """The line stays as it is."""
        if self._shown:
            sys.stderr.write("\n")
