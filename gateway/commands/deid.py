"""`sallyport deid`: free text without identifiers; needs no running stack."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import click

from gateway.console import emit_json, fail, people, say
from sandbox.errors import SandboxError

SHORTEST_KEY = 32  # bytes
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """De-identify free text."""


@command.command()
@click.argument("input", type=FILE)
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--known", type=FILE, help="A CSV table whose rows say who the notes are of.")
@click.option("--key", default="patient_id", show_default=True, help="The field that joins notes and the known table.")
@click.option(
    "--engine",
    help="The language model: a spaCy package or folder, KIND:MODEL, or our own: sallyport:names; left out, the small spaCy one.",
)
@click.option("--processes", type=click.IntRange(0), default=0, help="How many processes; 0 is one for each core.")
@click.option(
    "--style", type=click.Choice(["tags", "surrogate"]), default="tags", show_default=True, help="What stands in their place."
)
@click.option("--key-file", type=FILE, help="A secret for surrogates, 32 bytes or more; left out, one is drawn for this run.")
@click.option("--json", "as_json", is_flag=True, help="A summary as JSON on standard output.")
def notes(
    input: Path, output: Path, known: Path | None, key: str, engine: str | None, processes: int, style: str,
    key_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Scrub the texts of INPUT (JSON Lines of note_id, text, ...) into OUTPUT; other fields stay as they are."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from sandbox.text import Scrubber
    from sandbox.text.engines import MODEL
    from sandbox.text.notes import scrub_file

    secret = _secret(key_file) if style == "surrogate" else None
    started = time.monotonic()
    columns = (TextColumn("scrubbing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=people, transient=True) as bar:
            task = bar.add_task("scrubbing", total=None)
            scrubber = Scrubber(engine=engine or MODEL, processes=processes)
            summary = scrub_file(
                input, output, scrubber, known=known, key=key,
                progress=lambda done, total: bar.update(task, completed=done, total=total), surrogate_key=secret,
            )  # fmt: skip
    except SandboxError as error:
        fail(error.code, str(error), "mend that and run the command again; nothing was written")
    seconds = round(time.monotonic() - started, 2)
    say(f"{summary.notes:,} notes scrubbed into {output} in {seconds} s; {sum(summary.removed.values()):,} identifiers removed")
    if as_json:
        emit_json(summary.as_json() | {"scrubber": dict(scrubber.recipe), "seconds": seconds})


def _secret(path: Path | None) -> bytes:
    """The key in the file, or one that dies with this run."""
    if path is None:
        return secrets.token_bytes(SHORTEST_KEY)
    key = path.read_bytes().strip()
    if len(key) < SHORTEST_KEY:
        fail("invalid_key", f"The key file holds fewer than {SHORTEST_KEY} bytes.", "write 32 random bytes or more into it")
    return key
