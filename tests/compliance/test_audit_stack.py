"""Evidence from a running stack: exported by its worker, also after that was killed, and across a rotation of the key."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from compliance.attestations import Statement, Subject, sign_statement, verify_envelope
from compliance.verify import verify_bundle
from gateway.client import Gateway, Refusal
from gateway.commands.audit import export_to
from gateway.composition import Services, compose
from gateway.embedded import openbao, processes, stack
from gateway.embedded.home import Home
from gateway.settings import Settings
from gateway.vault import SIGNING_KEY, TransitSigner, new_client

pytestmark = pytest.mark.flow


@pytest.fixture
def parts(stack_home: Path) -> Iterator[Services]:
    made = compose(Settings.load())
    yield made
    made.close()


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


@contextmanager
def root(home: Home) -> Iterator[Any]:
    """A client that may do everything, made anew from the unseal key and dead afterwards."""
    client = new_client(openbao.address(home))
    attempt = client.adapter.put("/v1/sys/generate-root/attempt").json()
    key = home.secret(openbao.UNSEAL_KEY).read_text("utf-8")
    done = client.adapter.put("/v1/sys/generate-root/update", json={"key": key, "nonce": attempt["nonce"]}).json()
    token = _xor(done["encoded_token"], attempt["otp"])
    client = new_client(openbao.address(home), token)
    try:
        yield client
    finally:
        client.auth.token.revoke_self()


def _xor(encoded: str, pad: str) -> str:
    import base64

    raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    return bytes(a ^ b for a, b in zip(raw, pad.encode(), strict=True)).decode()


def test_a_rotated_key_takes_nothing_from_what_was_signed_before(stack_home: Path, parts: Services) -> None:
    before = sign_statement(Statement((Subject("x", "sha256:" + "1" * 64),), "urn:x", {}), parts.signer)
    old = parts.public_keys()
    with root(Home(stack_home)) as client:
        client.secrets.transit.rotate_key(SIGNING_KEY)
    signer = TransitSigner(parts.vault, SIGNING_KEY)
    assert signer.keyid != parts.signer.keyid and set(signer.public_keys()) == {*old, signer.keyid}
    after = sign_statement(Statement((Subject("x", "sha256:" + "1" * 64),), "urn:x", {}), signer)
    for envelope in (before, after):
        verify_envelope(envelope, signer.public_keys())
    deadline = time.monotonic() + 15
    while signer.keyid not in parts.public_keys():  # a part that runs on trusts the new version soon
        assert time.monotonic() < deadline
        time.sleep(0.5)
