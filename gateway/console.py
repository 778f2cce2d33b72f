"""What every command prints and how it ends: JSON on standard output, sentences on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from rich.console import Console

DONE, REFUSED, WRONG_USAGE = 0, 1, 2

people = Console(stderr=True, highlight=False, soft_wrap=True)


def emit_json(value: Any) -> None:
    """`value` stands on standard output as one JSON document."""
    json.dump(value, sys.stdout, ensure_ascii=False, indent=None, default=str)
    sys.stdout.write("\n")
    sys.stdout.flush()


def say(sentence: str) -> None:
    """A person reading standard error has seen `sentence`; markup in it is not interpreted."""
    people.print(sentence, markup=False)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A person reading standard error has seen the rows as a table, or that there are none."""
    if not rows:
        people.print(f"{title}: none", markup=False)
        return
    from rich.table import Table
    from rich.text import Text

    made = Table(title=Text(title), title_justify="left")
    for place, column in enumerate(columns):
        made.add_column(Text(column), overflow="fold", no_wrap=place == 0)
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    people.print(made)


def fail(code: str, sentence: str, next_step: str | None = None, *, status: int = REFUSED) -> NoReturn:
    """The command has ended with `status` after saying what happened and what to do next."""
    people.print(f"error ({code}): {sentence}", markup=False, style="red")
    if next_step:
        people.print(f"  what to do: {next_step}", markup=False)
    raise SystemExit(status)
