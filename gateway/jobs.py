"""Long work, given to the worker through DBOS: durable, resumed after a crash, run once for each id."""

from __future__ import annotations

from typing import Any

QUEUE = "sallyport"
CHECKS_QUEUE = "sallyport-checks"  # of its own, so that a snapshot does not wait for a thousand models
EVIDENCE_QUEUE = "sallyport-evidence"  # of its own, so that an auditor does not wait for long builds
NOTIFY_QUEUE = "sallyport-notify"  # so that nothing waits for somebody else's server
SCHEMA = "dbos"
BUILD_SNAPSHOT, CHECK_MODEL, CHECK_EGRESS = "build_snapshot", "check_model", "check_egress"
EXPORT_EVIDENCE = "export_evidence"
ANSWER_QUEUED, SCORE, SCORE_SCHEDULED, NOTIFY = "answer_queued", "score", "score_scheduled", "notify"
SCORING_QUEUE = "sallyport-scoring"  # so that a request does not wait for builds and checks
QUEUES = (QUEUE, CHECKS_QUEUE, EVIDENCE_QUEUE, NOTIFY_QUEUE, SCORING_QUEUE)
LAST_PLACE = 2**31 - 1


class Jobs:
    """Enqueues work by name; the worker holds the code."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: Any = None

    def build_snapshot(self, snapshot: str) -> None:
        """A worker builds the snapshot, now or as soon as one runs."""
        self._enqueue(BUILD_SNAPSHOT, snapshot)

    def check_model(self, promotion: str, place: int) -> None:
        """A worker runs the promotion's checks, before those of a later place (gateway/turns.py)."""
        self._enqueue(CHECK_MODEL, promotion, CHECKS_QUEUE, place=place)

    def check_egress(self, request: str, round_: int) -> None:
        """A worker looks at the files of an egress request, once for each of its rounds."""
        self._enqueue(CHECK_EGRESS, f"{request}.{round_}")

    def export_evidence(self, export: str) -> None:
        """A worker makes the bundle, now or as soon as one runs."""
        self._enqueue(EXPORT_EVIDENCE, export, EVIDENCE_QUEUE)

    def answer_queued(self, request: str) -> None:
        """A worker answers the inference request, now or as soon as one runs."""
        self._enqueue(ANSWER_QUEUED, request, SCORING_QUEUE)

    def score(self, scoring: str) -> None:
        """A worker makes the batch run, now or as soon as one runs."""
        self._enqueue(SCORE, scoring, SCORING_QUEUE)

    def notify(self, which: str) -> None:
        """A worker tells an address of an alert, again and again until it takes the message, within bounds."""
        self._enqueue(NOTIFY, which, NOTIFY_QUEUE)

    def _enqueue(self, workflow: str, argument: str, queue: str = QUEUE, *, place: int | None = None) -> None:
        if self._client is None:
            from dbos import DBOSClient

            self._client = DBOSClient(system_database_url=self._url, dbos_system_schema=SCHEMA)
        options: dict[str, Any] = {"workflow_name": workflow, "queue_name": queue, "workflow_id": f"{workflow}-{argument}"}
        if place is not None:
            options["priority"] = min(place, LAST_PLACE)
        self._client.enqueue(options, argument)
