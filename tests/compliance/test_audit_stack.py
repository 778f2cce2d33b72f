"""Evidence from a running stack: exported by its worker, also after that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
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
DIES = """
import os, signal, sys
from datetime import UTC, datetime, timedelta
from gateway import exporting
from gateway.composition import compose
from gateway.identity import Subject
from gateway.settings import Settings
from policies.decisions import Decision

given = compose(Settings.load())
carl = Subject("carl", "person", ("compliance-officer",), (), None, mfa=True)
since = datetime.now(UTC) - timedelta(hours=1)
made = exporting.request(given, carl, Decision(True, (), "d", ""), since=since, until=None, profile="hipaa")
print(made.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)  # committed, and never queued
"""


def test_an_export_whose_gateway_was_killed_before_it_was_queued_is_made(
    stack_home: Path, as_user: Callable[[str], Gateway]
) -> None:
    done = subprocess.run([sys.executable, "-c", DIES], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    carl, deadline = as_user("carl"), time.monotonic() + 40
    while (found := carl.get(f"/v1/audit/exports/{done.stdout.strip()}"))["state"] in ("queued", "building"):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert found["state"] == "ready"


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
