"""`sallyport up`, `down`, `status`: the embedded stack."""

from __future__ import annotations

import sys

import click

from gateway.console import emit_json, fail, say
from gateway.embedded.home import Home
from gateway.errors import GatewayError

NEXT_STEPS = {
    "half_initialised": "remove the home folder (its data is lost) and run `sallyport up` again",
    "part_missing": "run `make setup`, then `sallyport doctor`",
    "database_newer": "install the release that wrote it, or restore a backup of before",
    "stack_not_running": "run `sallyport up`",
    "stack_error": "look into the log named above; `sallyport doctor` says what is missing",
}


@click.command()
@click.option("--watch", "watched", is_flag=True, help="Stay, and start again whatever ends, until `sallyport down` or Ctrl-C.")
def up(watched: bool) -> None:
    """Start the embedded stack; what runs already is left alone."""
    from gateway.embedded import stack

    home = Home.here()
    try:
        stack.up(home, lambda name, seconds: say(f"  {name:<14} {seconds:5.1f} s"))
    except GatewayError as error:
        fail(error.code, str(error), NEXT_STEPS.get(error.code))
    say(f"the stack in {home.root} is up; the gateway is at http://127.0.0.1:{home.stack()['ports']['gateway']}")
    if watched:
        _watch(home)


def _watch(home: Home) -> None:
    """Whatever of the stack ends is started again, until it is taken down or this command is told to stop."""
    import signal
    import threading

    from gateway.embedded.watching import watch

    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    watch(home, stop, say)
    say("no longer watched; what runs still runs" if stop.is_set() else "the stack was taken down")


@click.command()
def down() -> None:
    """Stop the embedded stack; its state is kept."""
    from gateway.embedded import stack

    home = Home.here()
    try:
        stack.down(home, lambda name, seconds: say(f"  {name:<14} stopped in {seconds:.1f} s"))
    except GatewayError as error:
        fail(error.code, str(error), NEXT_STEPS.get(error.code))
    say("the stack is down")


@click.command()
@click.option("--json", "as_json", is_flag=True)
def status(as_json: bool) -> None:
    """What of the embedded stack runs; exit 1 when anything does not."""
    from gateway.embedded import provision, stack

    home = Home.here()
    try:
        parts = stack.status(home)
    except GatewayError as error:
        fail(error.code, str(error), NEXT_STEPS.get(error.code))
    if as_json:
        emit_json({"home": str(home.root), "parts": parts, "users": sorted(provision.PEOPLE)})
    else:
        for name, state in parts.items():
            say(f"  {name:<14} {state}")
        say("  users: " + ", ".join(f"{name} ({role})" for name, role in provision.PEOPLE.items()))
    sys.exit(0 if all(state == "running" for state in parts.values()) else 1)
