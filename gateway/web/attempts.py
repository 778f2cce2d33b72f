"""How often a login may fail: so many times in a while for a name, and for an address."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 300.0
MOST_OF_A_NAME = 5
MOST_OF_AN_ADDRESS = 50
MOST_KEYS = 10_000


class Attempts:
    """Failed logins of this process, the oldest forgotten first."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._failed: dict[str, deque[float]] = {}

    def wait_seconds(self, name: str, address: str) -> int:
        """How long to wait before the next attempt; 0 when it may be made now."""
        with self._lock:
            limits = ((f"name {name}", MOST_OF_A_NAME), (f"address {address}", MOST_OF_AN_ADDRESS))
            return max(self._wait(key, most) for key, most in limits)

    def failed(self, name: str, address: str) -> None:
        """The attempt counts against the name and the address."""
        with self._lock:
            for key in (f"name {name}", f"address {address}"):
                self._failed.setdefault(key, deque()).append(self._clock())
            while len(self._failed) > MOST_KEYS:
                self._failed.pop(next(iter(self._failed)))

    def succeeded(self, name: str) -> None:
        """The name's failures are forgotten."""
        with self._lock:
            self._failed.pop(f"name {name}", None)

    def _wait(self, key: str, most: int) -> int:
        times, now = self._failed.get(key, deque()), self._clock()
        while times and times[0] <= now - WINDOW_SECONDS:
            times.popleft()
        return 0 if len(times) < most else int(times[0] + WINDOW_SECONDS - now) + 1
