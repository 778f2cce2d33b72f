"""How things look in a notebook: small tables, and bars that show how far something is."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any


def table(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], note: str = "") -> str:
    """`rows` as an HTML table with a sentence below it; every value is escaped."""
    head = "".join(f"<th style='text-align: left'>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td style='text-align: left'>{escape(_short(row.get(column)))}</td>" for column in columns) + "</tr>"
        for row in rows
    )
    below = f"<p>{escape(note)}</p>" if note else ""
    return f"<b>{escape(title)}</b><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"


def _short(value: Any) -> str:
    text = "" if value is None else ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return f"{text[:19]}…" if text.startswith("sha256:") else text


class Progress:
    """How far something is: a bar in a notebook, a line on a terminal; silent where nobody looks."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._handle: Any = None
        self._notebook, self._terminal = "ipykernel" in sys.modules, sys.stderr.isatty()

    def at(self, done: int, total: int | None) -> None:
        """`done` of `total` is reached; None where nobody knows how much there will be."""
        if self._notebook:
            self._show(bar(self._what, done, total))
        elif self._terminal and total:
            filled = 24 * done // total
            sys.stderr.write(f"\r{self._what} [{'#' * filled}{'.' * (24 - filled)}] {done:,}/{total:,}")
            sys.stderr.flush()
        elif self._terminal:
            sys.stderr.write(f"\r{self._what}: {done:,} done")
            sys.stderr.flush()

    def end(self) -> None:
        """The bar is gone; the line stays as it is."""
        if self._handle is not None:
            self._show("")
        elif self._terminal:
            sys.stderr.write("\n")

    def _show(self, html: str) -> None:
        from IPython import display

        shown: Any = display  # its functions have no types
        if self._handle is None:
            self._handle = shown.display(shown.HTML(html), display_id=True)
        else:
            self._handle.update(shown.HTML(html))


def bar(what: str, done: int, total: int | None) -> str:
    """The bar as HTML; one that only moves where `total` is not known."""
    share = f"max='{int(total)}' value='{int(done)}'" if total else ""
    number = f"{done:,} of {total:,}" if total else f"{done:,} done"
    return f"{escape(what)} <progress {share}></progress> {number}"
