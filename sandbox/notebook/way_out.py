"""The kernels' one way out to a gateway on another machine: a Unix socket, whose bytes go to the gateway and nowhere else."""

from __future__ import annotations

import asyncio
import ssl
import threading
from pathlib import Path
from urllib.parse import urlsplit

BLOCK = 65_536
SECONDS_TO_START = 10


def open_way_out(socket: Path, gateway: str) -> None:
    """Whoever connects to `socket` talks with the gateway; a certificate that is not the gateway's ends the connection."""
    ready = threading.Event()
    threading.Thread(target=lambda: asyncio.run(_serve(socket, gateway, ready)), daemon=True).start()
    if not ready.wait(SECONDS_TO_START):
        raise OSError("the way to the gateway could not be opened")


async def _serve(socket: Path, gateway: str, ready: threading.Event) -> None:
    where = urlsplit(gateway)
    secure = ssl.create_default_context() if where.scheme == "https" else None
    port = where.port or (443 if secure else 80)

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(where.hostname, port, ssl=secure)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, back), _copy(there, writer))

    server = await asyncio.start_unix_server(relay, socket)
    socket.chmod(0o600)
    ready.set()
    await server.serve_forever()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(BLOCK):
            writer.write(block)
            await writer.drain()
    except OSError:
        return
    finally:
        writer.close()
