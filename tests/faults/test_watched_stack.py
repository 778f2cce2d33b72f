"""A watched stack comes back by itself when a part is killed, and what was acknowledged before is still there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.client import Gateway, GatewayUnreachable, Refusal
from gateway.embedded import processes, stack, watching
from gateway.embedded.home import Home
from gateway.errors import VaultUnavailable

SALLYPORT = str(Path(sys.executable).parent / "sallyport")
SECONDS_TO_COME_BACK = 60


@pytest.fixture(scope="module")
def watched(stack_home: Path) -> Iterator[Home]:
    watcher = subprocess.Popen([SALLYPORT, "up", "--watch"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield Home(stack_home)
    watcher.terminate()
    assert watcher.wait(30) == 0
    assert stack.is_up(Home(stack_home)), "what runs goes on running without its watcher"


@pytest.mark.parametrize("part", ["gateway", "worker", "openbao", "postgres"])
def test_a_killed_part_comes_back_and_nothing_acknowledged_is_lost(
    watched: Home, clinic: Path, as_user: Callable[[str], Gateway], part: str
) -> None:
    body = {"dataset": "clinic", "columns": ["patients.sex"], "purpose": "model-debugging", "hours": 1, "why": f"before {part}"}
    made = as_user("dana").post("/v1/access-requests", body)["id"]
    process = processes.running(watched, part)
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    deadline = time.monotonic() + SECONDS_TO_COME_BACK
    while not stack.is_up(watched) and time.monotonic() < deadline:
        time.sleep(0.2)
    found: set[str] = set()
    while not found and time.monotonic() < deadline:
        try:
            found = {one["id"] for one in as_user("dana").get("/v1/access-requests")["items"]}
        except (GatewayUnreachable, Refusal, VaultUnavailable):  # it says that a part is away
            time.sleep(0.3)
    assert made in found
    entries = as_user("carl").get("/v1/audit/entries", text=made, limit=10)["items"]
    assert [entry["type"] for entry in entries] == ["access-request:created"]


def test_a_stack_that_was_taken_down_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path)
    home.prepare()
    stack.down(home, lambda name, seconds: None)
    monkeypatch.setattr(stack, "up", lambda *_: pytest.fail("it was started again"))
    watching.watch(home, threading.Event(), lambda said: None)
    home.sockets.rmdir()
