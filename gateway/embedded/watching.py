"""A stack that is watched: what ends by itself or is killed is started again, until somebody takes the stack down."""

from __future__ import annotations

import threading
from collections.abc import Callable

from gateway.embedded import stack
from gateway.embedded.home import Home
from gateway.errors import GatewayError

SECONDS_BETWEEN_LOOKS, MOST_SECONDS_TO_WAIT = 0.5, 30.0


def watch(home: Home, stop: threading.Event, say: Callable[[str], None]) -> None:
    """Until `stop` is set or the stack is taken down, every part that does not run is started again, at once the first time."""
    wait = SECONDS_BETWEEN_LOOKS
    while not stop.wait(wait) and not stack.is_down(home):
        ended = [name for name, state in stack.status(home).items() if state != "running"]
        if not ended:
            wait = SECONDS_BETWEEN_LOOKS
            continue
        say(f"{', '.join(ended)} ended and is started again")
        try:
            stack.up(home, lambda name, seconds: None)
            wait = SECONDS_BETWEEN_LOOKS
        except GatewayError as error:
            wait = min(2 * wait, MOST_SECONDS_TO_WAIT)
            say(f"it could not be: {error} Tried again in {wait:g} s.")
