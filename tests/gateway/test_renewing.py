"""A home made by an earlier release: `up` gives its OpenBao what this release needs, and takes nothing of its people's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from compliance.ledger import integrate
from gateway.embedded import openbao, postgres, processes, provision, renewing, stack, users
from gateway.embedded.home import Home
from gateway.errors import VaultError, VaultUnavailable
from gateway.vault import Vault

NEW = 'path "secret/data/new-in-this-release" { capabilities = ["read", "update", "create"] }'


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path / "home")
    made.prepare()
    made.ensure_stack()
    try:
        stack.start_foundations(made)
        yield made
    finally:
        for name in ("openbao", "postgres"):
            processes.stop(made, name, 2)
        shutil.rmtree(made.sockets, ignore_errors=True)


def gateway(home: Home) -> Vault:
    return Vault.login(openbao.address(home), **json.loads(home.secret("approle-sallyport-gateway").read_text("utf-8")))


def write(vault: Vault) -> None:
    vault.call(lambda client: client.secrets.kv.v2.create_or_update_secret("new-in-this-release", {"a": "b"}))


def renewals(home: Home) -> int:
    with psycopg.connect(postgres.superuser(home, "control")) as connection:
        integrate(connection)
        rows = connection.execute("SELECT count(*) FROM ledger.entries WHERE type = 'vault:reconfigured'").fetchone()
    return int(rows[0]) if rows else 0


def test_what_a_newer_release_needs_is_there_after_up_and_nothing_else_changed(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = home.secret("users").joinpath("dana.json").read_text("utf-8")
    with pytest.raises(VaultError):
        write(gateway(home))
    stack.start_foundations(home)
    assert renewals(home) == 0, "nothing is done while the release is the same"
    monkeypatch.setattr(provision, "GATEWAY_POLICY", provision.GATEWAY_POLICY + NEW)
    assert renewing.outdated(home)
    stack.start_foundations(home)
    write(gateway(home))
    assert renewals(home) == 1 and not renewing.outdated(home)
    assert home.secret("users").joinpath("dana.json").read_text("utf-8") == before
    assert users.login(home.root, "dana", fresh=True)
    with pytest.raises(VaultUnavailable):  # "unsupported operation"
        openbao.new_root(home)
    assert not home.secret(openbao.ROOT_TOKEN).exists()


def test_a_home_of_before_there_was_a_mark_is_renewed_and_a_failed_renewal_is_tried_again(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.secret(renewing.MARK).unlink()
    with monkeypatch.context() as patch:
        patch.setattr(provision, "renew", lambda *given: (_ for _ in ()).throw(VaultError("as if it refused")))
        with pytest.raises(VaultError):
            stack.start_foundations(home)
    assert renewing.outdated(home)
    with pytest.raises(VaultUnavailable):  # "unsupported operation"
        openbao.new_root(home)
    stack.start_foundations(home)
    assert not renewing.outdated(home)
