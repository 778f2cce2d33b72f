"""`sallyport reproduce`: a promoted model trained again, and compared."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gateway.client import Gateway
from gateway.commands.caller import as_role
from gateway.console import emit_json, say

SAID = {
    "bytes": "the same bytes",
    "metrics": "other bytes, the same metrics",
    "differs": "neither the same bytes nor the same metrics",
}
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("digest")
@click.argument("arguments", nargs=-1)
@click.option("--script", type=FILE, help="What trained the model, where its run did not log it; its digest must be the run's.")
@click.option("--with", "beside", multiple=True, type=FILE, help="A file the script finds beside itself.")
@click.option("--tolerance", default=0.0, show_default=True, help="How far a metric may differ.")
@click.option("--timeout", default=600, show_default=True, help="Seconds after which the training is ended.")
@click.option("--memory", default=4096, show_default=True, help="Mebibytes the training may use.")
@as_role("data-scientist")
def command(
    gateway: Gateway, digest: str, arguments: tuple[str, ...], script: Path | None, beside: tuple[Path, ...], tolerance: float,
    timeout: int, memory: int,
) -> None:  # fmt: skip
    """Train the promoted model of DIGEST again, in the jail, from the code, snapshot and arguments its run recorded.

    Exit 0 when its files are the same bytes (MLflow's own MLmodel aside), or its metrics the same within the tolerance.
    """
    from gateway.reproducing import reproduce

    code = (script, *beside) if script else ()
    found = reproduce(
        gateway, digest, code=code, arguments=arguments, tolerance=tolerance, timeout=timeout, memory_mb=memory
    )  # fmt: skip
    say(f"trained again from snapshot {found.snapshot[:19]} as run {found.again}: {SAID[found.outcome]}")
    for name in found.files:
        say(f"  differs: {name}")
    for name, value in found.metrics.items():
        say(f"  {name}: {value:+.6f}")
    emit_json(found.as_json())
    sys.exit(0 if found.outcome != "differs" else 1)
