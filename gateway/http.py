"""`python -m gateway.http`: the gateway's HTTP server, on its port and on the Unix socket the sandbox uses."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import uvicorn

from gateway import logs
from gateway.api.app import create_app
from gateway.catalog.policies import record_loaded
from gateway.embedded.home import write_private
from gateway.errors import SettingsInvalid
from gateway.settings import Settings
from gateway.starting import address, begin, said
from gateway.tracing import begin_traces, end_traces
from promotion.listening import BoundedHead


def main() -> None:
    """Serves until it is told to stop."""
    logs.configure()
    given = begin()
    settings = given.settings
    with given.pool.connection() as connection:
        record_loaded(connection, given.policy.engine.bundle, engine=given.settings_engine, now=given.clock())
    write_private(given.home.folder("evidence-key.pem"), given.signer.public_key_pem())
    begin_traces(settings.traces_url, "sallyport-gateway")
    app = create_app(given)
    server = uvicorn.Server(
        uvicorn.Config(app, http=BoundedHead, log_level="warning", log_config=None, access_log=False, timeout_graceful_shutdown=3)
    )
    asyncio.run(server.serve([_tcp(settings), _unix(settings.gateway_socket)]))
    end_traces()


def _tcp(settings: Settings) -> socket.socket:
    host, port = address(settings.gateway_url, settings.listen_host)
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise SettingsInvalid(f"SALLYPORT_GATEWAY_URL: {host}:{port} cannot be listened on ({error.strerror}).") from error
    return listening


def _unix(path: Path) -> socket.socket:
    """A socket only this account can open; one left by a killed gateway is replaced."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    path.chmod(0o600)
    return listening


if __name__ == "__main__":
    said(main)()
