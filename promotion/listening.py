"""How the model server listens: the quick parser and event loop, with a bound on what comes before a request's body."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD_BYTES = 64 * 1024


class BoundedHead(HttpToolsProtocol):
    """A connection is closed once a request's line and headers are longer than the server takes: the parser has no bound."""

    _head, _heads, _in_body = 0, 0, False

    def on_headers_complete(self) -> None:
        self._head, self._heads, self._in_body = 0, self._heads + 1, True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        heads, in_head = self._heads, not self._in_body
        super().data_received(data)
        if in_head and self._heads == heads:  # all of it was of a head that goes on; a whole request may come in one piece
            self._head += len(data)
            if self._head > MOST_HEAD_BYTES:
                self.transport.close()


@dataclass(frozen=True, slots=True)
class Tls:
    """The server's certificate and key, and the authorities its clients' certificates must be of; None: clients show none."""

    certificate: Path
    key: Path
    clients: Path | None = None


def config(app: Any, *, host: str, port: int, tls: Tls | None = None) -> uvicorn.Config:
    """How the server runs; with `tls.clients`, a caller without a certificate of theirs is not even heard."""
    secured: dict[str, Any] = {}
    if tls is not None:
        secured = {"ssl_certfile": tls.certificate, "ssl_keyfile": tls.key}
    if tls is not None and tls.clients is not None:
        secured |= {"ssl_ca_certs": str(tls.clients), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return uvicorn.Config(
        app, host=host, port=port, http=BoundedHead, log_level="warning", access_log=False, timeout_graceful_shutdown=3,
        server_header=False, **secured,
    )  # fmt: skip


def run(app: Any, *, host: str, port: int, tls: Tls | None = None) -> None:
    """Serves until it is told to stop."""
    uvicorn.Server(config(app, host=host, port=port, tls=tls)).run()
