"""Holds and deletion on the real database: nothing goes without its entry, nothing held goes at all."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from compliance.entries import Actor
from gateway import exporting, keeping
from gateway.catalog import holds
from tests.compliance.test_exporting import ALLOWED, CARL, events, export, services  # noqa: F401 - services is a fixture

LATER = datetime.now(UTC) + timedelta(days=2500)
WHO = Actor("carl", "person", ("compliance-officer",))


@pytest.fixture
def later(services: Any) -> Any:  # noqa: F811
    """The same gateway, years on; a snapshot and predictions are old by then."""
    folder = services.home.folder("snapshots") / ("aa" * 32)
    folder.mkdir(parents=True)
    (folder / "rows.parquet").write_bytes(b"rows")
    with services.pool.connection() as connection:
        connection.execute("RESET ROLE")
        connection.execute("INSERT INTO catalog.projects VALUES ('readmission', 'k', now()), ('fraud', 'k', now())")
        connection.execute(
            "INSERT INTO catalog.datasets (id, project, contract, digest, registered_by, registered_at)"
            " VALUES ('clinic', 'readmission', '', '', 'sam', now())"
        )
        connection.execute(
            "INSERT INTO catalog.snapshots (id, dataset, project, state, requested_by, requested_at, decision_id, limits, digest,"
            " finished_at) VALUES ('s1', 'clinic', 'readmission', 'built', 'sam', now(), 'd', '{}', %s, now())",
            ("sha256:" + "aa" * 32,),
        )
        connection.execute(
            "INSERT INTO promotion.predictions (id, project, name, digest, caller, at, rows, input_hash, output, latency_ms)"
            " SELECT gen_random_uuid(), 'readmission', 'm', 'sha256:1', 'svc', now(), 1, 'h', '[]', 1 FROM generate_series(1, 5)"
        )
        connection.execute("SET ROLE sallyport_app")
    services.clock = lambda: LATER
    services.snapshot_folder = lambda digest: services.home.folder("snapshots") / digest.removeprefix("sha256:")
    services.holdout_folder = lambda digest: services.home.folder("holdouts") / digest.removeprefix("sha256:")
    return services


def place(given: Any, **scope: str) -> Any:
    with given.pool.connection() as connection:
        return holds.place(connection, reason="a lawsuit", scope=scope, actor=WHO, decision_id="d1", now=given.clock())


def predictions(given: Any) -> int:
    with given.pool.connection() as connection:
        return int(connection.execute("SELECT count(*) FROM promotion.predictions").fetchone()[0])


def test_what_is_old_enough_goes_with_an_entry_each_and_the_ledger_keeps_everything(later: Any) -> None:
    before = len(events(later))
    gone = keeping.delete_due(later, CARL, ALLOWED)
    assert {one.thing.kind for one in gone} == {"snapshots", "predictions"}
    written = events(later)[before:]
    assert [kind for kind, _ in written] == ["retention:deleted"] * 2
    assert {entry["object"]["type"] for _, entry in written} == {"snapshots", "predictions"}
    assert all(entry["refs"]["decision_id"] == "d1" and entry["actor"]["id"] == "carl" for _, entry in written)
    assert predictions(later) == 0 and not later.snapshot_folder("sha256:" + "aa" * 32).exists()
    assert keeping.delete_due(later, CARL, ALLOWED) == [] and len(events(later)) == before + 2


def test_nothing_goes_before_its_time(later: Any) -> None:
    later.clock = lambda: datetime.now(UTC) + timedelta(days=30)
    assert keeping.delete_due(later, CARL, ALLOWED) == []
    assert predictions(later) == 5


def test_days_of_the_organisations_own_keep_things_longer(later: Any) -> None:
    before = {one.thing.kind: one for one in keeping.kept(later)}
    later.settings.retention_days = "predictions=9000"
    after = {one.thing.kind: one for one in keeping.kept(later)}
    assert before["predictions"].may_go(LATER) and not after["predictions"].may_go(LATER)
    assert after["snapshots"].until == before["snapshots"].until


def test_a_hold_stops_deletion_until_it_is_lifted(later: Any) -> None:
    hold = place(later, dataset="clinic")
    assert keeping.delete_due(later, CARL, ALLOWED) == []
    assert predictions(later) == 5 and later.snapshot_folder("sha256:" + "aa" * 32).is_dir()
    with later.pool.connection() as connection:
        holds.lift(connection, hold.id, actor=WHO, decision_id="d2", now=LATER)
        with pytest.raises(holds.HoldNotFound):
            holds.lift(connection, hold.id, actor=WHO, decision_id="d2", now=LATER)
    assert len(keeping.delete_due(later, CARL, ALLOWED)) == 2
    kinds = [kind for kind, _ in events(later)]
    assert kinds == ["hold:placed", "hold:lifted", "retention:deleted", "retention:deleted"]
    assert "lawsuit" not in str(events(later))


def test_a_hold_on_another_project_stops_nothing(later: Any) -> None:
    place(later, project="fraud")
    assert len(keeping.delete_due(later, CARL, ALLOWED)) == 2


def test_an_export_that_was_deleted_cannot_be_fetched_any_more(services: Any) -> None:  # noqa: F811
    made = export(services)
    services.clock = lambda: LATER
    assert [one.thing.id for one in keeping.delete_due(services, CARL, ALLOWED)] == [made["id"]]
    with pytest.raises(exporting.ExportNotFound):
        exporting.archive(services, CARL, ALLOWED, made["id"])


def test_files_that_a_crash_left_of_what_is_on_record_as_deleted_are_taken_away(
    later: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(keeping, "take_files_away", lambda given: None)
        keeping.delete_due(later, CARL, ALLOWED)
    assert later.snapshot_folder("sha256:" + "aa" * 32).is_dir()
    keeping.delete_due(later, CARL, ALLOWED)
    assert not later.snapshot_folder("sha256:" + "aa" * 32).exists()


def test_a_snapshot_whose_model_is_in_production_is_kept(later: Any) -> None:
    import base64
    import json

    payload = base64.b64encode(json.dumps({"inputs": ["sha256:" + "aa" * 32]}).encode()).decode()
    with later.pool.connection() as connection:
        connection.execute(
            "INSERT INTO promotion.requests VALUES ('p', 'readmission', 'm', 1, 'sha256:1', 'low', 'dana', NULL, '', '',"
            " 'deployed', now(), now())"
        )
        connection.execute(
            "INSERT INTO promotion.checks VALUES ('p', 'lineage', 'passed', 'sha256:1', '', 1, %s)",
            (json.dumps({"payload": payload}),),
        )
        connection.execute(
            "INSERT INTO promotion.deployments (project, name, request, digest, deployed_by, deployed_at, decision_id, envelope)"
            " VALUES ('readmission', 'm', 'p', 'sha256:1', 'vera', now(), 'd', '{}')"
        )
    assert {one.thing.kind for one in keeping.delete_due(later, CARL, ALLOWED)} == {"predictions"}


def test_deletion_waits_for_a_hold_that_is_being_placed_and_keeps_what_it_covers(later: Any) -> None:
    done = threading.Event()

    def deleting() -> None:
        keeping.delete_due(later, CARL, ALLOWED)
        done.set()

    with psycopg.connect(later.pool.conninfo) as connection:
        connection.execute("SET ROLE sallyport_app")
        holds.place(connection, reason="r", scope={"kind": "predictions"}, actor=WHO, decision_id="d", now=LATER)
        thread = threading.Thread(target=deleting)
        thread.start()
        waited = not done.wait(0.4)
        connection.commit()
    thread.join(10)
    assert waited and done.is_set() and predictions(later) == 5
