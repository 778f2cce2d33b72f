"""What the worker does for models in production: queued requests, batch runs and their schedules, messages about alerts.

Each is a DBOS workflow: resumed by the next worker when this one is killed, and run once for each id.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from dbos import DBOS

from gateway import batch, webhooks
from gateway.composition import Services
from gateway.jobs import ANSWER_QUEUED, NOTIFY, NOTIFY_QUEUE, SCORE, SCORE_SCHEDULED, SCORING_QUEUE
from gateway.queueing import Answerer
from gateway.tracing import span
from promotion import scorings

_begun: Answerer | None = None


def _answerer() -> Answerer:
    """What answers requests, with the parts this worker was started with."""
    assert _begun is not None
    return _begun


def begin(given: Services) -> None:
    """The workflows below have their parts. Raises SettingsInvalid where alerts cannot be told as the settings say."""
    global _begun  # noqa: PLW0603 - workflows are module functions; this is what they share
    webhooks.addresses(given)
    _begun = Answerer(given)


def register(given: Services, poll_seconds: float) -> None:
    """The queues of the workflows below are worked on, and the schedules stand."""
    DBOS.register_queue(SCORING_QUEUE, worker_concurrency=4, polling_interval_sec=poll_seconds)
    DBOS.register_queue(NOTIFY_QUEUE, worker_concurrency=4, polling_interval_sec=5 * poll_seconds)
    arrange(given)


def end() -> None:
    """No lease of ours is left, as far as the other parts still answer."""
    _answerer().features.close()


@DBOS.workflow(name=ANSWER_QUEUED)
def answer_queued(request: str) -> str:
    """The queued inference request is answered; one that cannot be, for all the trying, has failed and can be asked again."""
    try:
        return _answer(request)
    except Exception as error:
        return _answerer().fail(request, error)


@DBOS.step(name="answer", retries_allowed=True, interval_seconds=1, max_attempts=8, backoff_rate=2)
def _answer(request: str) -> str:
    return _answerer().answer(request)


@DBOS.workflow(name=SCORE)
def score(scoring: str) -> str:
    """The batch run is published, held back or has failed, and the ledger says which."""
    return _made(scoring)


@DBOS.workflow(name=SCORE_SCHEDULED)
def score_scheduled(at: datetime, model: Any) -> None:
    """The scheduled batch run of that moment is made, once."""
    scoring = _scheduled(at, model["project"], model["name"])
    if scoring:
        _made(scoring)


def _made(scoring: str) -> str:
    try:
        return _score(scoring)
    except Exception as error:
        return batch.fail(_answerer().given, scoring, str(getattr(error, "code", "unexpected")))


@DBOS.step(name="score", retries_allowed=True, interval_seconds=1, max_attempts=8, backoff_rate=2)
def _score(scoring: str) -> str:
    with span("score", scoring_id=scoring):
        return batch.run(_answerer().given, _answerer().models, _answerer().features, scoring)


@DBOS.step(name="scheduled")
def _scheduled(at: datetime, project: str, name: str) -> str | None:
    return batch.scheduled(_answerer().given, at, (project, name))


def arrange(given: Services) -> None:
    """The schedules of batch runs are those that the database holds."""
    with given.pool.connection() as connection:
        found = scorings.schedules(connection)
    wanted = {(f"{one['project']}/{one['name']}", batch.cron(one["at"])): one for one in found}
    standing = {(one["schedule_name"], one["schedule"]) for one in DBOS.list_schedules()}
    for name, _ in standing - wanted.keys():
        DBOS.delete_schedule(name)
    for name, at in wanted.keys() - standing:
        model = {part: wanted[name, at][part] for part in ("project", "name")}
        DBOS.create_schedule(
            schedule_name=name, workflow_fn=score_scheduled, schedule=at, context=model, automatic_backfill=True,
            queue_name=SCORING_QUEUE,
        )  # fmt: skip


@DBOS.workflow(name=NOTIFY)
def notify(which: str) -> str:
    """The address was told of the alert, or the ledger says that it was not to be reached for all the trying."""
    try:
        _tell(which)
    except Exception:
        _untold(which)
        return "failed"
    return "told"


@DBOS.step(name="tell", retries_allowed=True, interval_seconds=2, max_attempts=10, backoff_rate=2)
def _tell(which: str) -> None:
    webhooks.notify(_answerer().given, which)


@DBOS.step(name="untold")
def _untold(which: str) -> None:
    webhooks.record(_answerer().given, which, "alert:notify-failed", "failed")


def tell_alerts(given: Services) -> None:
    """Each alert that began or ended within a day has a message on its way to each address that is set."""
    with given.pool.connection() as connection:
        since = given.clock() - timedelta(days=1)
        messages = webhooks.due(connection, list(webhooks.addresses(given)), since, NOTIFY)
    for one in messages:
        given.jobs.notify(one)
