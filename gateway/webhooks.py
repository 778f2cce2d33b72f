"""Alerts of models in production, told to the addresses that the operator set: each once a worker could, signed, without a value.

The settings are the list of who may be told; nothing that a model's author writes adds an address. What is sent is what the
alert's ledger entry says: which rule, its share or index, its limit. A receiver checks `Sallyport-Signature: t=SECONDS,v1=HEX`,
the HMAC-SHA256 of `SECONDS.BODY` under the shared secret, and refuses old ones.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlsplit

import httpx
from psycopg import Connection

from compliance.canonical import canonical_json
from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from gateway.composition import Services
from gateway.errors import GatewayError, SettingsInvalid

NOTIFIER = Actor("alert-notifier", "service")
SECONDS_TO_ANSWER = 10
RAISED, OVER = "raised", "over"
# What began or ended of late and has no job yet: (alert, what of it, number of the address).
DUE = """
SELECT a.id, e.what, n FROM promotion.alerts AS a
CROSS JOIN LATERAL (VALUES ('raised', a.raised_at), ('over', a.over_at)) AS e (what, at)
CROSS JOIN generate_series(0, %s) AS n
WHERE e.at > %s AND NOT EXISTS (
    SELECT FROM dbos.workflow_status WHERE workflow_uuid = %s || a.id || '.' || e.what || '.' || (%s::text[])[n + 1]
) ORDER BY e.at LIMIT 1000"""
ALERT = "SELECT project, name, digest, metric, value, above, raised_at, over_at FROM promotion.alerts WHERE id = %s"


class NotTaken(GatewayError):
    """The address did not take the message."""

    code: ClassVar[str] = "webhook_not_taken"


def addresses(given: Services) -> dict[str, str]:
    """Key of each address -> the address. Raises SettingsInvalid where there is no secret to sign with."""
    found = [one for one in (given.settings.webhooks or "").replace(" ", "").split(",") if one]
    if found and given.settings.webhook_secret_file is None:
        raise SettingsInvalid("SALLYPORT_WEBHOOKS needs SALLYPORT_WEBHOOK_SECRET_FILE, the secret that messages are signed with.")
    return {hashlib.sha256(one.encode()).hexdigest()[:16]: one for one in found}


def due(connection: Connection[Any], keys: Sequence[str], since: datetime, workflow: str) -> list[str]:
    """The messages nobody was given to send yet, as ALERT.WHAT.KEY; of alerts that began or ended after `since`."""
    if not keys:
        return []
    rows = connection.execute(DUE, (len(keys) - 1, since, f"{workflow}-", list(keys))).fetchall()
    return [f"{alert}.{what}.{keys[number]}" for alert, what, number in rows]


def message(connection: Connection[Any], alert: str, what: str) -> dict[str, Any]:
    """What is told of an alert: what its ledger entry says. Raises LookupError."""
    row = connection.execute(ALERT, (int(alert),)).fetchone()
    if row is None:
        raise LookupError(alert)
    project, name, digest, metric, value, above, raised, over = row
    return {
        "event": f"alert.{what}", "alert": alert, "project": project, "model": name, "digest": digest, "metric": metric,
        "value": f"{value:.4f}", "above": f"{above:.4f}", "at": (raised if what == RAISED else over).isoformat(),
    }  # fmt: skip


def send(url: str, body: Mapping[str, Any], *, secret: bytes, now: datetime) -> None:
    """The address took the message. Raises NotTaken. No redirect is followed and no proxy asked."""
    data, at = canonical_json(dict(body)), str(int(now.timestamp()))
    headers = {"Content-Type": "application/json", "Sallyport-Signature": f"t={at},v1={signature(secret, at, data)}"}
    try:
        with httpx.Client(trust_env=False, follow_redirects=False, timeout=SECONDS_TO_ANSWER) as http:
            answer = http.post(url, content=data, headers=headers)
    except httpx.HTTPError as error:
        raise NotTaken(f"The address does not answer ({type(error).__name__}).") from error
    if not answer.is_success:
        raise NotTaken(f"The address answered {answer.status_code}.")


def signature(secret: bytes, at: str, data: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) of the time and the body, so that neither can be changed."""
    return hmac.new(secret, at.encode() + b"." + data, hashlib.sha256).hexdigest()


def notify(given: Services, which: str) -> None:
    """The message was taken, and the ledger says by which host; one that is set no more is told nothing. Raises NotTaken."""
    alert, what, key = which.split(".")
    url, file = addresses(given).get(key), given.settings.webhook_secret_file
    if url is None or file is None:
        return
    with given.pool.connection() as connection:
        body = message(connection, alert, what)
    send(url, body, secret=file.read_bytes().strip(), now=given.clock())
    record(given, which, "alert:notified", "done")


def record(given: Services, which: str, event: str, outcome: Any) -> None:
    """The ledger says what became of the message, with the host it was for."""
    alert, what, key = which.split(".")
    with given.pool.connection() as connection:
        body = message(connection, alert, what)
        append(connection, Entry(
            type=event, actor=NOTIFIER, object=ObjectRef("model", f"{body['project']}/{body['model']}", body["digest"]),
            project=body["project"], outcome=outcome, refs={"alert": alert},
            detail={"what": what, "host": urlsplit(addresses(given).get(key, "")).hostname or "gone"}, occurred_at=given.clock(),
        ))  # fmt: skip
