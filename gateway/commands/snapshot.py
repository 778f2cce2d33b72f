"""`sallyport snapshot`: de-identified snapshots, built by the gateway's worker and fetched as files."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from gateway.client import Gateway
from gateway.commands.caller import as_role
from gateway.commands.snapshot_files import diff, show, verify
from gateway.console import emit_json, fail, people, say

POLL_SECONDS = 0.4


@click.group()
def command() -> None:
    """De-identified snapshots of live datasets."""


@command.command()
@click.argument("contract", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", required=True, help="A folder or URL of table files, or 'live': rows loaded before.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A folder that does not exist yet.")
@click.option("--project", help="The project the snapshot belongs to; default: the contract's, else 'default'.")
@click.option(
    "--engine", type=click.Choice(["local", "spark"]), default="local", show_default=True, help="What runs the treatments."
)
@click.option("--json", "as_json", is_flag=True, help="The snapshot as JSON on standard output.")
@as_role("data-steward", start=True)
def build(gateway: Gateway, contract: Path, source: str, out: Path, project: str | None, engine: str, as_json: bool) -> None:
    """Build a snapshot under CONTRACT from SOURCE and write its files to OUT."""
    from gateway.commands.dataset import new_dataset, send_rows
    from gateway.commands.table_files import table_files

    if out.exists():
        fail("out_exists", f"{out} exists already.", "name a folder that does not exist yet")
    dataset = new_dataset(gateway, contract, project)
    if source != "live":
        with table_files(source) as paths:
            send_rows(gateway, dataset["id"], paths)
    snapshot = watch(gateway, gateway.post("/v1/snapshots", {"dataset": dataset["id"], "engine": engine}))
    if snapshot["state"] != "built":
        fail(snapshot["code"], snapshot["detail"])
    fetch(gateway, snapshot["id"], out)
    say(f"snapshot {snapshot['digest']} written to {out}")
    if as_json:
        emit_json(snapshot | {"path": str(out)})


def watch(gateway: Gateway, snapshot: dict[str, Any]) -> dict[str, Any]:
    """The snapshot once its build has ended, with progress shown till then."""
    with people.status("building the snapshot") as status:
        while snapshot["state"] in ("queued", "building"):
            progress = snapshot["progress"]
            if progress:
                status.update(f"building the snapshot: {progress['step']} {progress['done']:,}/{progress['total']:,}")
            time.sleep(POLL_SECONDS)
            snapshot = gateway.get(f"/v1/snapshots/{snapshot['id']}")
    return snapshot


def predicate(snapshot: Mapping[str, Any]) -> Any:
    """What the snapshot's signed manifest says; `verify_snapshot` is what checks the signature."""
    statement = json.loads(base64.b64decode(snapshot["envelope"]["payload"]))
    return statement["predicate"]


def fetch(gateway: Gateway, snapshot: str, out: Path) -> None:
    """`out` holds the snapshot's files."""
    partial = out.with_name(out.name + ".partial")
    partial.mkdir(parents=True)
    for name in gateway.get(f"/v1/snapshots/{snapshot}/files")["items"]:
        target = partial / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            for part in gateway.download(f"/v1/snapshots/{snapshot}/files/{name}"):
                file.write(part)
    partial.rename(out)


@command.command("list")
@as_role("data-scientist")
def list_(gateway: Gateway) -> None:
    """The snapshots of your projects, newest first."""
    emit_json({"items": list(gateway.every("/v1/snapshots")), "next": None})


@command.command()
@click.argument("snapshot")
@click.argument("out", type=click.Path(path_type=Path))
@as_role("data-scientist")
def get(gateway: Gateway, snapshot: str, out: Path) -> None:
    """Write the files of SNAPSHOT (id or digest) to the new folder OUT."""
    if out.exists():
        fail("out_exists", f"{out} exists already.", "name a folder that does not exist yet")
    fetch(gateway, snapshot, out)
    say(f"written to {out}")


for made in (show, verify, diff):
    command.add_command(made)
