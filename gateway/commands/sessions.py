"""`sallyport sessions`: who is logged in, and ending it."""

from __future__ import annotations

import click

from gateway.client import Gateway
from gateway.commands.caller import as_user
from gateway.console import emit_json, say


@click.group()
def command() -> None:
    """Who is logged in to the pages, and ending it."""


@command.command("list")
@as_user
def list_(gateway: Gateway) -> None:
    """Your open browser sessions; for an operator everybody's."""
    emit_json(gateway.get("/v1/sessions"))


@command.command()
@click.argument("session_id")
@as_user
def end(gateway: Gateway, session_id: str) -> None:
    """End one browser session now."""
    ended = gateway.delete(f"/v1/sessions/{session_id}")
    say(f"session {session_id} has ended")
    emit_json(ended)


@command.command("end-all")
@click.option("--user", "whose", help="Whose, for an operator; else your own.")
@as_user
def end_all(gateway: Gateway, whose: str | None) -> None:
    """End every session, and let no token count that was issued until now."""
    ended = gateway.post("/v1/sessions/end-all", {"subject": whose or gateway.get("/v1/whoami")["id"]})
    say(f"every login of {ended['subject']} has ended")
    emit_json(ended)
