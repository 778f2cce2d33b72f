"""Keys in Vault transit are rotated: what was signed or wrapped before stays good, what comes after uses the new one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import psycopg

from compliance.entries import Entry, ObjectRef, Outcome
from compliance.ledger import append
from gateway.embedded import openbao, postgres, processes, stack
from gateway.embedded.home import Home
from gateway.errors import GatewayError, VaultError
from gateway.operations.backups import foundations, operator
from gateway.vault import POLICIES_KEY, PROJECTS_KEY, SIGNING_KEY, translated

# The word a person says -> the key in Vault and what it does.
KEYS = {
    "evidence": (SIGNING_KEY, "signs checkpoints, checks, approvals and snapshots"),
    "projects": (PROJECTS_KEY, "wraps each project's pseudonym key"),
    "policies": (POLICIES_KEY, "signs the policies' bundle that OPA servers fetch"),
}
PARTS = ("gateway", "model_server", "worker")  # what signs, and so has to learn of a new version


@dataclass(frozen=True, slots=True)
class Key:
    """A key as Vault tells of it: its newest version and since when that is in use."""

    name: str
    does: str
    version: int
    since: str
    versions: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def keys(home: Home) -> list[Key]:
    """The keys of the stack. Raises GatewayError."""
    with foundations(home):
        client = openbao.operator_client(home)
        return [_key(client, name) for name in KEYS]


def rotate(home: Home, name: str) -> Key:
    """The key has a new version which everything uses from now on; the ledger said before that it would. Raises GatewayError.

    Pseudonyms stay as they are: a project's own key does not change, only what it is wrapped with (NIST SP 800-57, 5.3.4).
    """
    home.stack()
    with foundations(home):
        client = openbao.operator_client(home)
        old = _key(client, name)
        _record(home, "key:rotation-started", "done", name, old.version + 1)
        try:
            translated(lambda: client.secrets.transit.rotate_key(KEYS[name][0]))
            if name == "projects":
                _rewrap(home, client)
            new = _key(client, name)
        except GatewayError as error:
            _record(home, "key:rotation-failed", "failed", name, old.version + 1, error=error.code)
            raise
        _record(home, "key:rotated", "done", name, new.version)
    if name == "evidence":
        _restart(home)
    return new


def _rewrap(home: Home, client: Any) -> None:
    """Every project's key is wrapped by the newest version, all or none."""
    with psycopg.connect(postgres.superuser(home, "control")) as connection:
        rows = connection.execute("SELECT id, wrapped_key FROM catalog.projects ORDER BY id FOR UPDATE").fetchall()
        for project, wrapped in rows:
            again = translated(partial(client.secrets.transit.rewrap_data, PROJECTS_KEY, wrapped))
            connection.execute(
                "UPDATE catalog.projects SET wrapped_key = %s WHERE id = %s", (again["data"]["ciphertext"], project)
            )


def _restart(home: Home) -> None:
    """The parts that sign run again if they ran, and so sign with the newest version."""
    ran = [name for name in PARTS if processes.running(home, name)]
    for name in reversed(ran):
        processes.stop(home, name)
    makes = {"gateway": stack.gateway, "model_server": stack.model_server, "worker": stack.worker}
    for name in ran:
        processes.start(home, makes[name](home))


def _key(client: Any, name: str) -> Key:
    transit, does = KEYS[name]
    try:
        told = translated(lambda: client.secrets.transit.read_key(transit))["data"]
    except VaultError as error:
        raise VaultError(f"Vault has no key {transit}, or does not let the operator see it.") from error
    newest = told["keys"][str(told["latest_version"])]
    since = newest["creation_time"] if isinstance(newest, dict) else datetime.fromtimestamp(newest, UTC).isoformat()
    return Key(name, does, int(told["latest_version"]), str(since), len(told["keys"]))


def _record(home: Home, event: str, outcome: Outcome, name: str, version: int, **detail: str) -> None:
    entry = Entry(
        type=event, actor=operator(), object=ObjectRef("key", KEYS[name][0]), outcome=outcome,
        detail={"version": version, **detail}, occurred_at=datetime.now(UTC),
    )  # fmt: skip
    with psycopg.connect(postgres.superuser(home, "control")) as connection:
        append(connection, entry)
