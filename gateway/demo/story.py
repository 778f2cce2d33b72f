"""The main job as a story with named people, played through the HTTP API as each of them would use it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from gateway.client import Gateway, Refusal
from gateway.commands.caller import connect
from gateway.console import people, say
from gateway.demo.domains import Domain
from gateway.embedded import stack
from gateway.embedded.home import Home
from gateway.errors import GatewayError

STEPS = (
    "up", "live", "snapshot", "train", "live_denied", "live_access", "promotion_refused", "promotion", "audit",
)  # fmt: skip


class StoryBroke(GatewayError):
    """A step of the demo did not end as it must."""

    code: ClassVar[str] = "demo_failed"


@dataclass(frozen=True, slots=True)
class Step:
    """How a step went: who acted, what was decided, one line of what happened, and the facts."""

    who: str
    decision: str
    what: str
    facts: Mapping[str, Any]


class Stage:
    """What the steps share: the home, the people's gateways, a folder that is gone at the end, and what is known so far."""

    def __init__(self, home: Home, domain: Domain, data: Path | None, out: Path, work: Path) -> None:
        self.home, self.domain, self.data, self.out, self.work = home, domain, data, out, work
        self.known: dict[str, Any] = {}

    def as_(self, person: str) -> Gateway:
        """The gateway as `person` reaches it."""
        return connect(person)

    def expect_refusal(self, call: Callable[[], Any], what: str) -> Refusal:
        """`call` was refused. Raises StoryBroke when it was not."""
        try:
            call()
        except Refusal as refusal:
            return refusal
        raise StoryBroke(f"{what} was not refused.")


def play(home: Home, domain: Domain, *, data: Path | None, out: Path, keep_running: bool) -> dict[str, Any]:
    """The facts of every step; the stack is as it was before. Raises GatewayError where the story breaks."""
    from gateway.demo import doors

    with _stage(home, domain, data, out) as stage:
        report: dict[str, Any] = {}
        was_up = stack.is_up(home)
        try:
            report["up"] = _timed(1, "up", lambda: doors.up(stage))
            for number, name in enumerate(STEPS[1:], 2):
                report[name] = _timed(number, name, lambda name=name: getattr(doors, name)(stage))  # type: ignore[misc]
        finally:
            if not was_up and not keep_running:
                stack.down(home, lambda part, seconds: None)
    return report


@contextmanager
def _stage(home: Home, domain: Domain, data: Path | None, out: Path) -> Iterator[Stage]:
    work = Path(tempfile.mkdtemp(prefix="sallyport-demo-"))
    try:
        yield Stage(home, domain, data, out, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _timed(number: int, name: str, act: Callable[[], Step]) -> dict[str, Any]:
    started = time.monotonic()
    with people.status(f"{number}/{len(STEPS)} {name}"):
        step = act()
    seconds = time.monotonic() - started
    say(f"{number}/{len(STEPS)}  {name:<18} {step.who:<20} {step.decision:<10} {seconds:6.1f} s   {step.what}")
    return {"who": step.who, "decision": step.decision, "seconds": round(seconds, 2), **step.facts}
