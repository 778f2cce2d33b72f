"""The durable worker: builds snapshots and runs the checks of promotions as DBOS workflows.

A workflow killed in the middle is resumed by the next worker; a step that finished is not repeated.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading

from dbos import DBOS, DBOSConfig

from compliance.ledger import integrate
from gateway import (
    aliasing,
    building,
    checking,
    exporting,
    forgotten,
    logs,
    publishing,
    queueing,
    replaying,
    reviewing,
    serving_jobs,
    watching,
)  # fmt: skip
from gateway.access.statements import Follower, follow_until
from gateway.airlock import checking as airlock
from gateway.composition import Services, clear_staging, jobs_url
from gateway.embedded.home import write_private
from gateway.jobs import (
    BUILD_SNAPSHOT,
    CHECK_EGRESS,
    CHECK_MODEL,
    CHECKS_QUEUE,
    EVIDENCE_QUEUE,
    EXPORT_EVIDENCE,
    QUEUE,
    SCHEMA,
)
from gateway.starting import begin, said
from gateway.tracing import begin_traces, end_traces, span
from promotion import monitoring

POLL_SECONDS = 0.2
INTEGRATE_SECONDS = 0.25
RECONCILE_SECONDS, ROUNDS_BETWEEN_WATCHES, ROUNDS_BETWEEN_CHECKPOINTS = 5.0, 6, 12
log = logging.getLogger("sallyport.worker")
_services: Services | None = None


def services() -> Services:
    """The parts this worker was started with."""
    assert _services is not None
    return _services


@DBOS.workflow(name=BUILD_SNAPSHOT)
def build_snapshot(snapshot: str) -> str:
    """The snapshot is built, refused or failed, and the ledger says which."""
    return _build(snapshot)


@DBOS.step(name="build")
def _build(snapshot: str) -> str:
    with span("build snapshot", snapshot_id=snapshot):
        return building.build(services(), snapshot)


@DBOS.workflow(name=CHECK_EGRESS)
def check_egress(request: str) -> str:
    """The files that ask to leave were looked at, and the request is in review or returned."""
    return _look(request.partition(".")[0])


@DBOS.step(name="look")
def _look(request: str) -> str:
    with span("check egress", egress_id=request):
        return airlock.check(services(), request)


@DBOS.workflow(name=EXPORT_EVIDENCE)
def export_evidence(export: str) -> str:
    """The bundle of evidence is made or failed, and the ledger says which."""
    return _export(export)


@DBOS.step(name="export")
def _export(export: str) -> str:
    with span("export evidence", export_id=export):
        return exporting.build(services(), export)


@DBOS.workflow(name=CHECK_MODEL)
def check_model(promotion: str) -> str:
    """The promotion's checks have run, each a step of its own."""
    for name in _begin(promotion):
        if _check(promotion, name) == "failed" and name == checking.FIRST:
            break  # nothing looks into bytes that may run code
    return _finish(promotion)


@DBOS.step(name="begin")
def _begin(promotion: str) -> list[str]:
    return checking.begin(services(), promotion)


@DBOS.step(name="check")
def _check(promotion: str, name: str) -> str:
    with span(f"check {name}", promotion_id=promotion):
        return checking.check(services(), promotion, name)


@DBOS.step(name="finish")
def _finish(promotion: str) -> str:
    return checking.finish(services(), promotion)


def configuration(given: Services) -> DBOSConfig:
    """DBOS on the control database, telling nobody anything."""
    return {
        "name": "sallyport",
        "system_database_url": jobs_url(given.database("sallyport_app", "control")),
        "dbos_system_schema": SCHEMA,
        "application_version": "1",
        "enable_otlp": False,
        "log_level": "WARNING",
    }


def reconcile_until(stop: threading.Event, given: Services) -> None:
    """Leases that ended or were orphaned are taken back every few seconds, models in production are looked at and
    what the ledger gained is under a signed checkpoint now and then.

    A part that is down is tried again.
    """
    rounds = 0
    while not stop.wait(RECONCILE_SECONDS):
        rounds += 1
        try:
            given.access.reconcile()
            reviewing.follow_up(given)
            forgotten.queue_again(given)
            if rounds % ROUNDS_BETWEEN_CHECKPOINTS == 0:
                exporting.publish_growth(given)
                queueing.forget(given)
                serving_jobs.arrange(given)
            if rounds % ROUNDS_BETWEEN_WATCHES == 0:
                publishing.follow(given)
                aliasing.follow(given)
                with given.pool.connection() as connection:
                    monitoring.watch(connection, given.clock(), attest_days=checking.attest_days(given))
                serving_jobs.tell_alerts(given)
        except Exception as error:
            log.warning("reconciling failed: %s", type(error).__name__)


def integrate_until(stop: threading.Event, given: Services) -> None:
    """Entries get their place in the ledger's order soon after they were committed, also while nobody reads it."""
    while not stop.wait(INTEGRATE_SECONDS):
        try:
            with given.pool.connection() as connection:
                integrate(connection)
        except Exception as error:
            log.warning("giving entries their place in the ledger failed: %s", type(error).__name__)
            stop.wait(RECONCILE_SECONDS)


def _follower(given: Services) -> Follower | None:
    """Follows the statement log of the embedded server, or of another where a setting says where that is."""
    if given.settings.statement_log is not None:
        return Follower(given.pool, given.settings.statement_log, given.clock, pattern="*.json", owns=False)
    if given.settings.postgres_host == str(given.home.sockets):
        return Follower(given.pool, given.home.folder("logs"), given.clock)
    return None


def main() -> None:
    """Works until it is told to stop."""
    global _services  # noqa: PLW0603 - workflows are module functions; this is what they share
    logs.configure()
    given = begin()
    _services = given
    serving_jobs.begin(given)
    begin_traces(given.settings.traces_url, "sallyport-worker")
    shutil.rmtree(given.home.folder("run") / "work", ignore_errors=True)
    clear_staging(given.home)
    DBOS(config=configuration(given))
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=2, polling_interval_sec=POLL_SECONDS)
    DBOS.register_queue(CHECKS_QUEUE, worker_concurrency=2, polling_interval_sec=POLL_SECONDS)
    DBOS.register_queue(EVIDENCE_QUEUE, worker_concurrency=1, polling_interval_sec=POLL_SECONDS)
    serving_jobs.register(given, POLL_SECONDS)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    if follower := _follower(given):
        threading.Thread(target=follow_until, args=(stop, follower), daemon=True).start()
    threading.Thread(target=integrate_until, args=(stop, given), daemon=True).start()
    threading.Thread(target=replaying.replay_until, args=(stop, given), daemon=True).start()
    threading.Thread(target=watching.check_until, args=(stop, given), daemon=True).start()
    warm = threading.Thread(target=checking.warm_up, daemon=True)
    warm.start()
    write_private(given.home.folder("run") / "worker.ready", str(os.getpid()))
    reconcile_until(stop, given)
    serving_jobs.end()
    DBOS.destroy(workflow_completion_timeout_sec=2)
    end_traces()
    given.close()
    os._exit(0)


if __name__ == "__main__":
    said(main)()
