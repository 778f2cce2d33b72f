"""Continuous checks: the whole ledger is gone through on a timer, and what somebody should look at is raised as a finding."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

from gateway import exporting
from gateway.catalog import findings
from gateway.catalog.findings import Raised
from gateway.composition import Services

SECONDS_BEFORE_THE_FIRST = 30.0
log = logging.getLogger("sallyport.worker")


def check(given: Services) -> list[Raised]:
    """The findings of now stand, in the ledger, and those nobody saw to in time are said again; safe to do again."""
    overdue = timedelta(hours=given.settings.findings_overdue_hours)
    with given.pool.connection() as connection:
        findings.alone(connection)
        return findings.note(connection, exporting.findings(given), now=given.clock(), overdue=overdue)


def check_until(stop: threading.Event, given: Services) -> None:
    """Checks run every so many minutes, as the setting says; a part that is down is tried again the next time."""
    pause = SECONDS_BEFORE_THE_FIRST
    while not stop.wait(pause):
        pause = given.settings.findings_minutes * 60.0
        try:
            check(given)
        except Exception as error:
            log.warning("continuous checks failed: %s", type(error).__name__)
