"""Batch runs: what makes one sane, that each ends once with its predictions and its ledger entry, and every row once."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import psycopg
import pytest
from door_three import NOW, TEXT, VALERIE

from promotion import scorings
from promotion.drift import Profile
from promotion.entities import EntityAmbiguous, everyone
from promotion.model_contracts import FeatureDefinition, load_model_contract
from promotion.predictions import Prediction
from promotion.scorings import ScoringNotFound, Tally, problems

ASKER = {"id": "scoring", "type": "service", "roles": [], "projects": ["readmission"], "mfa": False}
MODEL = ("readmission", "readmission")
CONTRACT = load_model_contract(TEXT + "  - {metric: 'drift:x', window: 1d, above: 0.2}\n")
COLUMN = {"edges": (10.0,), "counts": (500, 500, 0)}
TRAINING = Profile.model_validate({"inputs": {"x": COLUMN}, "score": COLUMN})


def tally(**changed):
    return Tally(**{"rows": 1_000, "positives": 100, "bins": {"x": {0: 500, 1: 500}}} | changed)


@pytest.mark.parametrize(
    ("found", "before", "wrong"),
    [
        (tally(), None, []),
        (tally(), 1_000, []),
        (tally(), 2_000, []),
        (tally(), 2_001, ["row_count"]),
        (tally(), 499, ["row_count"]),
        (Tally(), None, ["no_rows"]),
        (tally(unscored=10), None, []),
        (tally(unscored=11), None, ["missing_scores"]),
        (tally(positives=501), None, ["rule positive_rate"]),
        (tally(missing={"x": 101}), None, ["rule missing:x"]),
        (tally(bins={"x": {0: 900, 1: 100}}), None, ["rule drift:x"]),
        (tally(unscored=500, positives=600), 10, ["row_count", "missing_scores", "rule positive_rate"]),
    ],
)
def test_a_run_is_sane_by_its_rows_its_scores_and_the_contracts_rules(found, before, wrong):
    assert problems(CONTRACT, found, before=before, training=TRAINING) == wrong


def prediction(number: int) -> Prediction:
    return Prediction(
        id=f"00000000-0000-0000-0000-00000000000{number}", model=MODEL, digest="sha256:1", caller="s", rows=3, input_hash="h",
        output=[0.1, None, 0.9], latency_ms=1.0, positives=1, missing={"x": 1}, bins={"x:0": 2, "x:2": 1, ":1": 2}, stage="batch",
    )  # fmt: skip


def test_parts_of_a_run_add_up():
    found = Tally()
    for number in (1, 2):
        found.add(prediction(number), [0.1, None, 0.9])
    assert (found.rows, found.positives, found.unscored, found.missing) == (6, 2, 2, {"x": 2})
    assert found.bins == {"x": {0: 4, 2: 2}, "": {1: 4}}


def test_a_run_ends_once_with_its_predictions_and_its_entries(gate):
    with gate.connection.transaction():
        made = scorings.request(gate.connection, MODEL, asker=ASKER, since_days=1, now=NOW, refs={"decision_id": "d"}, name="a1")
        again = scorings.request(gate.connection, MODEL, asker=ASKER, since_days=1, now=NOW, refs={"decision_id": "e"}, name="a1")
    assert made == again and made.state == "queued" and scorings.rows_before(gate.connection, made) is None
    with pytest.raises(RuntimeError), gate.connection.transaction():
        scorings.end(gate.connection, "a1", "published", now=NOW, rows=3, predictions=[prediction(1)])
        raise RuntimeError
    assert scorings.get(gate.connection, "a1").state == "queued"
    for state in ("published", "held"):
        ended = scorings.end(
            gate.connection, "a1", state, now=NOW, digest="sha256:1", rows=3, wrong=["x"], predictions=[prediction(1)]
        )
        assert ended.state == "published"
    assert gate.connection.execute("SELECT count(*), min(stage) FROM promotion.predictions").fetchone() == (1, "batch")
    assert gate.events() == [("scoring:requested", "done"), ("scoring:published", "done")]
    other = scorings.request(gate.connection, MODEL, asker=ASKER, since_days=1, now=NOW, refs={})
    assert scorings.rows_before(gate.connection, other) == 3
    whole = scorings.request(gate.connection, MODEL, asker=ASKER, since_days=None, now=NOW, refs={})
    assert scorings.rows_before(gate.connection, whole) is None
    assert scorings.end(gate.connection, whole.id, "held", now=NOW, wrong=["no_rows"]).as_json()["problems"] == ["no_rows"]
    assert gate.events()[-1] == ("scoring:held", "failed")
    later = NOW + timedelta(seconds=1)
    assert scorings.ended(gate.connection, NOW) == scorings.ended(gate.connection, later, but_of=["readmission"]) == []
    assert scorings.ended(gate.connection, later) == ["a1"]
    scorings.forgotten(gate.connection, ["a1"])
    assert scorings.ended(gate.connection, later) == []
    assert len(scorings.every(gate.connection, ["readmission"])) == 3 and scorings.every(gate.connection, ["other"]) == []
    with pytest.raises(ScoringNotFound):
        scorings.get(gate.connection, "nothing")


def test_a_model_has_one_schedule_and_each_change_is_recorded(gate):
    for hour in (4, 5):
        scorings.schedule(
            gate.connection, MODEL, time(hour, 30), asker=ASKER, since_days=None, now=NOW, refs={"decision_id": "d"}
        )
    [found] = scorings.schedules(gate.connection)
    assert (found["at"], found["asker"]["id"]) == ("05:30", "scoring")
    scorings.unschedule(gate.connection, MODEL, by=VALERIE, now=NOW)
    assert scorings.schedules(gate.connection) == []
    with pytest.raises(ScoringNotFound):
        scorings.unschedule(gate.connection, MODEL, by=VALERIE, now=NOW)
    assert [event for event, _ in gate.events()] == ["schedule:set", "schedule:set", "schedule:ended"]


def test_every_entity_comes_once_by_its_newest_row_in_parts(database_url):
    live = 'SELECT visit AS row_id, at AS as_of, age AS "x" FROM visits'
    named = FeatureDefinition(name="stays", version="1", digest="sha256:" + "0" * 64, live_sql=live)
    contract = load_model_contract(TEXT).model_copy(update={"feature_definition": named})
    now = datetime(2026, 11, 1, tzinfo=UTC)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE visits (visit text, at timestamp, age int)")
        connection.execute(
            "INSERT INTO visits SELECT n::text, timestamp '2026-10-01' + n * interval '1 day', n FROM generate_series(1, 40) AS n"
        )
        connection.execute("INSERT INTO visits VALUES ('1', '2026-10-20', 77), ('2', '2026-09-01', 78), (NULL, '2026-09-01', 79)")
        parts = list(everyone(connection, contract, now, size=7))
        found = {entity: x for ids, [column] in parts for entity, x in zip(ids, column.data, strict=True)}
        assert [len(ids) for ids, _ in parts] == [7, 7, 7, 7, 3]
        assert found == {str(n): 77 if n == 1 else n for n in range(1, 32)}
        late = list(everyone(connection, contract, now, since=now - timedelta(days=1)))
        assert [ids for ids, _ in late] == [["30", "31"]]
        connection.execute("INSERT INTO visits VALUES ('3', '2026-10-04', 1)")
        with pytest.raises(EntityAmbiguous):
            list(everyone(connection, contract, now))
