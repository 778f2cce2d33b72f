"""`sallyport keys show|rotate`: the keys in Vault that sign evidence and wrap pseudonym keys."""

from __future__ import annotations

import click

from gateway.console import emit_json, fail, say
from gateway.embedded.home import Home
from gateway.errors import GatewayError


@click.group()
def command() -> None:
    """The keys in Vault that sign evidence and wrap pseudonym keys."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="The keys as JSON on standard output.")
def show(as_json: bool) -> None:
    """Say which keys there are, what each does, and since when its newest version is in use."""
    from gateway.operations.rotating import keys

    try:
        found = keys(Home.here())
    except GatewayError as error:
        fail(error.code, str(error), "run `sallyport up` once")
    if as_json:
        emit_json([key.as_json() for key in found])
    for key in found:
        say(f"{key.name}: version {key.version} since {key.since[:19]}; {key.does}")


@command.command()
@click.argument("name", type=click.Choice(["evidence", "projects", "policies"]))
@click.option("--json", "as_json", is_flag=True, help="The new version as JSON on standard output.")
def rotate(name: str, as_json: bool) -> None:
    """Give the key NAME a new version. What was signed before still verifies; pseudonyms stay the same."""
    from gateway.operations.rotating import rotate as turn

    try:
        key = turn(Home.here(), name)
    except GatewayError as error:
        fail(error.code, str(error), "run `sallyport up`, then rotate again")
    if as_json:
        emit_json(key.as_json())
    say(f"{key.name} is at version {key.version}; it {key.does}")
