"""Browser sessions: a random cookie, and on the server the ID token sealed with a key that only the cookie gives.

Whoever reads the table learns neither cookies nor tokens. A session ends at logout, with its token, and after MOST at the latest.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

COOKIE = "sallyport_session"
COOKIE_BYTES = 32
MOST = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Session:
    """An open session; neither part is shown."""

    cookie: str = field(repr=False)
    token: str = field(repr=False)

    @property
    def csrf(self) -> str:
        """What every form of this session carries."""
        return form_token(self.cookie)


def form_token(cookie: str) -> str:
    """The proof that a form was made for the holder of `cookie`; the cookie cannot be told from it."""
    return _derive("form", cookie).hex()


def same(given: str, expected: str) -> bool:
    """Whether both are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())


def open_session(connection: Connection[Any], token: str, now: datetime) -> Session:
    """A new session stands for `token`; those that are too old are gone."""
    cookie = secrets.token_urlsafe(COOKIE_BYTES)
    sealed = _box(cookie).encrypt(token.encode())
    connection.execute("DELETE FROM web.sessions WHERE opened_at < %s", (now - MOST,))
    connection.execute("INSERT INTO web.sessions VALUES (%s, %s, %s)", (_derive("row", cookie), sealed, now))
    return Session(cookie, token)


def find_session(connection: Connection[Any], cookie: str, now: datetime) -> Session | None:
    """The session of that cookie, if it is open; whether its token still counts is the verifier's to say."""
    from cryptography.fernet import InvalidToken

    row = connection.execute(
        "SELECT token FROM web.sessions WHERE id = %s AND opened_at >= %s", (_derive("row", cookie), now - MOST)
    ).fetchone()
    try:
        return Session(cookie, _box(cookie).decrypt(bytes(row[0])).decode()) if row else None
    except InvalidToken:
        return None


def close_session(connection: Connection[Any], cookie: str) -> None:
    """The session of that cookie has ended."""
    connection.execute("DELETE FROM web.sessions WHERE id = %s", (_derive("row", cookie),))


def _box(cookie: str) -> Any:
    from cryptography.fernet import Fernet

    return Fernet(base64.urlsafe_b64encode(_derive("seal", cookie)))


def _derive(purpose: str, cookie: str) -> bytes:
    """32 bytes for one purpose; the cookie is 256 random bits, so one HMAC is enough of a derivation."""
    return hmac.new(cookie.encode("utf-8", "replace"), f"sallyport web {purpose}".encode(), hashlib.sha256).digest()
