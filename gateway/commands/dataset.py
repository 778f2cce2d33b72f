"""`sallyport dataset`: contracts and the live rows under them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from gateway.client import Gateway
from gateway.commands.caller import as_role
from gateway.console import emit_json, fail, say

DEFAULT_PROJECT = "default"


@click.group()
def command() -> None:
    """Dataset contracts, and the live rows loaded under them."""


@command.command()
@click.argument("contract", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--project", help="The project whose people may work on its snapshots; default: the contract's, else 'default'.")
@as_role("data-steward")
def register(gateway: Gateway, contract: Path, project: str | None) -> None:
    """Register CONTRACT (ODCS 3 YAML) as what its dataset is judged by."""
    emit_json(new_dataset(gateway, contract, project))


def new_dataset(gateway: Gateway, contract: Path, project: str | None) -> Any:
    """The dataset as the gateway registered it. Raises Refusal."""
    from sandbox.contracts import load_contract
    from sandbox.errors import InvalidContract

    try:
        text = contract.read_text("utf-8")
        named = load_contract(text).project
    except (InvalidContract, UnicodeDecodeError) as error:
        fail("invalid_contract", f"{contract}: {error if isinstance(error, InvalidContract) else 'this is no text in UTF-8'}")
    return gateway.post("/v1/datasets", {"project": project or named or DEFAULT_PROJECT, "contract": text})


@command.command()
@click.argument("dataset")
@click.argument("source")
@as_role("data-steward")
def load(gateway: Gateway, dataset: str, source: str) -> None:
    """Load the table files of SOURCE (a folder or URL) into the live tables of DATASET, replacing what they held."""
    from gateway.commands.table_files import table_files

    with table_files(source) as paths:
        loaded = send_rows(gateway, dataset, paths)
    say(f"{dataset}: " + ", ".join(f"{count:,} {table}" for table, count in loaded["rows"].items()))
    emit_json(loaded)


def send_rows(gateway: Gateway, dataset: str, paths: Mapping[str, Path]) -> Any:
    """The gateway has loaded the table files, by the names they are sent under; its answer."""
    with ExitStack() as opened:
        files = [("files", (name, opened.enter_context(path.open("rb")))) for name, path in paths.items()]
        return gateway.post(f"/v1/datasets/{dataset}/rows", files=files)


@command.command()
@click.argument("dataset")
@click.option(
    "--person-file", type=click.File(encoding="utf-8"), help="A file that holds the person's key alone, '-' for standard input."
)
@click.option("--json", "as_json", is_flag=True, help="What went, as JSON on standard output.")
@as_role("data-steward")
def erase(gateway: Gateway, dataset: str, person_file: Any, as_json: bool) -> None:
    """Take a person out of the live tables of DATASET and out of every snapshot that holds them, and build one anew.

    The person's key is asked for without being shown, or read from --person-file: never an argument, which others would see.
    """
    person = person_file.read().strip("\r\n") if person_file else click.prompt("The person's key", hide_input=True, err=True)
    done = gateway.post(f"/v1/datasets/{dataset}/erasures", {"person": person})
    say(f"{dataset}: " + ", ".join(f"{count:,} rows of {name}" for name, count in done["rows"].items()) + " erased")
    say(f"{len(done['snapshots']):,} snapshots held the person; their files are gone")
    if done["rebuild"]:
        say(f"snapshot {done['rebuild']} is being built in their place")
    if as_json:
        emit_json(done)


@command.command("list")
@as_role("data-steward")
def list_(gateway: Gateway) -> None:
    """The datasets of your projects."""
    emit_json(gateway.get("/v1/datasets"))
