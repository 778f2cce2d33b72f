"""`sallyport demo`: the main job, all doors, on the embedded stack."""

from __future__ import annotations

import time
from pathlib import Path

import click

from gateway.client import Refusal
from gateway.console import emit_json, fail, say
from gateway.demo.domains import DOMAINS
from gateway.embedded.home import Home
from gateway.errors import GatewayError

NEXT_STEPS = {
    "bubblewrap_missing": "install bubblewrap; `sallyport doctor` checks it",
    "half_initialised": "remove the home folder (its data is lost) and run the demo again",
    "part_missing": "run `make setup`, then `sallyport doctor`",
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object at the end on standard output, a key for each step.")
@click.option(
    "--domain", type=click.Choice(sorted(DOMAINS)), default="clinic", show_default=True, help="Which dataset to play on."
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of table files; the clinic is invented when none is given.",
)
@click.option("--keep-running", is_flag=True, help="Leave the stack running at the end.")
def command(as_json: bool, domain: str, data: Path | None, keep_running: bool) -> None:
    """Play the main job with named people on the embedded stack, from load to verified evidence."""
    from gateway.demo.story import play
    from sandbox.errors import SandboxError
    from sandbox.jail import find_bwrap

    chosen = DOMAINS[domain]
    if data is None and chosen.generate is None:
        raise click.UsageError(f"--domain {domain} needs --data: this project carries no rows of it")
    started = time.monotonic()
    home = Home.here()
    bundle = home.folder("exports") / f"demo-{domain}"
    try:
        find_bwrap()
        report = play(home, chosen, data=data, out=bundle, keep_running=keep_running)
    except Refusal as refusal:
        fail(refusal.problem_code, f"{refusal} [{', '.join(refusal.reasons)}]")
    except (GatewayError, SandboxError) as error:
        fail(error.code, str(error), NEXT_STEPS.get(error.code))
    report["seconds"] = round(time.monotonic() - started, 2)
    _where_next(home, bundle, report["seconds"], running=keep_running)
    if as_json:
        emit_json(report)


def _where_next(home: Home, bundle: Path, seconds: float, *, running: bool) -> None:
    say(f"done in {seconds:.1f} s. Where to look next:")
    say(f"  the evidence      {bundle}   (check it again: sallyport audit verify {bundle})")
    say(f"  everything else   {home.root}   (start it again: sallyport up; who may log in: sallyport status)")
    say("  your own data     sallyport dataset --help, sallyport snapshot build --help")
    say("the stack still runs; sallyport down stops it" if running else "the stack was left as it was found")
