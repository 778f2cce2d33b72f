"""`python -m gateway.http`: the gateway's HTTP server, on its port and on the Unix socket the sandbox uses."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from gateway import logs
from gateway.api.app import create_app
from gateway.catalog.policies import record_loaded
from gateway.composition import compose
from gateway.embedded.home import write_private
from gateway.settings import Settings


def main() -> None:
    """Serves until it is told to stop."""
    logs.configure()
    settings = Settings.load()
    given = compose(settings)
    with given.pool.connection() as connection:
        record_loaded(connection, digest=given.policy.digest, engine=given.settings_engine, now=given.clock())
    write_private(given.home.folder("evidence-key.pem"), given.signer.public_key_pem())
    app = create_app(given)
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", log_config=None, access_log=False, timeout_graceful_shutdown=3)
    )
    asyncio.run(server.serve([_tcp(settings.gateway_url), _unix(settings.gateway_socket)]))


def _tcp(url: str) -> socket.socket:
    parts = urlsplit(url)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((parts.hostname or "127.0.0.1", parts.port or 80))
    return listening


def _unix(path: Path) -> socket.socket:
    """A socket only this account can open; one left by a killed gateway is replaced."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    path.chmod(0o600)
    return listening


if __name__ == "__main__":
    main()
