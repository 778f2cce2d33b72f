"""Browser sessions: a random cookie, and on the server the tokens sealed with a key that only the cookie gives.

Whoever reads the table learns neither cookies nor tokens. A session ends at logout, at its person's or an operator's word, with
its token, and after MOST at the latest. Opening and ending one is in the ledger.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from psycopg import Connection

from compliance.entries import Actor, Entry, ObjectRef
from compliance.ledger import append
from gateway.identity import Subject
from gateway.oidc import Tokens
from gateway.web.sealing import derive, form_token, opened, same, sealed

__all__ = ["COOKIE", "MOST", "Session", "close_session", "find_session", "form_token", "open_session", "same"]

COOKIE = "sallyport_session"
COOKIE_BYTES = 32
MOST = timedelta(hours=12)
NOBODY = Actor("unknown", "person")
ROW, SEAL = "row", "seal"


@dataclass(frozen=True, slots=True)
class Session:
    """An open session; neither part is shown."""

    cookie: str = field(repr=False)
    token: str = field(repr=False)
    subject: str
    refresh: str | None = field(default=None, repr=False)

    @property
    def csrf(self) -> str:
        """What every form of this session carries."""
        return form_token(self.cookie)


def open_session(connection: Connection[Any], tokens: Tokens, now: datetime, *, subject: Subject, how: str) -> Session:
    """A new session of `subject` stands for the tokens, and the ledger says so; those that are too old are gone."""
    cookie, name = secrets.token_urlsafe(COOKIE_BYTES), uuid4().hex[:16]
    connection.execute("DELETE FROM web.sessions WHERE opened_at < %s", (now - MOST,))
    connection.execute(
        "INSERT INTO web.sessions (id, token, opened_at, name, subject, how) VALUES (%s, %s, %s, %s, %s, %s)",
        (derive(ROW, cookie), _sealed(cookie, tokens), now, name, subject.id, how),
    )
    record(connection, "session:opened", subject.actor(), name, now, detail={"how": how, "mfa": subject.mfa})
    return Session(cookie, tokens.token, subject.id, tokens.refresh)


def find_session(connection: Connection[Any], cookie: str, now: datetime, *, lock: bool = False) -> Session | None:
    """The session of that cookie, if it is open; whether its token still counts is the verifier's to say."""
    row = connection.execute(
        f"SELECT token, subject FROM web.sessions WHERE id = %s AND opened_at >= %s{' FOR UPDATE' if lock else ''}",  # noqa: S608
        (derive(ROW, cookie), now - MOST),
    ).fetchone()
    said = opened(SEAL, cookie, bytes(row[0])) if row else None
    return None if row is None or said is None else Session(cookie, said["token"], row[1], said.get("refresh"))


def renew_session(connection: Connection[Any], session: Session, tokens: Tokens) -> Session:
    """The session stands for newer tokens of the same login."""
    connection.execute(
        "UPDATE web.sessions SET token = %s WHERE id = %s", (_sealed(session.cookie, tokens), derive(ROW, session.cookie))
    )
    return Session(session.cookie, tokens.token, session.subject, tokens.refresh)


def close_session(connection: Connection[Any], cookie: str, now: datetime, why: str, by: Actor | None = None) -> None:
    """The session of that cookie has ended, and the ledger says why; by its own person unless another is named."""
    gone = connection.execute("DELETE FROM web.sessions WHERE id = %s RETURNING name, subject", (derive(ROW, cookie),)).fetchone()
    if gone:
        record(connection, "session:ended", by or Actor(gone[1], "person"), gone[0], now, detail={"why": why}, holder=gone[1])


def listed(connection: Connection[Any], now: datetime, subject: str | None) -> list[dict[str, Any]]:
    """The open sessions of `subject` (None: of everybody), newest first."""
    rows = connection.execute(
        "SELECT name, subject, how, opened_at FROM web.sessions WHERE opened_at >= %s AND (%s::text IS NULL OR subject = %s)"
        " ORDER BY opened_at DESC LIMIT 500",
        (now - MOST, subject, subject),
    ).fetchall()
    return [
        {"id": name, "subject": whose, "how": how, "opened_at": at.isoformat(), "ends_at": (at + MOST).isoformat()}
        for name, whose, how, at in rows
    ]


def end_named(connection: Connection[Any], name: str, now: datetime, *, by: Subject, anybodys: bool) -> bool:
    """The session of that name has ended, if it was `by`'s own or anybody's may be; whether there was one."""
    gone = connection.execute(
        "DELETE FROM web.sessions WHERE name = %s AND (%s OR subject = %s) RETURNING subject", (name, anybodys, by.id)
    ).fetchone()
    if gone:
        why = "ended-by-holder" if gone[0] == by.id else "ended-by-operator"
        record(connection, "session:ended", by.actor(), name, now, detail={"why": why}, holder=gone[0])
    return gone is not None


def end_all(connection: Connection[Any], subject: str, now: datetime, *, by: Subject) -> int:
    """No session of `subject` is open, and no token that was issued to them until now counts; how many sessions ended."""
    gone = connection.execute("DELETE FROM web.sessions WHERE subject = %s RETURNING name", (subject,)).fetchall()
    connection.execute(
        "INSERT INTO web.endings VALUES (%s, %s) ON CONFLICT (subject) DO UPDATE SET at = greatest(endings.at, excluded.at)",
        (subject, now),
    )
    detail = {"sessions": len(gone), "why": "ended-by-holder" if subject == by.id else "ended-by-operator"}
    record(connection, "session:all-ended", by.actor(), subject, now, detail=detail, holder=subject)
    return len(gone)


def ended(connection: Connection[Any], subject: Subject) -> bool:
    """Whether the token that proved `subject` was issued before all of theirs were ended."""
    row = connection.execute("SELECT at FROM web.endings WHERE subject = %s", (subject.id,)).fetchone()
    return row is not None and (subject.issued_at is None or subject.issued_at <= int(row[0].timestamp()))


def record(
    connection: Connection[Any], event: str, by: Actor, name: str, now: datetime, *, detail: Mapping[str, Any],
    holder: str | None = None, outcome: Any = "done",
) -> None:  # fmt: skip
    """The event is in the ledger."""
    append(connection, Entry(
        type=event, actor=by, object=ObjectRef("session", name), outcome=outcome, detail=detail, occurred_at=now,
        refs={"holder": holder} if holder else {},
    ))  # fmt: skip


def _sealed(cookie: str, tokens: Tokens) -> bytes:
    return sealed(SEAL, cookie, {"token": tokens.token} | ({"refresh": tokens.refresh} if tokens.refresh else {}))
