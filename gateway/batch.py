"""Batch runs in the worker: every live row of a model's features is scored, and the scores are published if the run is sane.

The rows are read under a lease of the service that asked, a few thousand at a time; the scores stand in the live database under
the run's id from the first on, but nobody is given them before the control database says that the run is published.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import psycopg

from gateway.access import services
from gateway.access.service import asker
from gateway.catalog import datasets
from gateway.composition import Services
from gateway.errors import GatewayError
from gateway.identity import Subject
from gateway.scoring import LiveFeatures
from policies.decisions import Decision
from promotion import entities, scorings
from promotion.answering import predict
from promotion.errors import LiveUnavailable, PromotionError
from promotion.inference import Inference, scores
from promotion.loading import Loaded, Models
from promotion.predictions import Prediction
from promotion.scorings import Scoring, Tally

STAGE = "batch"
INSERT = "COPY scores.results (scoring, row_id, score) FROM STDIN"
PAGE = "SELECT row_id, score FROM scores.results WHERE scoring = %s AND row_id > %s ORDER BY row_id LIMIT %s"


def require_may_read(given: Services, asking: Subject, model: tuple[str, str], what: str) -> Decision:
    """Policy lets `asking` read what the model in production reads, and so what it says of it. Raises Denied, ModelNotFound."""
    with given.pool.connection() as connection:
        found = services.deployed(connection, "/".join(model), given.public_keys())
        dataset = datasets.get(connection, found.dataset)
    resource = {
        "type": "dataset", "id": found.dataset, "project": dataset.project, "zone": "live", "columns": list(found.columns),
    }  # fmt: skip
    return given.enforcer.require(asking, "read", resource, what=what, context={"promotion": found.context()})


def run(given: Services, models: Models, features: LiveFeatures, scoring: str) -> str:
    """The run is published or held; its state. Raises LiveUnavailable and GatewayError, after which it can be run again."""
    with given.pool.connection() as connection:
        one = scorings.get(connection, scoring)
        before = scorings.rows_before(connection, one)
    if one.state != "queued":
        return one.state
    try:
        _, loaded = models.get(f"{one.project}.{one.name}")
        found, predictions = _score(given, loaded, features, one)
        wrong = scorings.problems(loaded.contract, found, before=before, training=loaded.training)
    except (LiveUnavailable, GatewayError):
        raise
    except PromotionError as error:  # a live value outside the contract's range, say
        return fail(given, scoring, error.code, state="held")
    if wrong:
        forget(given, [scoring])
    with given.pool.connection() as connection:
        ended = scorings.end(
            connection, scoring, "held" if wrong else "published", now=given.clock(), digest=loaded.digest, rows=found.rows,
            wrong=wrong, predictions=predictions,
        )  # fmt: skip
    return ended.state


def fail(given: Services, scoring: str, code: str, *, state: str = "failed") -> str:
    """The run has ended without scores, for that reason; its state."""
    forget(given, [scoring])
    with given.pool.connection() as connection:
        return scorings.end(connection, scoring, state, now=given.clock(), wrong=[code]).state


def scheduled(given: Services, at: datetime, model: tuple[str, str]) -> str | None:
    """The run of that schedule for that moment waits, once; its id, None where the schedule is gone."""
    with given.pool.connection() as connection:
        for one in scorings.schedules(connection):
            if (one["project"], one["name"]) == model:
                name = uuid5(NAMESPACE_URL, f"urn:sallyport:scoring:{'/'.join(model)}:{at.isoformat()}").hex
                scorings.request(
                    connection, model, asker=one["asker"], since_days=one["since_days"], now=given.clock(),
                    refs={"schedule": one["at"]}, name=name,
                )  # fmt: skip
                return name
    return None


def results(given: Services, asking: Subject, scoring: str, *, after: str, most: int) -> list[tuple[str, float | None]]:
    """A page of a published run's scores by entity, after that one; the ledger says so before they are given.

    Raises Denied, ScoringNotFound.
    """
    with given.pool.connection() as connection:
        one = scorings.get(connection, scoring)
    decision = require_may_read(given, asking, (one.project, one.name), "fetch the scores of this model")
    if one.state != "published":
        raise scorings.ScoringNotFound("This batch run published no scores.")
    with psycopg.connect(given.database("live_loader", "live")) as live:
        page = live.execute(PAGE, (scoring, after, most)).fetchall()
    if not page and not after:
        raise scorings.ScoringNotFound("The scores of this batch run are kept no longer.")
    with given.pool.connection() as connection:
        scorings.record(
            connection, one, "scoring:fetched", "done", given.clock(), by=asking.actor(),
            refs={"decision_id": decision.decision_id}, detail={"rows": len(page)},
        )  # fmt: skip
    return [(str(entity), score) for entity, score in page]


def cron(at: str) -> str:
    """Each day at that time."""
    moment = time.fromisoformat(at)
    return f"{moment.minute} {moment.hour} * * *"


def _score(given: Services, loaded: Loaded, features: LiveFeatures, one: Scoring) -> tuple[Tally, list[Prediction]]:
    """The scores of every row are in the live database, not published; what was counted, and what is to be logged."""
    now, key, found, predictions = given.clock(), (one.project, one.name), Tally(), list[Prediction]()
    since = None if one.since_days is None else now - timedelta(days=one.since_days)
    with (
        features.reading(asker(one.asker), key, loaded.digest) as live,
        psycopg.connect(given.database("live_loader", "live")) as kept,
    ):
        kept.execute("DELETE FROM scores.results WHERE scoring = %s", (one.id,))  # of a worker that was killed
        for number, (ids, inputs) in enumerate(entities.everyone(live, loaded.contract, now, since=since)):
            predicted, outputs = predict(key, loaded, Inference(inputs=inputs), one.asker["id"])
            given_scores = scores(outputs, len(ids))
            found.add(predicted, given_scores)
            predictions.append(_named(predicted, one.id, number))
            _keep(kept, one.id, ids, given_scores or [None] * len(ids))
    return found, predictions


def _named(predicted: Prediction, scoring: str, number: int) -> Prediction:
    from dataclasses import replace

    return replace(predicted, id=str(uuid5(NAMESPACE_URL, f"urn:sallyport:scoring:{scoring}:{number}")), stage=STAGE)


def _keep(kept: psycopg.Connection[Any], scoring: str, ids: Sequence[str], given: Sequence[Any]) -> None:
    with kept.cursor() as cursor, cursor.copy(INSERT) as copy:
        for row in zip([scoring] * len(ids), ids, given, strict=True):
            copy.write_row(row)


def forget(given: Services, runs: Sequence[str]) -> None:
    """No score of these runs is left."""
    if runs:
        with psycopg.connect(given.database("live_loader", "live")) as kept:
            kept.execute("DELETE FROM scores.results WHERE scoring = ANY(%s)", (list(runs),))
