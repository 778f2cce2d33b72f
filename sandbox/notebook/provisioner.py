"""A Jupyter kernel provisioner (entry point `sallyport-jail`) that starts each kernel in the jail.

A kernel sees no network, no other kernel's keys, no file but its owner's home and the snapshots. It talks with the server over
Unix sockets in a folder of its own; what the server's environment holds is not passed on.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase

from sandbox.jail import Jail, Limits, Tail, start_isolated

DAY = 86_400
# Set by `sallyport notebook` for the server; nothing else of its environment reaches a kernel.
HOME, SNAPSHOTS, WHEELS, INCOMING, SOCKET, TOKENS, PROJECT, MEMORY = (
    f"SALLYPORT_NOTEBOOK_{name}"
    for name in ("HOME", "SNAPSHOTS", "WHEELS", "INCOMING", "SOCKET", "TOKENS", "PROJECT", "MEMORY_MB")
)
SHOWN = {
    SNAPSHOTS: "/sallyport/snapshots", WHEELS: "/sallyport/wheelhouse", INCOMING: "/sallyport/incoming",
    TOKENS: "/sallyport/tokens",
}  # fmt: skip
PACKAGES = "/home/.packages"
# Adds `%pip` that says what to do about a package that is not there.
EXTENSION = "--IPKernelApp.extensions=sandbox.notebook.pip_magic"


class JailProvisioner(KernelProvisionerBase):  # type: ignore[misc]
    """One kernel in one jail."""

    jail: Jail | None = None
    folder: Path | None = None
    tails: tuple[Tail, ...] = ()

    @property
    def has_process(self) -> bool:
        return self.jail is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """The connection file and the sockets stand in a short folder that this kernel alone is shown."""
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="sp-k-"))
        manager: Any = self.parent
        manager.transport, manager.ip = "ipc", str(self.folder / "s")
        manager.connection_file = str(self.folder / "connection.json")
        manager.write_connection_file()
        self.connection_info = manager.get_connection_info()
        return await super().pre_launch(cmd=self.kernel_spec.argv, **kwargs)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """The kernel runs in its jail. Raises BubblewrapMissing where there can be none."""
        assert self.folder is not None
        given = os.environ
        read_only = {Path(given[name]): place for name, place in SHOWN.items() if given.get(name)}
        writable = {self.folder: str(self.folder), **({Path(given[HOME]): "/home"} if given.get(HOME) else {})}
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", str(self.folder / "connection.json"), EXTENSION]
        limits = Limits(memory_mb=int(given.get(MEMORY, "4096")), cpu_seconds=DAY)
        self.jail = start_isolated(
            command, read_only=read_only, writable=writable, limits=limits, env=_environment(given),
            socket=Path(given[SOCKET]) if given.get(SOCKET) else None,
        )  # fmt: skip
        self.tails = tuple(Tail(stream) for stream in (self.jail.process.stdout, self.jail.process.stderr) if stream)
        threading.Thread(target=_guard, args=(self.jail,), daemon=True).start()
        return self.connection_info

    async def poll(self) -> int | None:
        return self.jail.process.poll() if self.jail else 0

    async def wait(self) -> int | None:
        import asyncio

        while self.jail is not None and self.jail.process.poll() is None:
            await asyncio.sleep(0.1)
        code = self.jail.process.wait() if self.jail else 0
        self.jail = None
        return code

    async def send_signal(self, signum: int) -> None:
        """Ending signals end the jail; a kernel is interrupted by a message (kernel.json), not by a signal."""
        if self.jail and signum in (signal.SIGTERM, signal.SIGKILL, signal.SIGHUP):
            self.jail.end()

    async def kill(self, restart: bool = False) -> None:
        if self.jail:
            self.jail.end()

    async def terminate(self, restart: bool = False) -> None:
        await self.kill(restart)

    async def cleanup(self, restart: bool = False) -> None:
        """The kernel's folder is gone, unless it starts again."""
        if not restart and self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None


def _guard(jail: Jail) -> None:
    """The jail is ended when as a whole it uses more than it may."""
    if jail.watched(until=math.inf):
        jail.end()


def _environment(given: Any) -> dict[str, str]:
    project = given.get(PROJECT, "")
    tracking = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:8080/mlflow/{project}", "SALLYPORT_PROJECT": project} if project else {}
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return tracking | {
        # Packages come from the wheelhouse or not at all, and stand in the home.
        "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": SHOWN[WHEELS], "PIP_ONLY_BINARY": ":all:", "PIP_PREFIX": PACKAGES,
        "PIP_NO_CACHE_DIR": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_WARN_SCRIPT_LOCATION": "1",
        "PYTHONPATH": f"{PACKAGES}/lib/{python}/site-packages", "SALLYPORT_WHEELS": SHOWN[WHEELS],
        "SALLYPORT_SNAPSHOTS": "/sallyport/snapshots", "SALLYPORT_TOKEN_FILE": "/sallyport/tokens/token",
        "IPYTHONDIR": "/tmp/ipython", "MPLCONFIGDIR": "/tmp",  # noqa: S108 - the jail's own
        # Links to an address that is the jail's own, and a hint about bars, would be shown in red at a first training run.
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true", "PYTHONWARNINGS": "ignore:IProgress not found",
        "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "GIT_PYTHON_REFRESH": "quiet", "OMP_NUM_THREADS": "2",
    }  # fmt: skip
