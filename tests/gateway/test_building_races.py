"""Builds, erasures, loads and legal holds at the same time, on the real databases: nobody who was erased is left."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from leasing import entries, superuser

from compliance.entries import Actor
from gateway import building, erasing
from gateway.catalog import datasets, erasures, snapshots
from gateway.catalog.projects import wrapped_key
from gateway.client import Gateway, Refusal
from gateway.commands.dataset import send_rows
from gateway.composition import Services, compose
from gateway.embedded.home import Home
from gateway.operations.rotating import rotate
from gateway.settings import Settings
from sandbox.comparing import compare
from sandbox.manifests import signed_statement, verify_snapshot
from sandbox.treatments import Keyed
from sandbox.treatments.pseudonym import LENGTH_BYTES

STEWARD = Actor("sam", "person", ("data-steward",))
LIMITS = {"min_k": 2, "min_l": 1, "max_prosecutor_risk": 0.5}
CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: racing
name: Stays
version: 1.0.0
status: active
customProperties:
  - {property: purposes, value: [model-debugging]}
  - {property: personKey, value: people.person}
schema:
  - name: people
    properties:
      - {name: person, logicalType: string, primaryKey: true, classification: direct, customProperties: [{property: treatment, value: pseudonym}, {property: identifierKind, value: person}]}
      - {name: age, logicalType: integer, classification: quasi, customProperties: [{property: treatment, value: {name: bin, width: 20}}]}
"""  # noqa: E501


@pytest.fixture(scope="module")
def given(stack_home: Path) -> Iterator[Services]:
    services = compose(Settings.load())
    yield services
    services.close()


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("racing") / "people.csv"
    path.write_text("person,age\n" + "".join(f"Q-{n},{20 + n % 40}\n" for n in range(120)))
    return path


@pytest.fixture
def sam(as_user: Callable[[str], Gateway], rows: Path) -> Gateway:
    """Every test begins with the same live rows."""
    sam = as_user("sam")
    sam.post("/v1/datasets", {"project": "income", "contract": CONTRACT})
    send_rows(sam, "racing", {rows.name: rows})
    return sam


def asked(given: Services) -> snapshots.Snapshot:
    """A snapshot that nobody but the test builds."""
    with given.pool.connection() as connection:
        dataset = datasets.get(connection, "racing")
        return snapshots.request(connection, dataset, actor=STEWARD, decision_id="d", limits=LIMITS, now=given.clock())


def state(given: Services, name: str) -> snapshots.Snapshot:
    with given.pool.connection() as connection:
        return snapshots.get(connection, name)


def forget(given: Services, person: str) -> None:
    with given.pool.connection() as connection:
        dataset = datasets.get(connection, "racing")
    erasing.erase(given, dataset, person, actor=STEWARD, decision_id="d")


def released(given: Services, name: str) -> set[str]:
    folder = given.snapshot_folder(str(state(given, name).digest))
    verify_snapshot(folder, given.public_keys())
    return set(pl.read_parquet(next(folder.glob("people-*.parquet")))["person"])


def pseudonym(given: Services, person: str) -> str:
    with given.pool.connection() as connection:
        key = given.vault.unwrap_data_key(wrapped_key(connection, "income"))
    return Keyed(key).mac("person", person)[:LENGTH_BYTES].hex()


def started(work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def blocked(home: Path, lock: str) -> Any:
    """Holds `lock` on the live rows, as somebody's long transaction would."""
    connection = superuser(home)
    connection.autocommit = False
    connection.execute(lock)
    return connection


def until_waiting(home: Path, database: str, query: str) -> None:
    """Somebody waits for a lock with a statement like `query`."""
    with superuser(home, database) as connection:
        for _ in range(100):
            found = connection.execute(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s AND datname = %s",
                (query, database),
            ).fetchone()
            if found:
                return
            time.sleep(0.05)
    raise AssertionError("nobody waits")


def test_a_build_that_starts_while_an_erasure_is_under_way_stands_without_the_person(
    sam: Gateway, given: Services, stack_home: Path
) -> None:
    wanted = asked(given).id
    busy = blocked(stack_home, "SELECT 1 FROM racing.people WHERE person = 'Q-1' FOR UPDATE")
    forgetting = started(lambda: forget(given, "Q-1"))
    until_waiting(stack_home, "live", "DELETE FROM %")
    building_ = started(lambda: building.build(given, wanted))
    building_.join(timeout=1.5)  # long enough to read the rows, if it would
    busy.rollback()
    forgetting.join()
    building_.join()
    made = state(given, wanted)
    assert made.state == "built", made.detail
    assert pseudonym(given, "Q-2") in released(given, wanted)
    assert pseudonym(given, "Q-1") not in released(given, wanted)


class Between:
    """Signs as the gateway does, after something else has happened: the rows are read by then, and no snapshot stands yet."""

    def __init__(self, signer: Any, first: Callable[[], Any]) -> None:
        self._signer, self._first = signer, first

    def __getattr__(self, name: str) -> Any:
        self._first()
        return getattr(self._signer, name)


def between(given: Services, what: Callable[[], Any]) -> Services:
    done: list[None] = []

    def once() -> None:
        if not done:
            done.append(None)
            started(what).join()

    return replace(given, signer=Between(given.signer, once))  # type: ignore[arg-type]


def test_a_build_that_read_a_person_who_was_erased_then_does_not_stand(sam: Gateway, given: Services) -> None:
    wanted = asked(given).id
    assert building.build(between(given, lambda: forget(given, "Q-3")), wanted) == "failed"
    assert state(given, wanted).code == "erased_meanwhile"
    with given.pool.connection() as connection:
        standing = {one.digest for one in snapshots.built(connection, "income")}
    person = pseudonym(given, "Q-3")
    for folder in given.home.folder("snapshots").iterdir():
        if f"sha256:{folder.name}" not in standing:
            assert not [f for f in folder.glob("people-*.parquet") if person in pl.read_parquet(f)["person"].to_list()]


def test_an_erasure_that_was_cut_after_its_rows_went_still_fails_the_build_that_read_them(sam: Gateway, given: Services) -> None:
    def cut() -> None:
        with given.pool.connection() as connection:
            dataset = datasets.get(connection, "racing")
            one = erasures.start(connection, dataset, person="x", actor=STEWARD, decision_id="d", now=given.clock())
            erasures.removed(connection, one, now=given.clock())

    assert building.build(between(given, cut), asked(given).id) == "failed"
    assert building.build(given, asked(given).id) == "built"


def test_an_erasure_that_a_hold_refused_fails_no_build(sam: Gateway, given: Services, as_user: Callable[[str], Gateway]) -> None:
    carl = as_user("carl")
    hold = carl.post("/v1/audit/holds", {"reason": "r", "kind": "rows", "dataset": "racing"})["id"]

    def refused() -> None:
        with pytest.raises(erasing.UnderHold):
            forget(given, "Q-4")

    try:
        assert building.build(between(given, refused), asked(given).id) == "built"
    finally:
        carl.post(f"/v1/audit/holds/{hold}/lift")


def test_a_build_whose_rows_were_replaced_meanwhile_does_not_stand(sam: Gateway, given: Services, rows: Path) -> None:
    wanted = asked(given).id
    assert building.build(between(given, lambda: send_rows(sam, "racing", {rows.name: rows})), wanted) == "failed"
    assert state(given, wanted).code == "loaded_meanwhile"


@pytest.mark.parametrize("scope", ["dataset", "rows", "person"])
def test_a_load_does_not_replace_what_a_legal_hold_covers(
    sam: Gateway, given: Services, as_user: Callable[[str], Gateway], rows: Path, scope: str
) -> None:
    carl = as_user("carl")
    with given.pool.connection() as connection:
        key = given.vault.unwrap_data_key(wrapped_key(connection, "income"))
    over = {
        "dataset": {"dataset": "racing"}, "rows": {"kind": "rows", "project": "income"},
        "person": {"thing": erasing.keyed_digest(key, "Q-7")},
    }[scope]  # fmt: skip
    elsewhere = [{"thing": erasing.keyed_digest(key, "nobody")}, {"kind": "snapshots"}, {"dataset": "another"}]
    others = [carl.post("/v1/audit/holds", {"reason": "r", **one})["id"] for one in elsewhere]
    hold = carl.post("/v1/audit/holds", {"reason": "a lawsuit", **over})["id"]
    before = sam.get("/v1/datasets/racing")
    try:
        with pytest.raises(Refusal, match="legal hold") as refused:
            send_rows(sam, "racing", {rows.name: rows})
    finally:
        carl.post(f"/v1/audit/holds/{hold}/lift")
    assert refused.value.problem_code == "under_legal_hold"
    assert sam.get("/v1/datasets/racing") == before
    last = entries(given, "dataset:load-refused")[-1]
    assert (last["outcome"], last["detail"]["holds"]) == ("refused", [hold]) and "Q-7" not in str(last)
    send_rows(sam, "racing", {rows.name: rows})
    for other in others:
        carl.post(f"/v1/audit/holds/{other}/lift")


def test_a_hold_that_is_placed_during_a_load_waits_until_the_rows_are_gone(
    sam: Gateway, given: Services, as_user: Callable[[str], Gateway], stack_home: Path, rows: Path
) -> None:
    """So nobody is told that rows are held which are being replaced."""
    carl, placed = as_user("carl"), []
    reading = blocked(stack_home, "LOCK TABLE racing.people IN ACCESS SHARE MODE")
    loading = started(lambda: send_rows(sam, "racing", {rows.name: rows}))
    until_waiting(stack_home, "live", "DROP SCHEMA %")
    placing = started(lambda: placed.append(carl.post("/v1/audit/holds", {"reason": "r", "dataset": "racing"})))
    until_waiting(stack_home, "control", "INSERT INTO catalog.holds%")
    assert not placed
    reading.rollback()
    loading.join()
    placing.join()
    carl.post(f"/v1/audit/holds/{placed[0]['id']}/lift")
    loaded, hold = entries(given, "dataset:loaded")[-1], entries(given, "hold:placed")[-1]
    assert hold["object"]["id"] == placed[0]["id"] and loaded["seq"] < hold["seq"]


def test_a_damaged_snapshot_is_set_aside_with_its_entry_and_goes_with_the_person_it_holds(sam: Gateway, given: Services) -> None:
    first, again = asked(given).id, asked(given).id
    assert building.build(given, first) == "built"
    digest = str(state(given, first).digest)
    file = next(given.snapshot_folder(digest).glob("people-*.parquet"))
    damaged = file.read_bytes() + b"more"
    file.write_bytes(damaged)
    assert building.build(given, again) == "built" and state(given, again).digest == digest
    aside = erasing.set_aside(given, digest, again)
    assert (aside / file.name).read_bytes() == damaged
    assert pseudonym(given, "Q-5") in released(given, again)
    (entry,) = entries(given, "snapshot:damaged", dataset="racing")
    assert entry["object"] == {"type": "snapshot", "id": again, "digest": digest} and entry["outcome"] == "failed"
    forget(given, "Q-5")
    assert not aside.exists() and not given.snapshot_folder(digest).exists()
    assert state(given, again).state == "erased"


def test_snapshots_join_after_the_key_was_wrapped_anew(sam: Gateway, given: Services, stack_home: Path, tmp_path: Path) -> None:
    """What a rotation of Vault's key does to the project's own: the same key in another wrapping."""

    def built() -> Any:
        name = asked(given).id
        assert building.build(given, name) == "built"
        folder = given.snapshot_folder(str(state(given, name).digest))
        return folder, signed_statement(folder, given.public_keys())

    folder, statement = built()
    before = shutil.copytree(folder, tmp_path / "before"), statement
    forget(given, "Q-8")  # other bytes, so that a manifest is made
    rotate(Home(stack_home), "projects")
    folder, after = built()
    assert after.predicate["wrapped_key"] != before[1].predicate["wrapped_key"]
    assert compare(before, (folder, after)).joinable
