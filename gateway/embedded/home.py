"""The home folder of an embedded stack: where everything stands, which ports it uses, who may look."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.errors import HomeUnusable, StackNotRunning

DEFAULT_HOME = ".sallyport"
FOLDERS = (
    "secrets",
    "secrets/users",
    "openbao",
    "mlflow",
    "snapshots",
    "holdouts",
    "remembered",
    "shadows",
    "models",
    "exports",
    "staging",
    "airlock",
    "logs",
    "run",
)
PORTS = ("openbao", "openbao_cluster", "gateway", "model_server")


@dataclass(frozen=True, slots=True)
class Home:
    """Paths below the home folder. Sockets stand in a short folder of their own: a socket's path holds 107 bytes."""

    root: Path

    @classmethod
    def here(cls) -> Home:
        """The home that SALLYPORT_HOME names, absolute."""
        return cls(Path(os.environ.get("SALLYPORT_HOME") or DEFAULT_HOME).expanduser().absolute())

    def folder(self, name: str) -> Path:
        return self.root / name

    def log(self, part: str) -> Path:
        return self.root / "logs" / f"{part}.log"

    @property
    def sockets(self) -> Path:
        """The folder of this home's Unix sockets."""
        name = hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:10]
        return Path(tempfile.gettempdir()) / f"sallyport-{os.getuid()}-{name}"

    @property
    def stack_file(self) -> Path:
        return self.root / "stack.json"

    def prepare(self) -> None:
        """All folders exist and only this account may look into them. Raises HomeUnusable."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.root.chmod(0o700)
            for name in FOLDERS:
                self.folder(name).mkdir(mode=0o700, exist_ok=True)
            self.sockets.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise HomeUnusable(
                f"The home {self.root} cannot be used ({error.strerror}); set SALLYPORT_HOME to a folder you may write."
            ) from error
        self._require_own_sockets()

    def _require_own_sockets(self) -> None:
        """Nobody else made the socket folder first (it stands in a folder everybody may write to)."""
        found = self.sockets.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise HomeUnusable(f"{self.sockets} is not this account's alone; remove it and try again.")

    def stack(self) -> dict[str, Any]:
        """The ports and facts chosen when the stack was first started. Raises StackNotRunning before that."""
        try:
            return dict(json.loads(self.stack_file.read_text("utf-8")))
        except (OSError, ValueError) as error:
            raise StackNotRunning(f"There is no stack in {self.root}.") from error

    def ensure_stack(self) -> dict[str, Any]:
        """The stack's facts, with free ports chosen the first time and kept from then on."""
        if self.stack_file.exists():
            return self.stack()
        facts = {"version": 1, "ports": dict(zip(PORTS, free_ports(len(PORTS)), strict=True))}
        write_private(self.stack_file, json.dumps(facts))
        return facts

    def secret(self, name: str) -> Path:
        return self.root / "secrets" / name


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now, each another."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def port_is_free(port: int) -> bool:
    """Nobody listens on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def write_private(path: Path, text: str) -> None:
    """`path` holds `text`, all of it or what it held before, and only this account may read it."""
    write_private_bytes(path, text.encode("utf-8"))


def write_private_bytes(path: Path, data: bytes) -> None:
    """`path` holds `data`, all of it or what it held before, and only this account may read it."""
    descriptor, partial = tempfile.mkstemp(prefix=path.name + ".", suffix=".partial", dir=path.parent)  # of this writer alone
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    Path(partial).replace(path)
