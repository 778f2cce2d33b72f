"""`sallyport backup` and `sallyport restore`: the whole embedded stack in one file, and back."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.console import emit_json, fail, say
from gateway.embedded.home import Home
from gateway.errors import GatewayError


@click.command()
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A file that does not exist yet.")
@click.option("--json", "as_json", is_flag=True, help="What was written as JSON on standard output.")
def backup(out: Path, as_json: bool) -> None:
    """Write everything the stack holds to the new file OUT, while it runs or not. Who has OUT has all of it."""
    from gateway.operations.backups import back_up

    try:
        made = back_up(Home.here(), out.absolute(), lambda step: say(f"  {step}"))
    except GatewayError as error:
        fail(error.code, str(error))
    if as_json:
        emit_json(made)
    say(f"written to {out}: {made['bytes']:,} bytes, {made['files']} files, {made['digest']}")
    say(f"it is not encrypted and holds {made['holds']}; keep it as you keep those")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--digest", help="sha256:... that FILE must have, as `sallyport backup` said.")
@click.option("--json", "as_json", is_flag=True, help="What was restored as JSON on standard output.")
def restore(file: Path, digest: str | None, as_json: bool) -> None:
    """Make the empty home what it was when the backup FILE was written; then run `sallyport up`."""
    from gateway.operations.restoring import restore as bring_back

    try:
        made = bring_back(Home.here(), file, digest)
    except GatewayError as error:
        fail(error.code, str(error), "check the file against the digest that `sallyport backup` said")
    if as_json:
        emit_json(made)
    say(f"{made['files']} files of the backup of {made['made_at']} are in {made['home']}; run `sallyport up`")
    if not made["ports_kept"]:
        say("its ports are taken on this machine, so it has others; `sallyport up` says where the gateway is")
