"""`sallyport access`: ask for live data, decide about requests, take and end leases."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from gateway.client import Gateway
from gateway.commands.caller import as_user
from gateway.console import emit_json, fail, say, table
from gateway.errors import GatewayError


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
@click.option("--all", "all_of_them", is_flag=True, help="Ended leases and decided requests too.")
@click.option("--json", "only_json", is_flag=True, help="No table for people, only the JSON.")
@as_user
def list_(gateway: Gateway, all_of_them: bool, only_json: bool) -> None:
    """Who has access now, to what, until when; what waits for approval or review."""
    asked = list(gateway.every("/v1/access-requests"))
    found = {
        "requests": [one for one in asked if all_of_them or one["state"] in ("pending", "granted")],
        "leases": list(gateway.every("/v1/leases", all_of_them=all_of_them)),
        "break_glass": [
            one for one in gateway.every("/v1/break-glass") if all_of_them or one["outcome"] is None
        ],
    }  # fmt: skip
    if not only_json:
        _show(found)
    emit_json(found)


def _show(found: dict[str, Any]) -> None:
    """Tables for people."""
    table("Who has access now", ("lease", "who", "dataset", "columns", "basis", "until", "state"), [
        (one["id"], one["subject"], one["dataset"], _columns(one["columns"]), one["basis"], _time(one["expires"]), one["state"])
        for one in found["leases"]
    ])  # fmt: skip
    table("Requests", ("request", "who", "dataset", "purpose", "hours", "approved by", "state"), [
        (one["id"], one["subject"], one["dataset"], one["purpose"], f"{one['hours']:g}",
         ", ".join(sorted({approval["by"] for approval in one["approvals"]})), one["state"])
        for one in found["requests"]
    ])  # fmt: skip
    table("Emergency access that waits for its review", ("id", "who", "dataset", "incident", "review due", ""), [
        (one["id"], one["subject"], one["dataset"], one["incident"], _time(one["review_due"]), "OVERDUE" * one["overdue"])
        for one in found["break_glass"]
    ])  # fmt: skip


def _columns(columns: dict[str, str]) -> str:
    """How many columns are seen in which way; which ones they are, the JSON says."""
    return ", ".join(f"{count} {how}" for how, count in sorted(Counter(columns.values()).items()))


def _time(moment: str) -> str:
    return f"{moment[:10]} {moment[11:16]} UTC"


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


@command.command()
@click.argument("request_id")
@as_user
def withdraw(gateway: Gateway, request_id: str) -> None:
    """Take your own request back."""
    _decide(gateway, request_id, "withdraw", {})


@command.command("revoke-grant")
@click.argument("request_id")
@as_user
def revoke_grant(gateway: Gateway, request_id: str) -> None:
    """Make a grant void, and end every lease on it now."""
    _decide(gateway, request_id, "revoke", {})


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
    return unwrapped(gateway.post("/v1/leases", body))


def unwrapped(opened: dict[str, Any]) -> dict[str, Any]:
    """The lease with the credential that its wrapping token gives, once."""
    from psycopg.conninfo import make_conninfo

    from gateway.vault import unwrap

    credential = unwrap(opened["vault_address"], opened.pop("wrapping_token"))
    database = opened["database"]
    dsn = make_conninfo(user=credential.username, password=credential.password, **database)
    return opened | {"username": credential.username, "dsn": dsn}


@command.command()
@click.argument("lease_id")
@as_user
def renew(gateway: Gateway, lease_id: str) -> None:
    """Let your lease and its open connections live on, within the grant."""
    renewed = gateway.post(f"/v1/leases/{lease_id}/renew")
    say(f"lease {lease_id} ends at {renewed['expires']}")
    emit_json(renewed)


@command.command("break-glass")
@click.argument("dataset")
@click.option("--columns", required=True, help="Comma-separated, as table.column.")
@click.option("--justification", required=True, help="Why there is no time for a grant.")
@click.option("--incident", required=True, help="The number of the incident.")
@as_user
def break_glass(gateway: Gateway, dataset: str, columns: str, justification: str, incident: str) -> None:
    """Read live columns of DATASET in an incident, for minutes, as somebody on call; a steward reviews it afterwards."""
    body = {"dataset": dataset, "columns": _words(columns), "justification": justification, "incident": incident}
    opened = unwrapped(gateway.post("/v1/break-glass", body))
    used = opened["break_glass"]
    say(f"lease {opened['id']} ends at {opened['expires']}; connect with:  psql '{opened['dsn']}'")
    say(f"this is recorded; a steward reviews it until {_time(used['review_due'])} (sallyport access review {used['id']})")
    emit_json(opened)


@command.command()
@click.argument("break_glass_id")
@click.option("--outcome", required=True, type=click.Choice(["justified", "not-justified"]))
@click.option("--note", required=True, help="What the review found.")
@as_user
def review(gateway: Gateway, break_glass_id: str, outcome: str, note: str) -> None:
    """Judge a use of break-glass, as a steward who is not the one who used it."""
    reviewed = gateway.post(f"/v1/break-glass/{break_glass_id}/review", {"outcome": outcome, "note": note})
    say(f"the emergency access of {reviewed['subject']} is reviewed: {outcome}")
    emit_json(reviewed)


@command.command()
@click.argument("lease_id")
@as_user
def revoke(gateway: Gateway, lease_id: str) -> None:
    """End a lease now: its sessions, role and views are gone when this returns."""
    ended = gateway.delete(f"/v1/leases/{lease_id}")
    say(f"lease {lease_id} has ended")
    emit_json(ended)


@command.command()
@click.option("--as", "service", required=True, help="The service whose certificate it is.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="A folder for three files.")
@click.option("--ttl", default="24h", show_default=True, help="How long it is to live; a day at most.")
@click.option("--json", "as_json", is_flag=True, help="Where the files are, and until when they are good, as JSON.")
def certificate(service: str, out: Path, ttl: str, as_json: bool) -> None:
    """Get a service's client certificate from Vault: certificate.pem, key.pem (for this account alone) and authority.pem."""
    from gateway.access.certificates import issue
    from gateway.embedded.home import Home, write_private
    from gateway.embedded.users import service_client

    try:
        made = issue(service_client(Home.here().root, service), service, ttl)
    except GatewayError as error:
        fail(error.code, str(error), "start the stack: sallyport up; `sallyport status` lists the services")
    out.mkdir(parents=True, exist_ok=True)
    write_private(out / "key.pem", made.key)
    (out / "certificate.pem").write_text(made.certificate + "\n", "utf-8")
    (out / "authority.pem").write_text(made.authority + "\n", "utf-8")
    until = datetime.fromtimestamp(made.until, UTC).isoformat()
    say(f"the certificate of {service} is in {out}, good until {_time(until)}")
    if as_json:
        emit_json({"service": service, "until": until, "files": ["authority.pem", "certificate.pem", "key.pem"]})


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
