"""`sallyport model`: scans a model without running anything of it, writes its manifest for a cluster, asks one in production."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from gateway.client import Gateway
from gateway.commands.caller import as_user
from gateway.console import emit_json, fail, say
from promotion import manifests as kserve
from promotion.scan import scan_model

POLL_SECONDS = 0.3


@click.group()
def command() -> None:
    """Models, before they are submitted and after they are deployed."""


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


@command.command()
@click.argument("project")
@click.argument("name")
@click.option("--image", required=True, help="The image of Sallyport that the cluster runs.")
@click.option("--claim", default="sallyport-home", show_default=True, help="The volume claim that holds the model store.")
@click.option("--settings", default="sallyport-settings", show_default=True, help="The config map with SALLYPORT_* settings.")
@click.option("--approle", default="sallyport-approle", show_default=True, help="The secret with approle.json.")
@as_user
def manifests(gateway: Gateway, project: str, name: str, image: str, claim: str, settings: str, approle: str) -> None:
    """Write a manifest for KServe that serves the deployed model NAME of PROJECT, for `kubectl apply -f -`."""
    found = gateway.get(f"/v1/models/{quote(project, safe='')}/{quote(name, safe='')}")["items"]
    if not found:
        fail("model_not_found", f"No model {project}/{name} is deployed.")
    cluster = kserve.Cluster(image=image, claim=claim, settings=settings, approle=approle)
    try:
        emit_json(kserve.inference_service(project, name, found[0]["digest"], found[0]["version"], cluster))
    except ValueError as error:
        fail("name_too_long", str(error))


@command.command()
@click.argument("name")
@click.option("--entity", "entities", multiple=True, help="An entity whose live features the model is given; may be repeated.")
@click.option("--inputs", type=click.File("rb"), help="A request of the Open Inference Protocol (JSON), - for standard input.")
@click.option("--queue", is_flag=True, help="Have it answered later, durably; `sallyport model answer ID` gives the answer.")
@as_user
def infer(gateway: Gateway, name: str, entities: tuple[str, ...], inputs: Any, queue: bool) -> None:
    """Ask the model NAME (or PROJECT.NAME) in production about entities or inputs; the answer is JSON."""
    path = f"/v2/models/{quote(name, safe='')}/infer{'/queue' if queue else ''}"
    emit_json(model_server(gateway).post(path, asked(entities, inputs)))


@command.command()
@click.argument("request_id")
@click.option("--again", is_flag=True, help="Ask the same again, of the model that is in production now.")
@click.option("--wait", "seconds", default=60, show_default=True, help="Seconds to wait for the answer.")
@as_user
def answer(gateway: Gateway, request_id: str, again: bool, seconds: int) -> None:
    """The answer to a queued request of yours; exit 1 when it failed or is still to come."""
    server, until = model_server(gateway), time.monotonic() + seconds
    if again:
        request_id = server.post(f"/v2/queued/{quote(request_id, safe='')}/replay")["id"]
    while (found := server.get(f"/v2/queued/{quote(request_id, safe='')}"))["state"] == "queued" and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    emit_json(found)
    if found["state"] != "answered":
        fail(found.get("code", "not_answered_yet"), found.get("error", "The request waits still; ask again later."))


def asked(entities: tuple[str, ...], inputs: Any) -> dict[str, Any]:
    """The request's body."""
    if bool(entities) == (inputs is not None):
        raise click.UsageError("Say either --entity ID or --inputs FILE.")
    if entities:
        return {"parameters": {"entity_id": list(entities)}}
    try:
        return dict(json.load(inputs))
    except (ValueError, TypeError) as error:
        raise click.UsageError("The inputs are no JSON object.") from error


def model_server(gateway: Gateway) -> Gateway:
    """The model server, called as the same user."""
    from gateway.settings import Settings

    return Gateway(Settings.load().model_server_url, gateway.token)
