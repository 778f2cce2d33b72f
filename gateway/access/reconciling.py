"""The reconciler: what ended, what policy allows no more and what a crash left is taken back; safe to run at any time."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from gateway.access import break_glass, leases, requests, views
from gateway.access.leases import FAILURES, WRAP_SECONDS, Row
from gateway.access.service import AccessService, asker
from gateway.access.views import Standing
from gateway.errors import GatewayError, VaultError, VaultUnavailable
from gateway.identity import Subject

SYSTEM = Actor("reconciler", "system")
# A policy engine that gives no answer for so long ends every lease; a restart does not.
SECONDS_WITHOUT_ANSWER = 30
NO_ANSWER = {"engine_unavailable", "invalid_answer"}
# A lease that ended a moment ago may still have been seen on one side.
JUST_ENDED_SECONDS = 30
log = logging.getLogger("sallyport.access")


def reconcile(service: AccessService) -> list[str]:
    """Nothing stands but what is open, seen on every side and allowed by policy now; the ids of what was taken back."""
    now = service.clock()
    seen, in_vault = _look(service)  # before the rows: a lease's row is there before anything else of it
    with service.pool.connection() as connection:
        rows = leases.standing(connection)
        for grant in requests.overdue(connection, now):
            requests.move(connection, grant, "expired", actor=SYSTEM, now=now)
        break_glass.note_overdue(connection, now)
    reasons = {row.id: reason for row in rows if (reason := _over(row, now))}
    suspects = [row for row in rows if row.id not in reasons and row.state == "open" and _odd(seen.get(row.id))]
    if suspects:
        again, _ = _look(service)
        reasons |= {row.id: odd for row in suspects if (odd := _odd(again.get(row.id)))}
    ended = [row.id for row in rows if row.id in reasons and _end(service, row, reasons[row.id])]
    people: dict[str, Subject | None] = {}
    for row in rows:
        if row.id not in reasons and row.state == "open" and not _still_allowed(service, row, people, now):
            ended.append(row.id)
    return sorted({*ended, *_orphans(service, {*seen, *in_vault} - {row.id for row in rows}, now)})


def _look(service: AccessService) -> tuple[dict[str, Standing], set[str]]:
    """What there is of leases in PostgreSQL and in Vault; statements that overrun are ended on the way."""
    with service.live() as live:
        overrunning = views.end_overrunning(live)
    with service.live() as live:
        seen = views.standing(live)
    if overrunning:
        _note_overrunning(service, overrunning)
    try:
        return seen, {name.removeprefix("lease-") for name in service.vault.list_database_roles("lease-")}
    except (VaultError, VaultUnavailable):
        log.warning("Vault does not answer; what is over is ended in PostgreSQL alone until it does")
        return seen, set()


def _over(row: Row, now: datetime) -> str | None:
    """Why a lease is over by what its row says."""
    if row.state == "ending":
        return "unfinished"
    if row.expires <= now:
        return "expired"
    if row.state == "opening" and abs(now - row.opened_at) > timedelta(seconds=WRAP_SECONDS):
        return "crashed"
    return None


def _odd(found: Standing | None) -> str | None:
    """Why an open lease is over by what PostgreSQL says."""
    if found is None or not found.roles:
        return "expired"  # Vault ended its identity, whatever this machine's clock says
    if not found.views:
        return "dataset-changed"
    return "settings-changed" if found.changed else None


def _still_allowed(service: AccessService, row: Row, people: dict[str, Subject | None], now: datetime) -> bool:
    """Whether policy, asked again about who the holder is now, still gives these very columns; if not, the lease was ended."""
    if row.subject not in people:
        try:
            people[row.subject] = service.directory(asker(row.asker))
        except (VaultError, VaultUnavailable):
            people[row.subject] = asker(row.asker)
    subject = people[row.subject]
    if subject is None:
        return not _end(service, row, "person-removed")
    try:
        question = service.question_of(row, subject, now)
    except GatewayError as error:
        return not _end(service, row, error.code)
    decision = service.enforcer.peek(question)
    if not decision.allow and set(decision.reasons) <= NO_ANSWER:
        since = service.unanswered.setdefault(row.id, now)
        return now - since < timedelta(seconds=SECONDS_WITHOUT_ANSWER) or not _end(service, row, "engine_unavailable")
    service.unanswered.pop(row.id, None)
    shown = ("columns", "row_filter")
    if decision.allow and all(decision.obligations[name] == row.obligations[name] for name in shown):
        return True
    recorded = service.enforcer.decide(question)
    why = ",".join(recorded.reasons) or "obligations-changed"
    return not _end(service, row, why, {"ended_by_decision": recorded.decision_id})


def _end(service: AccessService, row: Row, why: str, refs: Mapping[str, str] | None = None) -> bool:
    """True when the lease has ended; what fails is tried again at the next round, and does not keep the others waiting."""
    try:
        leases.end(service.zone, row.id, by=SYSTEM, why=why, refs=refs)
    except FAILURES as error:
        log.warning("lease %s could not be ended: %s", row.id, type(error).__name__)
        return False
    service.unanswered.pop(row.id, None)
    return True


def _orphans(service: AccessService, found: set[str], now: datetime) -> list[str]:
    """What no standing lease owns is gone from every side, and in the ledger; their ids."""
    removed = []
    for lease in sorted(found):
        with service.pool.connection() as connection:
            known = leases.select(connection, "WHERE id = %s AND (state IN ('opening', 'open', 'ending') OR ended_at > %s)",
                                  (lease, now - timedelta(seconds=JUST_ENDED_SECONDS)))  # fmt: skip
        if known:
            continue
        try:
            leases.take_back(service.zone, lease)
        except FAILURES as error:
            log.warning("orphan %s could not be removed: %s", lease, type(error).__name__)
            continue
        with service.pool.connection() as connection:
            append(connection, Entry(
                type="lease:orphan-removed", actor=SYSTEM, object=ObjectRef("lease", lease), outcome="done",
                refs={"lease_id": lease}, occurred_at=now,
            ))  # fmt: skip
        removed.append(lease)
    return removed


def _note_overrunning(service: AccessService, overrunning: list[str]) -> None:
    """The ledger says of which leases a session was ended."""
    now = service.clock()
    with service.pool.connection() as connection:
        for row in leases.select(connection, "WHERE id = ANY(%s)", (overrunning,)):
            leases.record(connection, "statement:ended", SYSTEM, row, "refused", now, {"why": "overrun"})
