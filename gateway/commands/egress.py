"""`sallyport egress`: files on their way out of the sandbox, looked at by programs and by two people."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from gateway.client import Gateway
from gateway.commands.caller import as_user
from gateway.console import emit_json, fail, people, say

POLL_SECONDS = 0.4
AT_WORK = ("submitted", "checking")


@click.group()
def command() -> None:
    """What leaves the sandbox: ask, review, release."""


@command.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--project", required=True)
@click.option("--why", required=True, help="What the files are and what they are for; the reviewers read it.")
@click.option(
    "--tables", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="YAML or JSON: what each table holds."
)
@click.option("--replace", "request_id", help="Change files of this request of yours instead of making a new one.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the checks to end.")
@as_user
def submit(
    gateway: Gateway, paths: tuple[Path, ...], project: str, why: str, tables: Path | None, request_id: str | None, wait: bool
) -> None:
    """Ask PATHS (files, or folders of files) out of the sandbox."""
    found = send(gateway, paths, project=project, why=why, tables=_declared(tables), request_id=request_id)
    if wait:
        found = watch(gateway, found["id"])
    say(f"request {found['id']} is {found['state']}")
    for one in found["findings"]:
        say(f"  {one['weight']} {one['id']} {one['code']}: {one['file']} {one['place']}: {one['sentence']}")
    emit_json(found)
    if found["state"] == "returned":
        fail("returned", "The checks found what may not leave.", f"change the files and send them with --replace {found['id']}")


def send(
    gateway: Gateway, paths: tuple[Path, ...], *, project: str, why: str, tables: dict[str, Any], request_id: str | None = None
) -> Any:
    """The request the gateway made of the files, or changed."""
    named = [
        (file.relative_to(path.parent if path.is_file() else path).as_posix(), file) for path in paths for file in _files(path)
    ]
    with ExitStack() as opened:
        sent = [(name, opened.enter_context(file.open("rb"))) for name, file in named]
        if request_id is None:
            form = {"project": project, "why": why, "tables": json.dumps(tables)}
            return gateway.post("/v1/egress-requests", data=form, files=[("files", one) for one in sent])
        answer: Any = None
        for name, content in sent:
            answer = gateway.call("PUT", f"/v1/egress-requests/{request_id}/files/{name}", files={"file": (name, content)})
        return answer


def watch(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """The request once its checks have ended."""
    with people.status("looking at the files"):
        while True:
            found: dict[str, Any] = gateway.get(f"/v1/egress-requests/{request_id}")
            if found["state"] not in AT_WORK:
                return found
            time.sleep(POLL_SECONDS)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def _declared(path: Path | None) -> dict[str, Any]:
    """What is declared of the tables; `evidence` names a CSV file beside it, which is sent along and not released."""
    if path is None:
        return {}
    import csv

    import yaml

    declared = yaml.safe_load(path.read_text("utf-8"))
    if not isinstance(declared, dict) or not all(isinstance(one, dict) for one in declared.values()):
        raise click.BadParameter(f"{path} does not say of each table what it holds")
    for one in declared.values():
        if name := one.pop("evidence", None):
            with (path.parent / name).open(encoding="utf-8", newline="") as file:
                one["evidence_rows"] = [
                    {key: _number(value) for key, value in row.items() if key} for row in csv.DictReader(file)
                ]
    return declared


def _number(text: str) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return 0.0


@command.command("list")
@as_user
def list_(gateway: Gateway) -> None:
    """The requests of your projects, newest first."""
    emit_json({"items": list(gateway.every("/v1/egress-requests")), "next": None})


@command.command()
@click.argument("request_id")
@click.option("--out", type=click.Path(path_type=Path), help="As a reviewer: write the files to this new folder.")
@as_user
def show(gateway: Gateway, request_id: str, out: Path | None) -> None:
    """One request: files, findings, history, and votes once the reviews have ended."""
    found = gateway.get(f"/v1/egress-requests/{request_id}")
    if out:
        fetch(gateway, found, out)
    emit_json(found)


@command.command()
@click.argument("request_id")
@click.option("--approve/--reject", required=True)
@click.option("--why", required=True)
@click.option("--role", default="output-checker", show_default=True)
@click.option("--file", "files", multiple=True, help="Vote on this file only; may be given several times.")
@click.option("--accept", multiple=True, help="The id of a finding you looked at and judge harmless; several times.")
@as_user
def review(
    gateway: Gateway, request_id: str, approve: bool, why: str, role: str, files: tuple[str, ...], accept: tuple[str, ...]
) -> None:
    """Vote on the request's files, without seeing how the other reviewer votes."""
    body = {"approve": approve, "why": why, "role": role, "files": list(files), "accept": list(accept)}
    _step(gateway, request_id, "votes", body)


@command.command()
@click.argument("request_id")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A folder that does not exist yet.")
@as_user
def release(gateway: Gateway, request_id: str, out: Path) -> None:
    """Take an approved request's files out; that they leave is in the ledger first."""
    if out.exists():
        fail("out_exists", f"{out} exists already.", "name a folder that does not exist yet")
    found = gateway.get(f"/v1/egress-requests/{request_id}")
    if found["state"] != "released":
        found = gateway.post(f"/v1/egress-requests/{request_id}/release")
    fetch(gateway, found, out)
    say(f"released to {out}")
    emit_json(found)


def fetch(gateway: Gateway, found: dict[str, Any], out: Path) -> None:
    """`out` holds the request's files."""
    partial = out.with_name(out.name + ".partial")
    partial.mkdir(parents=True)
    for file in found["files"]:
        target = partial / file["path"]
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as opened:
            for part in gateway.download(f"/v1/egress-requests/{found['id']}/files/{file['path']}"):
                opened.write(part)
    partial.rename(out)


@command.command()
@click.argument("request_id")
@as_user
def withdraw(gateway: Gateway, request_id: str) -> None:
    """Take a request of yours back."""
    _step(gateway, request_id, "withdraw", None)


def _step(gateway: Gateway, request_id: str, verb: str, body: dict[str, Any] | None) -> None:
    answer = gateway.post(f"/v1/egress-requests/{request_id}/{verb}", body)
    say(f"request {request_id} is {answer['state']}")
    emit_json(answer)
