"""What a change of policies turns: found once it is in force, in the ledger, in the bundle and on a page; and tried before."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from compliance.verify import verify_bundle
from gateway.catalog import policies
from gateway.client import Gateway, Refusal
from gateway.commands.audit import export_to
from gateway.composition import Services, compose
from gateway.replaying import replay_waiting
from gateway.settings import Settings
from gateway.web.rendering import environment
from policies.bundle import DEFAULT_FOLDER, Bundle
from tests.ledger_reading import whole_ledger


@pytest.fixture(scope="module")
def services(stack_home: Path) -> Iterator[Services]:
    given = compose(Settings.load())
    yield given
    given.close()


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with policies under which nobody may read evidence."""
    folder = tmp_path_factory.mktemp("policies")
    for part in ("rego", "data"):
        copytree(DEFAULT_FOLDER / part, folder / part)
    roles = json.loads((folder / "data" / "roles.json").read_text())
    roles["roles"]["export_audit"] = ["nobody"]
    (folder / "data" / "roles.json").write_text(json.dumps(roles))
    return folder


def test_a_change_is_decided_again_and_what_turned_stands_in_ledger_and_api(
    services: Services, changed: Path, as_user: Callable[[str], Gateway]
) -> None:
    carl, other = as_user("carl"), Bundle.load(changed)
    asked = carl.get("/v1/audit/entries", limit=1)["items"]
    assert asked
    try:
        with services.pool.connection() as connection:
            policies.record_loaded(connection, other, engine="embedded", now=services.clock())
        assert replay_waiting(services, most=40) >= 1
    finally:
        with services.pool.connection() as connection:
            policies.record_loaded(connection, services.policy.engine.bundle, engine="embedded", now=services.clock())
    (change,) = [one for one in carl.get("/v1/policy/changes")["items"] if one["after"] == other.digest]
    replay = change["replay"]
    (turn,) = [one for one in replay["turns"] if one["kind"] == "would be denied"]
    assert turn["after"] == ["role_not_permitted"] and turn["count"] == replay["would_be_denied"] >= 1
    assert replay["decided"] <= 40 and replay["would_be_allowed"] == 0
    example = turn["examples"][0]
    assert example["action"] == "export" and "context" not in example
    (entry,) = [one for one in whole_ledger(carl) if one["type"] == "policy:replayed" and one["object"]["digest"] == other.digest]
    assert entry["detail"] == {name: replay[name] for name in policies.COUNTS} | {"whole": replay["whole"]}
    assert entry["refs"] == {"before": change["before"]}
    assert replay_waiting(services, most=40) == 1, "the change back"
    assert replay_waiting(services, most=40) == 0


def test_policies_that_were_not_kept_are_said_to_be_unknown(services: Services, changed: Path) -> None:
    other = replace(Bundle.load(changed), digest="sha256:" + "7" * 64)
    with services.pool.connection() as connection:
        policies.record_loaded(connection, other, engine="embedded", now=services.clock())
        assert policies.kept(connection, other.digest) is None, "what is kept has another digest"
        connection.execute("UPDATE catalog.policy_modules SET digest = 'gone' WHERE digest = %s", (other.digest,))
    replay_waiting(services, most=5)
    with services.pool.connection() as connection:
        found = [one for one in policies.changes(connection) if one.after == other.digest]
        policies.record_loaded(connection, services.policy.engine.bundle, engine="embedded", now=services.clock())
    assert found[0].result == {"code": "policies_not_kept", "whole": False, "turns": []}
    replay_waiting(services, most=5)


def test_the_bundle_tells_what_changes_turned_by_identifiers_only(
    services: Services, as_user: Callable[[str], Gateway], tmp_path: Path
) -> None:
    export_to(as_user("carl"), since=datetime.now(UTC) - timedelta(days=1), until=None, profile="soc2", out=tmp_path / "b")
    assert verify_bundle(tmp_path / "b").ok
    lines = (tmp_path / "b" / "reports" / "policy-replays.jsonl").read_text().splitlines()
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
    turned = [row for row in rows if row["turn"] == "would be denied"]
    assert turned and turned[0]["reasons_after"] == "role_not_permitted" and "carl" not in turned[0]["examples"]
    assert "not decided again: policies_not_kept" in {row["turn"] for row in rows}
    assert "Policy changes decided again" in (tmp_path / "b" / "report.html").read_text()


def test_a_change_is_tried_on_the_recorded_decisions_of_a_running_stack_before_it_is_in_force(
    stack_home: Path, changed: Path, as_user: Callable[[str], Gateway]
) -> None:
    as_user("carl").get("/v1/audit/key")
    as_user("carl").get("/v1/audit/entries", limit=1)
    since = (datetime.now(UTC) - timedelta(seconds=5)).isoformat()
    program = str(Path(sys.executable).with_name("sallyport"))
    done = subprocess.run(
        [program, "policy", "replay", "--since", since, "--policies", str(changed), "--as", "carl"],
        env={"SALLYPORT_HOME": str(stack_home), "PATH": ""}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["would_be_denied"] >= 1 and found["policies"]["changed"] == Bundle.load(changed).digest
    assert "carl export ledger" in done.stderr


def test_the_page_shows_every_kind_of_change() -> None:
    turn = {"kind": "would be denied", "before": [], "after": ["no_grant"], "count": 3, "examples": [{"decision_id": "d" * 32}]}
    made = {"decided": 9, "turned": 3, "would_be_denied": 3, "would_be_allowed": 0, "whole": False, "turns": [turn]}
    failed = {"code": "policies_not_kept", "whole": False, "turns": []}
    known = {"loaded_at": "2026-11-25T00:00:00+00:00", "engine": "embedded", "after": "sha256:" + "ab" * 32}
    results = [(None, None), ("sha256:1", None), ("sha256:1", failed), ("sha256:1", made), ("sha256:1", made | {"turns": []})]
    items = [known | {"id": number, "before": before, "replay": replay} for number, (before, replay) in enumerate(results)]
    page = (
        environment()
        .get_template("policies.html")
        .render(
            items=items, older=None, digest="sha256:1", asking=None, csrf="", offers=frozenset(), done=None, path="/web/policies"
        )
    )
    assert "There was nothing before" in page and "are being made again" in page and "policies_not_kept" in page
    assert "3 from allowed to denied" in page and "(the newest; there are more)" in page and "no_grant" in page
    assert page.count("What turned</caption>") == 1 and "dddddddddddd" in page


@pytest.mark.parametrize("user", ["dana", "sam", "olga"])
def test_only_who_reads_evidence_sees_the_changes(as_user: Callable[[str], Gateway], user: str) -> None:
    with pytest.raises(Refusal) as refused:
        as_user(user).get("/v1/policy/changes")
    assert refused.value.reasons == ("role_not_permitted",)
