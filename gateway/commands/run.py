"""`sallyport run`: a script on a snapshot, in an isolated process with no network and no sight of live data."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import click

from gateway.client import Gateway
from gateway.commands.caller import as_role
from gateway.console import emit_json, fail, say
from gateway.errors import GatewayError

RESULT = "result.json"


@click.command()
@click.argument("script", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("arguments", nargs=-1)
@click.option("--snapshot", required=True, help="A snapshot's id or digest; its files are where SALLYPORT_SNAPSHOT says.")
@click.option(
    "--with",
    "beside",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file the script finds beside itself; may be given several times.",
)
@click.option("--timeout", default=600, show_default=True, help="Seconds after which the process is ended.")
@click.option("--memory", default=4096, show_default=True, help="Mebibytes the process may use.")
@click.option("--out", type=click.Path(path_type=Path), help="Keep what the script wrote to SALLYPORT_WORK in this new folder.")
@as_role("data-scientist")
def command(
    gateway: Gateway,
    script: Path,
    arguments: tuple[str, ...],
    snapshot: str,
    beside: tuple[Path, ...],
    timeout: int,
    memory: int,
    out: Path | None,
) -> None:
    """Run SCRIPT (Python) on a snapshot, isolated; it reaches the gateway's MLflow and nothing else.

    What the script writes to result.json in the folder SALLYPORT_WORK is printed on standard output.
    """
    from gateway.sandbox_run import run_script
    from sandbox.jail import Limits

    if out and out.exists():
        fail("out_exists", f"{out} exists already.", "name a folder that does not exist yet")
    work = Path(tempfile.mkdtemp(prefix="sallyport-work-"))
    try:
        outcome = run_script(
            gateway,
            [script, *beside],
            arguments,
            snapshot=snapshot,
            work=work,
            limits=Limits(memory_mb=memory),
            timeout=timeout,
        )
        sys.stderr.write(outcome.stdout + outcome.stderr)
        if outcome.timed_out:
            fail("timed_out", f"The script was ended after {timeout} seconds.", "give it longer with --timeout")
        if outcome.exit_code:
            fail("script_failed", f"The script ended with status {outcome.exit_code}.")
        result = work / RESULT
        emit_json(json.loads(result.read_text("utf-8")) if result.is_file() else {})
        if out:
            shutil.copytree(work, out)
            say(f"kept in {out}")
    except GatewayError as error:
        fail(error.code, str(error))
    finally:
        shutil.rmtree(work, ignore_errors=True)
