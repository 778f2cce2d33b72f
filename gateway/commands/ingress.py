"""`sallyport ingress` and `sallyport wheelhouse`: files and packages on their way into the sandbox."""

from __future__ import annotations

import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from compliance.canonical import digest_file
from gateway.client import Gateway
from gateway.commands.caller import as_user
from gateway.console import emit_json, fail, people, say
from gateway.errors import WrongBytes

POLL_SECONDS = 0.4
AT_WORK = ("submitted", "checking")


@click.group()
def command() -> None:
    """What comes into the sandbox: ask, review, admit."""


@click.group()
def wheelhouse() -> None:
    """The packages that notebooks may install."""


@command.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--project", required=True)
@click.option("--why", required=True, help="What the files are and where they come from; the reviewers read it.")
@as_user
def submit(gateway: Gateway, paths: tuple[Path, ...], project: str, why: str) -> None:
    """Ask the files PATHS into the sandbox; packages as wheels."""
    ask(gateway, paths, project=project, why=why)


@wheelhouse.command("add")
@click.argument("wheels", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--project", required=True)
@click.option("--why", required=True, help="What the packages are for and where they come from; the reviewers read it.")
@as_user
def add(gateway: Gateway, wheels: tuple[Path, ...], project: str, why: str) -> None:
    """Ask WHEELS into the project's wheelhouse: checks first, then two people."""
    if other := next((path.name for path in wheels if path.suffix != ".whl"), None):
        fail("not_a_wheel", f"{other} is no wheel.", "send a .whl file; a source archive runs code while it is installed")
    ask(gateway, wheels, project=project, why=why)


def ask(gateway: Gateway, paths: tuple[Path, ...], *, project: str, why: str) -> None:
    """The request is made, its checks have ended, and what they found is said."""
    with ExitStack() as opened:
        sent = [("files", (path.name, opened.enter_context(path.open("rb")))) for path in paths]
        made = gateway.post("/v1/ingress-requests", data={"project": project, "why": why}, files=sent)
    found = watch(gateway, made["id"])
    say(f"request {found['id']} is {found['state']}")
    for one in found["findings"]:
        say(f"  {one['weight']} {one['id']} {one['code']}: {one['file']} {one['place']}: {one['sentence']}")
    emit_json(found)
    if found["state"] == "returned":
        fail("returned", "The checks found what may not come in.", "send other files in a new request")


def watch(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """The request once its checks have ended."""
    with people.status("looking at the files"):
        while True:
            found: dict[str, Any] = gateway.get(f"/v1/ingress-requests/{request_id}")
            if found["state"] not in AT_WORK:
                return found
            time.sleep(POLL_SECONDS)


@command.command("list")
@as_user
def list_(gateway: Gateway) -> None:
    """The requests of your projects, newest first."""
    emit_json({"items": list(gateway.every("/v1/ingress-requests")), "next": None})


@wheelhouse.command("list")
@as_user
def packages(gateway: Gateway) -> None:
    """The packages that came in to your projects, with the digest of each."""
    emit_json({"items": [one for one in gateway.get("/v1/incoming")["items"] if one["kind"] == "package"]})


@command.command()
@click.argument("request_id")
@click.option("--out", type=click.Path(path_type=Path), help="Write the files to this new folder: a reviewer, or once admitted.")
@as_user
def show(gateway: Gateway, request_id: str, out: Path | None) -> None:
    """One request: files, findings, history, and votes once the reviews have ended."""
    found = gateway.get(f"/v1/ingress-requests/{request_id}")
    if out:
        out.mkdir(parents=True)
        for file in found["files"]:
            take(gateway, request_id, file, out / Path(file["path"]).name)
    emit_json(found)


@command.command()
@click.argument("request_id")
@click.option("--approve/--reject", required=True)
@click.option("--why", required=True)
@click.option("--accept", multiple=True, help="The id of a finding you looked at and judge harmless; several times.")
@as_user
def review(gateway: Gateway, request_id: str, approve: bool, why: str, accept: tuple[str, ...]) -> None:
    """Vote on the request's files, without seeing how the other reviewer votes."""
    _step(gateway, request_id, "votes", {"approve": approve, "why": why, "accept": list(accept)})


@command.command()
@click.argument("request_id")
@as_user
def admit(gateway: Gateway, request_id: str) -> None:
    """Take an approved request's files in; the project's notebooks have them a minute later."""
    _step(gateway, request_id, "admit", None)


@command.command()
@click.argument("request_id")
@as_user
def withdraw(gateway: Gateway, request_id: str) -> None:
    """Take a request of yours back; what came in by it goes out of use."""
    _step(gateway, request_id, "withdraw", None)


def _step(gateway: Gateway, request_id: str, verb: str, body: dict[str, Any] | None) -> None:
    answer = gateway.post(f"/v1/ingress-requests/{request_id}/{verb}", body)
    say(f"request {request_id} is {answer['state']}")
    emit_json(answer)


def bring_in(gateway: Gateway, wheels: Path, files: Path) -> None:
    """The folders hold what came in to the caller's projects and nothing else: every file has the digest that was reviewed."""
    wanted: dict[Path, dict[str, Any]] = {}
    for one in gateway.get("/v1/incoming")["items"]:
        name = Path(one["path"]).name
        wanted.setdefault(wheels / name if one["kind"] == "package" else files / one["request"][:8] / name, one)
    for place in [path for folder in (wheels, files) for path in folder.rglob("*") if path.is_file()]:
        if place not in wanted or digest_file(place) != wanted[place]["digest"]:
            place.unlink()
    for place, one in wanted.items():
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            take(gateway, one["request"], one, place)


def take(gateway: Gateway, request_id: str, file: dict[str, Any], place: Path) -> None:
    """The file's bytes are at `place`, and are those that were reviewed. Raises WrongBytes."""
    partial = place.with_name(place.name + ".partial")
    with partial.open("wb") as opened:
        for part in gateway.download(f"/v1/ingress-requests/{request_id}/files/{file['path']}"):
            opened.write(part)
    if digest_file(partial) != file["digest"]:
        partial.unlink()
        raise WrongBytes(f"{place.name} is not the file that was reviewed; tell your operator.")
    shutil.move(partial, place)
