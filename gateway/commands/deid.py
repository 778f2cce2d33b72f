"""`sallyport deid`: free text without identifiers; needs no running stack."""

from __future__ import annotations

import time
from pathlib import Path

import click

from gateway.console import emit_json, fail, people, say
from sandbox.errors import SandboxError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """De-identify free text."""


@command.command()
@click.argument("input", type=FILE)
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--known", type=FILE, help="A CSV table whose rows say who the notes are of.")
@click.option("--key", default="patient_id", show_default=True, help="The field that joins notes and the known table.")
@click.option("--processes", type=click.IntRange(0), default=0, help="How many processes; 0 is one for each core.")
@click.option("--json", "as_json", is_flag=True, help="A summary as JSON on standard output.")
def notes(input: Path, output: Path, known: Path | None, key: str, processes: int, as_json: bool) -> None:
    """Scrub the texts of INPUT (JSON Lines of note_id, text, ...) into OUTPUT; other fields stay as they are."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from sandbox.text import Scrubber
    from sandbox.text.notes import scrub_file

    started = time.monotonic()
    columns = (TextColumn("scrubbing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=people, transient=True) as bar:
            task = bar.add_task("scrubbing", total=None)
            summary = scrub_file(
                input, output, Scrubber(processes=processes), known=known, key=key,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )  # fmt: skip
    except SandboxError as error:
        fail(error.code, str(error), "mend the input and run the command again; nothing was written")
    seconds = round(time.monotonic() - started, 2)
    say(f"{summary.notes:,} notes scrubbed into {output} in {seconds} s; {sum(summary.removed.values()):,} identifiers removed")
    if as_json:
        emit_json(summary.as_json() | {"seconds": seconds})
