"""Leases do not outlive the notebook that opened them: a small process beside it ends the lease when the notebook is killed.

usage: python -m sandbox.client.guard LEASE [PIDFD]; it works when the notebook says so, or is gone. What the notebook started
may still hold its files then (a pool of workers does), so the end of standard input alone would not tell.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.client import connection
from sandbox.client.errors import ClientError, Refused

ENDED, NOT_ENDED = b"ended", b"again"
TRIES, SECONDS_BETWEEN_TRIES, SECONDS_TO_END = 5, 5, 5


@contextmanager
def guarded(lease: str) -> Iterator[None]:
    """The lease ends with the block, and with this process however it ends."""
    watched = _this_process()
    # In a session of its own, so that what ends this process and its children does not end the guard.
    guard = subprocess.Popen(
        [sys.executable, "-m", "sandbox.client.guard", lease, *map(str, watched)], stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, pass_fds=watched,
    )  # fmt: skip
    for descriptor in watched:
        os.close(descriptor)
    try:
        yield
    finally:
        said = NOT_ENDED
        try:
            connection.call("DELETE", f"/v1/leases/{lease}")
            said = ENDED
        finally:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                guard.communicate(said, timeout=SECONDS_TO_END)


def _this_process() -> list[int]:
    """A descriptor that says when this process is gone; none where the system has no such thing."""
    try:
        return [os.pidfd_open(os.getpid())]
    except (AttributeError, OSError):
        return []


def main(lease: str, *watched: str) -> None:
    """The lease has ended when this returns, unless the gateway does not answer; then it ends by itself."""
    ready, _, _ = select.select([0, *map(int, watched)], [], [])
    if 0 in ready and os.read(0, len(ENDED)) == ENDED:
        return
    for _ in range(TRIES):
        try:
            connection.call("DELETE", f"/v1/leases/{lease}")
        except Refused:
            return
        except ClientError:
            time.sleep(SECONDS_BETWEEN_TRIES)
        else:
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
