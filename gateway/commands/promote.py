"""`sallyport promote`: submit a model, watch its checks, approve, deploy, roll back."""

from __future__ import annotations

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
    """The promotions of your projects, newest first."""
    emit_json(gateway.get("/v1/promotions"))


@command.command()
@click.argument("promotion_id")
@as_user
def show(gateway: Gateway, promotion_id: str) -> None:
    """One promotion: checks, approvals, state."""
    emit_json(gateway.get(f"/v1/promotions/{promotion_id}"))


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
@click.argument("project")
@click.argument("name")
@click.argument("digest")
@as_user
def rollback(gateway: Gateway, project: str, name: str, digest: str) -> None:
    """Put an earlier deployed DIGEST of model NAME back into production."""
    _step(gateway, f"/v1/models/{project}/{name}/rollback", {"digest": digest})


def _step(gateway: Gateway, path: str, body: dict[str, Any]) -> None:
    answer = gateway.post(path, body)
    say(f"{answer.get('name', 'model')} is {answer.get('state', 'done')}")
    emit_json(answer)
