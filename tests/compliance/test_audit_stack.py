"""Evidence from a running stack: exported by its worker, also after that was killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from compliance.verify import verify_bundle
from gateway.client import Gateway, Refusal
from gateway.commands.audit import export_to
from gateway.embedded import processes, stack
from gateway.embedded.home import Home

pytestmark = pytest.mark.flow


def test_an_export_waits_for_a_worker_and_is_made_by_the_next_one(
    stack_home: Path, as_user: Callable[[str], Gateway], tmp_path: Path
) -> None:
    home, carl = Home(stack_home), as_user("carl")
    worker = processes.running(home, "worker")
    assert worker is not None
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait(10)
    queued = carl.post("/v1/audit/exports", {"since": (datetime.now(UTC) - timedelta(days=1)).isoformat()})
    assert queued["state"] == "queued" and carl.get(f"/v1/audit/exports/{queued['id']}")["state"] == "queued"
    with pytest.raises(Refusal) as early:
        list(carl.download(f"/v1/audit/exports/{queued['id']}/archive"))
    assert early.value.problem_code == "export_not_found"
    stack.up(home, lambda name, seconds: None)
    deadline = time.monotonic() + 60
    while (found := carl.get(f"/v1/audit/exports/{queued['id']}"))["state"] in ("queued", "building"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert (found["state"], found["ok"]) == ("ready", True)
    started = time.monotonic()
    made = export_to(carl, since=datetime.now(UTC) - timedelta(days=1), until=None, profile="soc2", out=tmp_path / "b")
    print(f"export of {made['entries']} entries through the worker: {time.monotonic() - started:.2f} s")
    assert made["entries"] > 0 and verify_bundle(tmp_path / "b").ok
    with pytest.raises(Refusal):
        as_user("dana").get(f"/v1/audit/exports/{queued['id']}")
