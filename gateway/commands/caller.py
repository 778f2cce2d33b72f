"""What commands that go through the gateway share: as whom, and how a refusal is said."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from gateway.client import Gateway, Refusal
from gateway.console import fail
from gateway.errors import GatewayError

# What to do next, by problem code.
NEXT_STEPS = {
    "not_authenticated": "log in again: sallyport login USER",
    "gateway_unreachable": "start the stack: sallyport up",
    "stack_not_running": "start it: sallyport up",
    "no_grant": "ask for access: sallyport access request DATASET --columns ... --purpose ... --why ...",
}


def as_user(command: Callable[..., Any]) -> Callable[..., Any]:
    """`command` gets `gateway`, calling as the user of `--as` (or the last login); refusals end it with a sentence."""

    @click.option("--as", "user", envvar="SALLYPORT_USER", help="Who asks; default: the last `sallyport login`.")
    @functools.wraps(command)
    def run(user: str | None, **arguments: Any) -> Any:
        try:
            return command(gateway=connect(user), **arguments)
        except Refusal as refusal:
            code = refusal.reasons[0] if refusal.reasons else refusal.problem_code
            reasons = f" [{', '.join(refusal.reasons)}]" if refusal.reasons else ""
            fail(refusal.problem_code, f"{refusal}{reasons}", NEXT_STEPS.get(code))
        except GatewayError as error:
            fail(error.code, str(error), NEXT_STEPS.get(error.code))

    return run


def connect(user: str | None) -> Gateway:
    """The gateway of this home, called as `user`. Raises GatewayError."""
    from gateway.embedded.users import current_user, login
    from gateway.settings import Settings

    settings = Settings.load()
    name = user or current_user(settings.home)
    return Gateway(settings.gateway_url, lambda: login(settings.home, name), socket=settings.gateway_socket)
