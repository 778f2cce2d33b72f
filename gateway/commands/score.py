"""`sallyport score`: all live rows of a model's features scored at once, published when the run is sane; each day if asked."""

from __future__ import annotations

import json
import sys
import time
from typing import Any
from urllib.parse import quote

import click

from gateway.client import Gateway
from gateway.commands.caller import as_user
from gateway.console import emit_json, fail, people, say, table

POLL_SECONDS = 0.5


@click.group()
def command() -> None:
    """Batch runs of models in production, as a service that policy lets read their live rows."""


@command.command()
@click.argument("model")
@click.option("--since-days", type=click.IntRange(min=1), help="Only entities whose newest row is of the last days.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait for the run to end.")
@as_user
def run(gateway: Gateway, model: str, since_days: int | None, wait: bool) -> None:
    """Score the live rows of MODEL (PROJECT/NAME); exit 1 when the run is held back or fails."""
    made = gateway.post("/v1/scorings", {"model": model, "since_days": since_days})
    with people.status("scoring"):
        while wait and made["state"] == "queued":
            time.sleep(POLL_SECONDS)
            made = gateway.get(f"/v1/scorings/{made['id']}")
    say(f"batch run {made['id']} is {made['state']}" + (f", {made['rows']:,} rows" if made["rows"] is not None else ""))
    emit_json(made)
    if made["state"] in ("held", "failed"):
        fail(made["state"], "; ".join(made["problems"]))


@command.command()
@click.argument("scoring_id")
@as_user
def fetch(gateway: Gateway, scoring_id: str) -> None:
    """Write the scores of a published run to standard output, a JSON line for each entity."""
    page = gateway.get(f"/v1/scorings/{quote(scoring_id, safe='')}/results")
    while True:
        sys.stdout.writelines(json.dumps(one) + "\n" for one in page["items"])
        if page["next"] is None:
            return
        page = gateway.get(f"/v1/scorings/{quote(scoring_id, safe='')}/results", after=page["next"])


@command.command("list")
@as_user
def list_(gateway: Gateway) -> None:
    """The batch runs of your projects, newest first: a table for people, JSON for programs."""
    found: dict[str, Any] = {"items": list(gateway.every("/v1/scorings")), "next": None}
    rows = [(one["id"], one["model"], one["state"], str(one["rows"] or ""), "; ".join(one["problems"])) for one in found["items"]]
    table("Batch runs", ("id", "model", "state", "rows", "problems"), rows)
    emit_json(found)


@command.command()
@click.argument("model")
@click.option("--at", help="The time of day (UTC), as HH:MM; none: the schedule ends.")
@click.option("--since-days", type=click.IntRange(min=1), help="Only entities whose newest row is of the last days.")
@as_user
def schedule(gateway: Gateway, model: str, at: str | None, since_days: int | None) -> None:
    """Score MODEL (PROJECT/NAME) each day."""
    if at is None:
        emit_json(gateway.delete(f"/v1/scorings/schedules/{quote(model)}"))
        return
    emit_json(gateway.post("/v1/scorings/schedules", {"model": model, "at": at, "since_days": since_days}))
