"""Keys of a running stack are rotated: parts sign with the new version, pseudonym keys are wrapped again and stay the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from gateway.catalog.projects import wrapped_key
from gateway.cli import cli
from gateway.client import Gateway
from gateway.composition import compose
from gateway.embedded import postgres
from gateway.embedded.home import Home
from gateway.operations import rotating
from gateway.policy_signing import PolicySigner
from gateway.settings import Settings


def wrapped(home: Home) -> str:
    with psycopg.connect(postgres.superuser(home, "control")) as connection:
        return wrapped_key(connection, "readmission")


def test_after_a_rotation_evidence_is_signed_by_the_new_version_and_the_old_is_still_known(
    stack_home: Path, clinic: Path, as_user: Callable[[str], Gateway]
) -> None:
    before = {key.name: key.version for key in rotating.keys(Home(stack_home))}
    made = rotating.rotate(Home(stack_home), "evidence")
    assert made.version == before["evidence"] + 1
    known = as_user("carl").get("/v1/audit/key")
    ids = {one["keyid"] for one in known["keys"]} if "keys" in known else set(known)
    assert {f"sallyport-evidence:v{made.version}", f"sallyport-evidence:v{before['evidence']}"} <= ids
    services = compose(Settings.load())
    try:
        assert services.signer.keyid == f"sallyport-evidence:v{made.version}"
    finally:
        services.close()
    items = as_user("carl").get("/v1/audit/entries", text="sallyport-evidence", limit=100)["items"]
    assert [item["type"] for item in items][-2:] == ["key:rotation-started", "key:rotated"]
    assert items[-1]["actor"]["id"].startswith("account:")


def test_policies_are_signed_by_the_newest_version_and_the_old_is_still_told(stack_home: Path) -> None:
    services = compose(Settings.load())
    try:
        made = rotating.rotate(Home(stack_home), "policies")
        signer = PolicySigner(services.vault)
        assert signer.keyid == f"sallyport-policies:v{made.version}" and len(signer.sign(b"x")) == 64
        assert len(signer.public_keys()) == made.version > 1
    finally:
        services.close()


def test_a_projects_key_is_wrapped_anew_and_stays_the_same(stack_home: Path, clinic: Path) -> None:
    home = Home(stack_home)
    services = compose(Settings.load())
    try:
        old = wrapped(home)
        key = services.vault.unwrap_data_key(old)
        version = rotating.rotate(home, "projects").version
        new = wrapped(home)
        assert new != old and new.startswith(f"vault:v{version}:")
        assert services.vault.unwrap_data_key(new) == key
        assert services.vault.unwrap_data_key(old) == key  # manifests of earlier snapshots hold the old wrapping
    finally:
        services.close()


def test_what_goes_wrong_on_the_way_is_in_the_ledger_and_leaves_no_key_half_wrapped(
    stack_home: Path, clinic: Path, as_user: Callable[[str], Gateway]
) -> None:
    home = Home(stack_home)
    with psycopg.connect(postgres.superuser(home, "control"), autocommit=True) as connection:
        old = wrapped(home)
        bad = ("spoiled", "vault:v1:bm90IGEga2V5")
        connection.execute("INSERT INTO catalog.projects VALUES (%s, %s, now())", bad)
        try:
            done = CliRunner().invoke(cli, ["keys", "rotate", "projects"])
        finally:
            connection.execute("DELETE FROM catalog.projects WHERE id = 'spoiled'")
    assert done.exit_code == 1 and "vault" in done.output and "Traceback" not in done.output
    assert wrapped(home) == old
    items = as_user("carl").get("/v1/audit/entries", text="sallyport-projects", limit=100)["items"]
    assert items[-1]["type"] == "key:rotation-failed"


def test_keys_are_shown_with_their_versions(stack_home: Path) -> None:
    done = CliRunner().invoke(cli, ["keys", "show", "--json"])
    assert done.exit_code == 0
    assert '"evidence"' in done.output and '"version"' in done.output


@pytest.mark.parametrize("name", ["other", ""])
def test_only_known_keys_are_rotated(name: str) -> None:
    assert CliRunner().invoke(cli, ["keys", "rotate", name]).exit_code == 2
