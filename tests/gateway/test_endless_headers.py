"""A connection that sends headers without end is closed by the gateway, which goes on answering others."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from gateway.settings import Settings


def test_headers_without_end_close_the_connection_and_disturb_nobody(stack_home: Path) -> None:
    url = Settings.load().gateway_url
    at = urlsplit(url)
    sent = 0
    with socket.create_connection((str(at.hostname), at.port or 80), timeout=20) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n")
        try:
            while sent < 8 << 20:
                sent += connection.send(b"X-More: " + b"y" * 8000 + b"\r\n")
        except OSError:
            pass
    assert sent < 8 << 20
    assert httpx.get(f"{url}/health/live", trust_env=False, timeout=10).status_code == 200
