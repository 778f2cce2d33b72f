"""`sallyport promote`: submit a model, watch its checks, approve, deploy, roll back."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from gateway.client import Gateway
from gateway.commands.caller import as_user
from gateway.commands.dossier import dossier
from gateway.console import emit_json, fail, people, say, table

POLL_SECONDS = 0.4
AT_WORK = ("submitted", "checking")


@click.group()
def command() -> None:
    """Models on their way into production."""


@command.command()
@click.argument("model")
@click.option("--contract", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--project", required=True)
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the checks to end.")
@as_user
def submit(gateway: Gateway, model: str, contract: Path, project: str, wait: bool) -> None:
    """Submit MODEL (runs:/RUN/NAME, models:/m-ID, or a folder) with its model contract."""
    submitted = send(gateway, model, contract.read_text("utf-8"), project)
    promotion = watch(gateway, submitted["id"]) if wait else submitted
    say(f"promotion {promotion['id']} is {promotion['state']}")
    emit_json(promotion)
    if promotion["state"] == "refused":
        fail("refused", "; ".join(f"{c['name']}: {c['summary']}" for c in failed(promotion)))


def send(gateway: Gateway, model: str, contract: str, project: str) -> Any:
    """The promotion request that the gateway made of a tracked model or a local folder."""
    form = {"project": project, "contract": contract}
    if model.startswith(("runs:/", "models:/")):
        return gateway.post("/v1/promotions", data=form | {"model": model})
    folder = Path(model)
    if not folder.exists():
        raise click.BadParameter(f"{model} is neither a tracked model nor a file or folder")
    root = folder if folder.is_dir() else folder.parent
    paths = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else [folder]
    with ExitStack() as opened:
        files = [("files", (path.relative_to(root).as_posix(), opened.enter_context(path.open("rb")))) for path in paths]
        return gateway.post("/v1/promotions", data=form, files=files)


def watch(gateway: Gateway, promotion_id: str) -> dict[str, Any]:
    """The promotion once its checks have ended, with progress shown till then."""
    with people.status("checking the model") as status:
        while True:
            promotion: dict[str, Any] = gateway.get(f"/v1/promotions/{promotion_id}")
            if promotion["state"] not in AT_WORK:
                return promotion
            done = [check["name"] for check in promotion["checks"]]
            status.update(f"checking the model: {len(done)} checks done {', '.join(done)}")
            time.sleep(POLL_SECONDS)


def failed(promotion: dict[str, Any]) -> list[dict[str, Any]]:
    """The checks of the promotion that did not pass."""
    return [check for check in promotion["checks"] if check["outcome"] == "failed"]


@command.command("list")
@as_user
def list_(gateway: Gateway) -> None:
    """The promotions of your projects, newest first: a table for people, JSON for programs."""
    found = list(gateway.every("/v1/promotions"))
    rows = [
        (one["id"], f"{one['project']}/{one['name']}", str(one["version"]), one["tier"], one["state"], one["author"])
        for one in found
    ]
    table("Promotions", ("id", "model", "version", "tier", "state", "author"), rows)
    emit_json({"items": found, "next": None})


@command.command()
@click.argument("promotion_id")
@as_user
def show(gateway: Gateway, promotion_id: str) -> None:
    """One promotion: checks, findings, waivers, approvals, state; as tables for people, JSON for programs."""
    found = gateway.get(f"/v1/promotions/{promotion_id}")
    dossier(found)
    emit_json(found)


@command.command()
@click.argument("promotion_id")
@click.option("--role", required=True, help="The role you sign in.")
@click.option("--meaning", required=True, help="What your signature means (21 CFR 11.50).")
@as_user
def approve(gateway: Gateway, promotion_id: str, role: str, meaning: str) -> None:
    """Sign an approval of exactly these bytes."""
    _step(gateway, f"/v1/promotions/{promotion_id}/approve", {"role": role, "meaning": meaning})


@command.command()
@click.argument("promotion_id")
@click.option("--why", required=True)
@as_user
def reject(gateway: Gateway, promotion_id: str, why: str) -> None:
    """Reject the promotion."""
    _step(gateway, f"/v1/promotions/{promotion_id}/reject", {"why": why})


@command.command()
@click.argument("promotion_id")
@as_user
def deploy(gateway: Gateway, promotion_id: str) -> None:
    """Ask policy again and deploy under a signature."""
    _step(gateway, f"/v1/promotions/{promotion_id}/deploy", {})


@command.command()
@click.argument("promotion_id")
@click.option("--as", "stage", required=True, type=click.Choice(["challenger", "shadow"]))
@click.option("--share", default=0, type=click.IntRange(0, 100), help="Of a hundred requests, how many a challenger answers.")
@as_user
def stage(gateway: Gateway, promotion_id: str, stage: str, share: int) -> None:
    """Put an approved model beside the champion: a challenger answers a share, a shadow only hears."""
    _step(gateway, f"/v1/promotions/{promotion_id}/stage", {"stage": stage, "share": share})


@command.command()
@click.argument("project")
@click.argument("name")
@click.argument("stage", type=click.Choice(["challenger", "shadow"]))
@as_user
def withdraw(gateway: Gateway, project: str, name: str, stage: str) -> None:
    """Take what stands beside the champion away again."""
    _step(gateway, f"/v1/models/{quote(project, safe='')}/{quote(name, safe='')}/stages/{stage}/withdraw", {})


@command.command()
@click.argument("promotion_id")
@click.argument("check")
@click.option("--why", required=True, help="Why the failed check is accepted.")
@click.option("--until", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The last day it is (UTC).")
@as_user
def waive(gateway: Gateway, promotion_id: str, check: str, why: str, until: datetime) -> None:
    """Accept a failed CHECK for a time, under your signature; policy says which checks may be."""
    body = {"why": why, "until": until.date().isoformat()}
    _step(gateway, f"/v1/promotions/{promotion_id}/checks/{quote(check, safe='')}/waive", body)


@command.group()
def finding() -> None:
    """What the checks found."""


@finding.command()
@click.argument("promotion_id")
@click.argument("finding_id")
@click.option("--why", required=True, help="Why it needs no more looking at.")
@as_user
def close(gateway: Gateway, promotion_id: str, finding_id: str, why: str) -> None:
    """Close a finding for a reason that stands in the ledger."""
    _step(gateway, f"/v1/promotions/{promotion_id}/findings/{quote(finding_id, safe='')}/close", {"why": why})


@command.command()
@click.argument("which", nargs=-1, required=True, metavar="[PROJECT] NAME [DIGEST]")
@click.option("--to", "version", type=click.IntRange(min=1), help="The version to go back to.")
@as_user
def rollback(gateway: Gateway, which: tuple[str, ...], version: int | None) -> None:
    """Put an earlier deployed model back into production: NAME --to VERSION, or PROJECT NAME DIGEST."""
    project, name, digest = _named(gateway, which, version)
    body = {"digest": digest} if version is None else {"version": version}
    _step(gateway, f"/v1/models/{quote(project, safe='')}/{quote(name, safe='')}/rollback", body)


def _named(gateway: Gateway, which: tuple[str, ...], version: int | None) -> tuple[str, str, str]:
    """Project, name and digest of what is to be rolled back; the project is looked up when it is not said."""
    if len(which) == 3 and version is None:
        return which[0], which[1], which[2]
    if version is None or len(which) > 2:
        raise click.UsageError("Say NAME --to VERSION, or PROJECT NAME DIGEST.")
    if len(which) == 2:
        return which[0], which[1], ""
    projects = [one["project"] for one in gateway.get("/v1/models")["items"] if one["name"] == which[0]]
    if len(projects) != 1:
        fail("model_not_found", f"{len(projects)} of your projects have a model of that name in production; say which.")
    return projects[0], which[0], ""


def _step(gateway: Gateway, path: str, body: dict[str, Any]) -> None:
    answer = gateway.post(path, body)
    say(f"{answer.get('name', 'model')} is {answer.get('state', 'done')}")
    emit_json(answer)
