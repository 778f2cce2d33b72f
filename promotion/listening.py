"""How the model server listens: the quick parser and event loop, with a bound on what comes before a request's body."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 64 * 1024


class BoundedHead(HttpToolsProtocol):
    """A connection is closed once a request's line and headers are longer than the server takes: the parser has no bound."""

    _head = 0

    def on_headers_complete(self) -> None:
        self._head = -1
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head = 0
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        reading = self._head >= 0
        super().data_received(data)
        if reading and self._head >= 0:
            self._head += len(data)
            if self._head > MOST_HEAD_BYTES:
                self.transport.close()


def run(app: Any, *, host: str, port: int, tls: tuple[Path, Path, Path] | None = None) -> None:
    """Serves until it is told to stop. `tls`: the server's certificate and key, and the authorities its clients must be of."""
    import ssl

    secured: dict[str, Any] = {}
    if tls is not None:
        certificate, key, clients = tls
        secured = {"ssl_certfile": certificate, "ssl_keyfile": key, "ssl_ca_certs": str(clients),
                   "ssl_cert_reqs": ssl.CERT_REQUIRED}  # fmt: skip
    uvicorn.run(
        app, host=host, port=port, http=BoundedHead, log_level="warning", access_log=False,
        timeout_graceful_shutdown=3, server_header=False, **secured,
    )  # fmt: skip
