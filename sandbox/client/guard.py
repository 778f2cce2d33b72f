"""Leases do not outlive the notebook that opened them: a small process beside it ends the lease when the notebook is killed.

usage: python -m sandbox.client.guard LEASE; standard input ends when whoever opened the lease does.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.client import connection
from sandbox.client.errors import ClientError, Refused

ENDED = b"ended"
TRIES, SECONDS_BETWEEN_TRIES, SECONDS_TO_END = 5, 5, 5


@contextmanager
def guarded(lease: str) -> Iterator[None]:
    """The lease ends with the block, and with this process however it ends."""
    # In a session of its own, so that what ends this process and its children does not end the guard.
    guard = subprocess.Popen(
        [sys.executable, "-m", "sandbox.client.guard", lease], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        yield
    finally:
        said = b""
        try:
            connection.call("DELETE", f"/v1/leases/{lease}")
            said = ENDED
        finally:
            with contextlib.suppress(OSError, subprocess.TimeoutExpired):
                guard.communicate(said, timeout=SECONDS_TO_END)


def main(lease: str) -> None:
    """The lease has ended when this returns, unless the gateway does not answer; then it ends by itself."""
    if sys.stdin.buffer.read() == ENDED:
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
    main(sys.argv[1])
