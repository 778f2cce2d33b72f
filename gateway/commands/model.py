"""`sallyport model`: looks at a model without running anything of it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from gateway.console import emit_json, say
from promotion.scan import scan_model


@click.group()
def command() -> None:
    """Models, before they are submitted."""


@command.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def scan(path: Path, as_json: bool) -> None:
    """Is the model at PATH of a format that cannot run code? Exit 1 when it is refused."""
    report = scan_model(path)
    if as_json:
        emit_json(report.as_json())
    for finding in report.findings:
        say(f"  {finding.file}: {finding.detail} ({finding.code})")
    say("accepted" if report.accepted else "refused")
    sys.exit(0 if report.accepted else 1)
