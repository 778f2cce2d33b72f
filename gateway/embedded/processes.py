"""Programs of the stack: started once, known by process id and start time, stopped in order."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from gateway.embedded.home import Home, write_private
from gateway.errors import PartMissing, StackError

SECONDS_TO_STOP = 15
POLL_SECONDS = 0.05
SAME_START_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Part:
    """A program of the stack. `ready` says whether it answers; it is asked until `seconds` have passed."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]
    environment: Mapping[str, str]
    seconds: float = 60
    before_exec: Callable[[], None] | None = None
    stop_signal: int = signal.SIGTERM


def wheel(module: str, what: str) -> Path:
    """The folder of an installed wheel that holds a program; the module itself is not imported. Raises PartMissing."""
    found = find_spec(module)
    if found is None or found.origin is None:
        raise PartMissing(f"{what} is not installed; run `make setup`.")
    return Path(found.origin).parent


def running(home: Home, name: str) -> psutil.Process | None:
    """The process of the part, or None; a process id that another program got since does not count."""
    try:
        known = json.loads(_pid_file(home, name).read_text("utf-8"))
        process = psutil.Process(known["pid"])
        same = abs(process.create_time() - known["started"]) < SAME_START_SECONDS
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except (OSError, ValueError, KeyError, psutil.Error):
        return None


def start(home: Home, part: Part) -> None:
    """The part runs and answers. Raises StackError, naming its log, when it does not in time."""
    spawn(home, part)
    deadline = time.monotonic() + part.seconds
    while time.monotonic() < deadline:
        if part.ready():
            return
        if not running(home, part.name):
            break
        time.sleep(POLL_SECONDS)
    raise StackError(f"{part.name} did not start; its log is {home.log(part.name)}.")


def stop(home: Home, name: str, stop_signal: int = signal.SIGTERM) -> bool:
    """The part does not run; True when it did. It is asked first and killed only when it does not end."""
    process = running(home, name)
    if process is not None:
        process.send_signal(stop_signal)
        if not _ends(home, name):
            process.kill()
            _ends(home, name)
    _end_what_it_left(home, name)
    _pid_file(home, name).unlink(missing_ok=True)
    return process is not None


def _ends(home: Home, name: str) -> bool:
    """Whether the part ended in time; one whose parent has not asked how it ended (a zombie) has."""
    deadline = time.monotonic() + SECONDS_TO_STOP
    while running(home, name):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def spawn(home: Home, part: Part) -> None:
    """The part runs, if it did not before; whether it answers is for `start` to wait for. Raises StackError."""
    if running(home, part.name):
        return
    _end_what_it_left(home, part.name)
    _launch(home, part)


def _end_what_it_left(home: Home, name: str) -> None:
    """No process that the part's own one started is left; one that was killed cannot have ended them itself."""
    try:
        session = json.loads(_pid_file(home, name).read_text("utf-8"))["pid"]
    except (OSError, ValueError, KeyError):
        return
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session and process.environ().get("SALLYPORT_HOME") == str(home.root):
                process.kill()
        except (psutil.Error, OSError):
            continue  # it has ended, or is somebody else's


def _launch(home: Home, part: Part) -> None:
    with home.log(part.name).open("ab") as log:
        try:
            child = subprocess.Popen(
                part.command,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=home.root,
                env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **part.environment},
                preexec_fn=part.before_exec,  # noqa: PLW1509 - one system call, before any thread exists in the child
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            raise StackError(f"{part.name} cannot be started: {type(error).__name__}.") from error
    with suppress(ProcessLookupError):  # it has ended at once, as `record` says
        resource.prlimit(child.pid, resource.RLIMIT_CORE, (0, 0))  # what it holds in memory is written to no core file
    record(home, part.name, child.pid)


def record(home: Home, name: str, pid: int) -> None:
    """The process is known as the part's from now on."""
    try:
        started = psutil.Process(pid).create_time()
    except psutil.Error as error:
        raise StackError(f"{name} ended at once; its log is {home.log(name)}.") from error
    write_private(_pid_file(home, name), json.dumps({"pid": pid, "started": started}))


def _pid_file(home: Home, name: str) -> Path:
    return home.folder("run") / f"{name}.json"
