"""`sallyport access`: ask for live data, decide about requests, take and end leases."""

from __future__ import annotations

from typing import Any

import click

from gateway.client import Gateway
from gateway.commands.caller import as_user
from gateway.console import emit_json, say


@click.group()
def command() -> None:
    """Time-limited, masked access to live data."""


@command.command()
@click.argument("dataset")
@click.option("--columns", required=True, help="Comma-separated, as table.column.")
@click.option("--purpose", required=True, help="One of the dataset's purposes.")
@click.option("--hours", default=1.0, show_default=True, help="How long the grant is to last.")
@click.option("--why", required=True, help="The justification the steward reads.")
@as_user
def request(gateway: Gateway, dataset: str, columns: str, purpose: str, hours: float, why: str) -> None:
    """Ask for live columns of DATASET."""
    body = {"dataset": dataset, "columns": _words(columns), "purpose": purpose, "hours": hours, "why": why}
    made = gateway.post("/v1/access-requests", body)
    say(f"request {made['id']} is {made['state']}")
    emit_json(made)


@command.command("list")
@as_user
def list_(gateway: Gateway) -> None:
    """The requests and leases you may see."""
    emit_json({"requests": gateway.get("/v1/access-requests")["items"], "leases": gateway.get("/v1/leases")["items"]})


@command.command()
@click.argument("request_id")
@as_user
def approve(gateway: Gateway, request_id: str) -> None:
    """Approve a request, as a steward who is not the one asking."""
    _decide(gateway, request_id, "approve", {})


@command.command()
@click.argument("request_id")
@click.option("--why", required=True)
@as_user
def reject(gateway: Gateway, request_id: str, why: str) -> None:
    """Reject a request."""
    _decide(gateway, request_id, "reject", {"why": why})


def _decide(gateway: Gateway, request_id: str, verb: str, body: dict[str, Any]) -> None:
    decided = gateway.post(f"/v1/access-requests/{request_id}/{verb}", body)
    say(f"request {request_id} is {decided['state']}")
    emit_json(decided)


@command.command()
@click.argument("request_id")
@as_user
def lease(gateway: Gateway, request_id: str) -> None:
    """Open a lease on an approved request; the credential is printed once and stored nowhere."""
    opened = open_lease(gateway, {"request": request_id})
    say(f"lease {opened['id']} ends at {opened['expires']}; connect with:  psql '{opened['dsn']}'")
    emit_json(opened)


def open_lease(gateway: Gateway, body: dict[str, Any]) -> dict[str, Any]:
    """The lease with `dsn`, its credential unwrapped here so that the gateway never saw it."""
    from psycopg.conninfo import make_conninfo

    from gateway.vault import unwrap

    opened: dict[str, Any] = gateway.post("/v1/leases", body)
    credential = unwrap(opened["vault_address"], opened.pop("wrapping_token"))
    database = opened["database"]
    dsn = make_conninfo(user=credential.username, password=credential.password, **database)
    return opened | {"username": credential.username, "dsn": dsn}


@command.command()
@click.argument("lease_id")
@as_user
def revoke(gateway: Gateway, lease_id: str) -> None:
    """End a lease now: its sessions, role and views are gone when this returns."""
    ended = gateway.delete(f"/v1/leases/{lease_id}")
    say(f"lease {lease_id} has ended")
    emit_json(ended)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
