"""What commands that go through the gateway share: as whom, and how a refusal is said."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import click

from gateway.client import Gateway, Refusal
from gateway.console import fail, say
from gateway.errors import GatewayError, LoginFailed

# What to do next, by problem code.
NEXT_STEPS = {
    "not_authenticated": "log in again: sallyport login USER",
    "gateway_unreachable": "start the stack: sallyport up",
    "stack_not_running": "start it: sallyport up",
    "no_grant": "ask for access: sallyport access request DATASET --columns ... --purpose ... --why ...",
}


def as_role(role: str | None, *, start: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The command gets `gateway`, calling as the user of `--as`, or the last login, or the embedded stack's person of `role`.

    With `start` a stack that does not run is started for this command alone. Refusals end it with a sentence.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @click.option("--as", "user", envvar="SALLYPORT_USER", help="Who asks; default: the last `sallyport login`.")
        @functools.wraps(command)
        def run(user: str | None, **arguments: Any) -> Any:
            try:
                with _running() if start else nullcontext():
                    return command(gateway=connect(user, role), **arguments)
            except Refusal as refusal:
                code = refusal.reasons[0] if refusal.reasons else refusal.problem_code
                reasons = f" [{', '.join(refusal.reasons)}]" if refusal.reasons else ""
                fail(refusal.problem_code, f"{refusal}{reasons}", NEXT_STEPS.get(code))
            except GatewayError as error:
                fail(error.code, str(error), NEXT_STEPS.get(error.code))

        return run

    return decorate


as_user = as_role(None)


def connect(user: str | None, role: str | None = None) -> Gateway:
    """The gateway of this home, called as `user`. Raises GatewayError."""
    from gateway.embedded.users import login
    from gateway.kept_login import AT_PROVIDER, token
    from gateway.oidc import command_line_provider
    from gateway.settings import Settings

    settings = Settings.load()
    name = user or _somebody(settings.home, role)
    if name == AT_PROVIDER:
        provider = command_line_provider(settings)
        return Gateway(settings.gateway_url, lambda: token(provider, settings.home), socket=settings.gateway_socket)
    return Gateway(settings.gateway_url, lambda: login(settings.home, name), socket=settings.gateway_socket)


def connect_with(url: str, token: Callable[[], str], unix_socket: str | None) -> Gateway:
    """The gateway at `url`, called with a token that is asked for at each call."""
    return Gateway(url, token, socket=Path(unix_socket) if unix_socket else None)


def _somebody(home: Path, role: str | None) -> str:
    """Who logged in last; where nobody did, the embedded stack's first person of `role`, which is said."""
    from gateway.embedded.provision import PEOPLE
    from gateway.embedded.users import current_user

    try:
        return current_user(home)
    except LoginFailed:
        for name, held in PEOPLE.items():
            if held == role:
                say(f"nobody is logged in, so {name} ({role}) asks; --as USER or `sallyport login USER` says otherwise")
                return name
        raise


@contextmanager
def _running() -> Iterator[None]:
    """The embedded stack runs; one that was started for this is stopped again."""
    from gateway.embedded import stack
    from gateway.embedded.home import Home

    home = Home.here()
    if stack.is_up(home):
        yield
        return
    say(f"starting the stack in {home.root} for this command; `sallyport up` keeps it running")
    stack.up(home, lambda name, seconds: None)
    try:
        yield
    finally:
        stack.down(home, lambda name, seconds: None)
