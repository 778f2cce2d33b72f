"""A backup becomes a home again: unpacked and checked by `restore`, finished by the first `up`."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

from compliance.canonical import digest_file
from gateway.embedded import openbao, processes, provision
from gateway.embedded.home import PORTS, Home, free_ports, port_is_free, write_private
from gateway.errors import BackupRefused, HomeUnusable
from gateway.operations import archives
from gateway.vault import Vault

WAITING = "restored.json"


def restore(home: Home, archive: Path, pin: str | None = None) -> dict[str, Any]:
    """The home, empty until now, holds what the backup holds; nothing of a backup that is refused. Raises GatewayError."""
    _require_empty(home.root)
    digest = digest_file(archive)
    if pin and pin != digest:
        raise BackupRefused("The file does not have the digest that was asked for.")
    home.root.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{home.root.name}.", dir=home.root.parent))
    try:
        with archive.open("rb") as file:
            manifest = archives.unpack(file, partial)
        archives.unpack_tree(partial / archives.POSTGRES, partial / "postgres")
        (partial / archives.POSTGRES).unlink()
        ports = _settle_ports(partial / archives.STACK)
        facts = {"id": manifest.get("id", ""), "made_at": manifest.get("made_at", ""), "digest": digest}
        write_private(partial / WAITING, json.dumps(facts))
        if home.root.exists():
            home.root.rmdir()
        partial.rename(home.root)
    except OSError as error:
        raise BackupRefused(f"The backup could not be unpacked ({error.strerror}); nothing of it was kept.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return facts | {"home": str(home.root), "files": len(manifest["files"]), "ports_kept": ports}


def waiting(home: Home) -> dict[str, Any] | None:
    """What the restored home came from, until an `up` has finished it."""
    try:
        return dict(json.loads((home.root / WAITING).read_text("utf-8")))
    except FileNotFoundError:
        return None


def begin_vault(home: Home) -> None:
    """No Vault that an interrupted `up` left half restored is in the way; begun again from the backup's."""
    processes.stop(home, "openbao", signal.SIGINT)
    shutil.rmtree(home.folder("openbao"), ignore_errors=True)
    home.folder("openbao").mkdir(mode=0o700)


def finish_vault(home: Home) -> None:
    """OpenBao holds what it held when it was backed up, and knows where this home's database and ports are."""
    openbao.restore_snapshot(home, home.root / archives.VAULT)
    gateway = json.loads(home.secret("approle-sallyport-gateway").read_text("utf-8"))
    passwords = Vault.login(openbao.address(home), **gateway).read_secret("sallyport/database")
    client = openbao.operator_client(home)
    provision.connect_database(home, client, passwords["vault_admin"])
    provision.name_issuer(home, client)


def done(home: Home) -> None:
    """The home is like any other from now on."""
    (home.root / WAITING).unlink()
    (home.root / archives.VAULT).unlink(missing_ok=True)


def _require_empty(root: Path) -> None:
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise HomeUnusable(f"The home {root} is not empty; set SALLYPORT_HOME to a folder that is, or does not exist.")


def _settle_ports(stack_file: Path) -> bool:
    """Whether the ports of the backup are free here; otherwise the stack has other ones, chosen now."""
    try:
        facts = json.loads(stack_file.read_text("utf-8"))
        ports = {name: int(facts["ports"][name]) for name in PORTS}
    except (ValueError, KeyError, TypeError) as error:
        raise BackupRefused("The backup's ports cannot be read.") from error
    kept = all(port_is_free(port) for port in ports.values())
    chosen = ports if kept else dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    write_private(stack_file, json.dumps(facts | {"ports": chosen}))
    return kept
