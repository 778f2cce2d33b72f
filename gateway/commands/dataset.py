"""`sallyport dataset`: contracts and the live rows under them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from gateway.client import Gateway
from gateway.commands.caller import as_user
from gateway.console import emit_json, say

TABLE_FILES = ("*.csv", "*.csv.gz", "*.jsonl", "*.parquet")


@click.group()
def command() -> None:
    """Dataset contracts, and the live rows loaded under them."""


@command.command()
@click.argument("contract", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--project", required=True, help="The project whose people may work on its snapshots.")
@as_user
def register(gateway: Gateway, contract: Path, project: str) -> None:
    """Register CONTRACT (ODCS 3 YAML) as what its dataset is judged by."""
    emit_json(gateway.post("/v1/datasets", {"project": project, "contract": contract.read_text("utf-8")}))


@command.command()
@click.argument("dataset")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@as_user
def load(gateway: Gateway, dataset: str, folder: Path) -> None:
    """Load the rows of FOLDER's table files into the live tables of DATASET, replacing what they held."""
    loaded = send_rows(gateway, dataset, folder)
    say(f"{dataset}: " + ", ".join(f"{count:,} {table}" for table, count in loaded["rows"].items()))
    emit_json(loaded)


def send_rows(gateway: Gateway, dataset: str, folder: Path) -> Any:
    """The gateway has loaded the table files of `folder`; its answer."""
    paths = sorted({path for pattern in TABLE_FILES for path in folder.glob(pattern)})
    if not paths:
        raise click.BadParameter(f"no table file ({', '.join(TABLE_FILES)}) in {folder}")
    with ExitStack() as opened:
        files = [("files", (path.name, opened.enter_context(path.open("rb")))) for path in paths]
        return gateway.post(f"/v1/datasets/{dataset}/rows", files=files)


@command.command("list")
@as_user
def list_(gateway: Gateway) -> None:
    """The datasets of your projects."""
    emit_json(gateway.get("/v1/datasets"))
