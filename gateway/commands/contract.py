"""`sallyport contract`: contracts proposed from data, and what a contract lacks; needs no running stack."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from gateway.console import emit_json, fail, say
from sandbox.errors import SandboxError

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group()
def command() -> None:
    """Dataset contracts: propose one from data, check one."""


@command.command()
@click.argument("source", type=FOLDER)
@click.option("--id", "dataset", default=None, help="The dataset's id; the folder's name if not given.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="A file that does not exist yet; standard output if not given."
)
def init(source: Path, dataset: str | None, out: Path | None) -> None:
    """Propose a contract for the table files in SOURCE."""
    import re

    import yaml

    from sandbox.proposals import propose
    from sandbox.text import Scrubber

    name = dataset or re.sub(r"[^a-z0-9_]", "_", source.resolve().name.lower()).lstrip("_0123456789") or "dataset"
    if out is not None and out.exists():
        fail("out_exists", f"{out} exists already.", "name a file that does not exist yet")
    try:
        text = yaml.safe_dump(propose(source, name, Scrubber(processes=1)), sort_keys=False, allow_unicode=True)
    except SandboxError as error:
        fail(error.code, str(error), "give a folder of CSV, JSON Lines or Parquet files in UTF-8")
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, "utf-8")
    say("This is a proposal: read every line of it, then see `sallyport contract check` for what is missing.")


@command.command()
@click.argument("contract", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", type=FOLDER, help="Table files the contract is to describe.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON on standard output.")
def check(contract: Path, source: Path | None, as_json: bool) -> None:
    """Say what CONTRACT lacks before a snapshot can be built; exit 1 if anything."""
    from sandbox.contracts import load_contract
    from sandbox.proposals import findings, source_columns

    try:
        found = findings(load_contract(contract), source_columns(source) if source else None)
    except SandboxError as error:
        fail(error.code, str(error), "mend the contract and check it again")
    if as_json:
        emit_json({"complete": not found, "findings": [asdict(finding) for finding in found]})
    for finding in found:
        say(f"{finding.where}: {finding.detail} ({finding.code})")
    if found:
        raise SystemExit(1)
    say("The contract is complete.")
