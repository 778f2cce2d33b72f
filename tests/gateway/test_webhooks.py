"""Webhooks: what is told of an alert and to whom, how it is signed, and that each is told once."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg_pool import ConnectionPool
from pydantic import ValidationError

from compliance.ledger import integrate
from gateway import webhooks
from gateway.errors import SettingsInvalid
from gateway.settings import Settings
from gateway.webhooks import NotTaken

NOW = datetime(2026, 11, 1, 8, tzinfo=UTC)
SECRET = b"a shared secret"


class Receiver:
    """A server that keeps what it is sent and answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.got.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(outer.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def do_GET(self) -> None:  # where a redirect would lead
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/alerts"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def given(database_url: str, receiver: Receiver, tmp_path: Path) -> Iterator[Any]:
    """The parts that a notification needs, over a real database with one alert that began and one that is over."""
    (tmp_path / "secret").write_bytes(SECRET + b"\n")
    with psycopg.connect(database_url, autocommit=True) as connection:
        for package in ("compliance", "promotion"):
            connection.execute((resources.files(package) / "schema.sql").read_text("utf-8"))  # type: ignore[arg-type]
        connection.execute("CREATE SCHEMA dbos; CREATE TABLE dbos.workflow_status (workflow_uuid text)")
        connection.execute(
            "INSERT INTO promotion.alerts (project, name, digest, metric, value, above, raised_at, over_at) VALUES"
            " ('readmission', 'm', 'sha256:1', 'missing:age', 0.25, 0.1, %s, NULL),"
            " ('readmission', 'm', 'sha256:1', 'positive_rate', 0.75, 0.5, %s, %s)",
            (NOW, NOW - timedelta(days=3), NOW),
        )
    with ConnectionPool(database_url, open=True, min_size=1) as pool:
        settings = SimpleNamespace(webhooks=receiver.url, webhook_secret_file=tmp_path / "secret")
        yield SimpleNamespace(settings=settings, pool=pool, clock=lambda: NOW)


def events(given: Any) -> list[tuple[str, dict[str, Any]]]:
    with given.pool.connection() as connection:
        integrate(connection)
        rows = connection.execute("SELECT type, canonical FROM ledger.entries ORDER BY seq").fetchall()
    return [(event, json.loads(bytes(text))["detail"]) for event, text in rows]


def test_each_beginning_and_end_within_the_day_is_due_once_for_each_address(given: Any) -> None:
    since = NOW - timedelta(days=1)
    with given.pool.connection() as connection:
        assert webhooks.due(connection, [], since, "notify") == []
        found = webhooks.due(connection, ["k1", "k2"], since, "notify")
        assert sorted(found) == ["1.raised.k1", "1.raised.k2", "2.over.k1", "2.over.k2"]
        connection.execute("INSERT INTO dbos.workflow_status VALUES ('notify-1.raised.k2'), ('notify-2.over.k1')")
        assert sorted(webhooks.due(connection, ["k1", "k2"], since, "notify")) == ["1.raised.k1", "2.over.k2"]


def test_a_message_says_what_the_ledger_says_and_is_signed_with_its_time(given: Any, receiver: Receiver) -> None:
    [key] = webhooks.addresses(given)
    webhooks.notify(given, f"1.raised.{key}")
    [(headers, body)] = receiver.got
    assert json.loads(body) == {
        "event": "alert.raised", "alert": "1", "project": "readmission", "model": "m", "digest": "sha256:1",
        "metric": "missing:age", "value": "0.2500", "above": "0.1000", "at": NOW.isoformat(),
    }  # fmt: skip
    at, _, signed = headers["Sallyport-Signature"].partition(",v1=")
    expected = hmac.new(SECRET, at.removeprefix("t=").encode() + b"." + body, hashlib.sha256).hexdigest()
    assert at == f"t={int(NOW.timestamp())}" and signed == expected
    assert events(given) == [("alert:notified", {"what": "raised", "host": "127.0.0.1"})]


@pytest.mark.parametrize("status", [301, 302, 400, 500])
def test_what_is_not_taken_is_raised_no_redirect_is_followed_and_the_end_is_recorded(
    given: Any, receiver: Receiver, status: int
) -> None:
    [key] = webhooks.addresses(given)
    receiver.status = status
    with pytest.raises(NotTaken):
        webhooks.notify(given, f"2.over.{key}")
    assert len(receiver.got) == 1 and events(given) == []
    webhooks.record(given, f"2.over.{key}", "alert:notify-failed", "failed")
    assert events(given) == [("alert:notify-failed", {"what": "over", "host": "127.0.0.1"})]


def test_an_address_that_is_set_no_more_is_told_nothing_and_none_is_told_unsigned(given: Any, receiver: Receiver) -> None:
    [key] = webhooks.addresses(given)
    given.settings.webhooks = "https://other.example.org/alerts"
    webhooks.notify(given, f"1.raised.{key}")
    assert receiver.got == [] and events(given) == []
    given.settings.webhook_secret_file = None
    with pytest.raises(SettingsInvalid, match="SECRET_FILE"):
        webhooks.addresses(given)


@pytest.mark.parametrize(
    "url",
    ["http://example.org/a", "ftp://example.org", "https://", "https://user:secret@example.org", "/a", "file:///etc/passwd"],
)
def test_an_address_that_others_could_read_on_the_way_is_no_setting(url: str, tmp_path: Path) -> None:
    needed: dict[str, Any] = {
        "home": tmp_path, "gateway_url": "http://h", "model_server_url": "http://h", "vault_addr": "http://h",
        "approle_file": tmp_path, "oidc_issuer": "http://h", "postgres_host": "h", "mlflow_socket": tmp_path,
        "gateway_socket": tmp_path,
    }  # fmt: skip
    good = "https://a.example.org/x, http://127.0.0.1:9/y"
    assert Settings(**needed, webhooks=good).webhooks == good
    with pytest.raises(ValidationError):
        Settings(**needed, webhooks=f"{good},{url}")
