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
from gateway.console import emit_json, fail, people, say
from gateway.embedded.home import Home

POLL_SECONDS = 0.4


@click.group()
def command() -> None:
    """De-identified snapshots of live datasets."""


@command.command()
@click.argument("contract", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", required=True, help="A folder or URL of table files, or 'live': rows loaded before.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A folder that does not exist yet.")
@click.option("--project", help="The project the snapshot belongs to; default: the contract's, else 'default'.")
@click.option("--engine", type=click.Choice(["local"]), default="local", show_default=True)
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
    snapshot = watch(gateway, gateway.post("/v1/snapshots", {"dataset": dataset["id"]}))
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
    emit_json(gateway.get("/v1/snapshots"))


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


@command.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--key", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM of the key that must have signed; default: the key of this home's stack.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True)
def show(folder: Path, key: Path | None, as_json: bool) -> None:
    """The manifest, risk and certificate of the snapshot in FOLDER, checked byte for byte; needs no running stack."""
    from sandbox.errors import InvalidSnapshot
    from sandbox.snapshots import MANIFEST, snapshot_digest, verify_snapshot

    key = key or Home.here().folder("evidence-key.pem")
    if not key.is_file():
        fail("key_missing", "There is no key to check the signature with.", "name the public key that must have signed: --key")
    try:
        signed_by = [s["keyid"] for s in json.loads((folder / MANIFEST).read_text("utf-8"))["signatures"]]
        statement = verify_snapshot(folder, dict.fromkeys(signed_by, key.read_text("utf-8")))
    except (InvalidSnapshot, OSError, ValueError, KeyError, TypeError) as error:
        fail("invalid_snapshot", str(error) if isinstance(error, InvalidSnapshot) else f"{folder} holds no snapshot's manifest.")
    files = {subject.name: subject.digest for subject in statement.subjects}
    facts = {"digest": snapshot_digest(statement), "signed_by": signed_by, "files": files, **statement.predicate}
    if as_json:
        emit_json(facts)
        return
    _say_facts(facts)


def _say_facts(facts: Mapping[str, Any]) -> None:
    risk = facts["risk"]
    say(f"snapshot    {facts['digest']}")
    say(f"dataset     {facts['dataset']} of project {facts['project']}, built {facts['built_at']}")
    say(f"signed by   {', '.join(facts['signed_by'])}; every byte is as it was signed")
    say(f"risk        k = {risk['k']} (at least {facts['limits']['k']}), l = {risk['l']} (at least {facts['limits']['min_l']})")
    for table, measured in risk["tables"].items():
        quasi = ", ".join(measured["quasi"])
        size = f"{measured['rows']:,} rows, {measured['classes']:,} classes of {quasi}"
        say(f"  {table}: {size}; prosecutor risk {measured['prosecutor_risk']:.3f}")
    for name, digest in facts["files"].items():
        say(f"file        {name}  {digest}")
