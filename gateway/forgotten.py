"""Work that was asked for and never given to a worker, because the gateway died in between, is given to one.

A row and its ledger entry are committed before the work is queued, so a crash leaves a row nobody works on, never work
without a row. Queueing again what is queued already changes nothing: the same row gives the same workflow id.
"""

from __future__ import annotations

from datetime import timedelta

from gateway import turns
from gateway.composition import Services
from gateway.jobs import ANSWER_QUEUED, CHECK_MODEL

GRACE = timedelta(seconds=3)  # whoever asked is about to queue it
SNAPSHOTS = "SELECT id FROM catalog.snapshots WHERE state = 'queued' AND requested_at < %s"
EXPORTS = "SELECT id FROM catalog.exports WHERE state = 'queued' AND requested_at < %s"
SCORINGS = "SELECT id FROM promotion.scorings WHERE state = 'queued' AND requested_at < %s"
# Of these many may wait that a worker has in its queue already.
PROMOTIONS = """
SELECT id, project FROM promotion.requests WHERE state = 'submitted' AND submitted_at < %s
AND NOT EXISTS (SELECT FROM dbos.workflow_status WHERE workflow_uuid = %s || id) ORDER BY submitted_at LIMIT 1000"""
QUEUED = """
SELECT id FROM promotion.queued WHERE state = 'queued' AND queued_at < %s
AND NOT EXISTS (SELECT FROM dbos.workflow_status WHERE workflow_uuid = %s || id) ORDER BY queued_at LIMIT 1000"""
EGRESS = "SELECT id, round FROM airlock.requests WHERE state = 'submitted' AND changed_at < %s"


def queue_again(given: Services) -> None:
    """Everything that waits for a worker is in a worker's queue."""
    before = given.clock() - GRACE
    with given.pool.connection() as connection:
        snapshots, exports, egress, scorings = (
            connection.execute(query, (before,)).fetchall() for query in (SNAPSHOTS, EXPORTS, EGRESS, SCORINGS)
        )
        promotions = connection.execute(PROMOTIONS, (before, f"{CHECK_MODEL}-")).fetchall()
        requests = connection.execute(QUEUED, (before, f"{ANSWER_QUEUED}-")).fetchall()
    for (name,) in requests:
        given.jobs.answer_queued(name)
    for (name,) in scorings:
        given.jobs.score(name)
    for (name,) in snapshots:
        given.jobs.build_snapshot(name)
    for (name,) in exports:
        given.jobs.export_evidence(name)
    for name, project in promotions:
        with given.pool.connection() as connection:
            place = turns.place(connection, project)
        given.jobs.check_model(name, place)
    for name, round_ in egress:
        given.jobs.check_egress(name, round_)
