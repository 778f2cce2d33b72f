"""Inside the jail: 127.0.0.1:8080 is the gateway's Unix socket; then the command runs. Standard library only.

usage: forward.py COMMAND [ARGUMENT...]
"""

import asyncio
import os
import subprocess
import sys
import threading

SOCKET, PORT = "/run/sallyport.sock", 8080
BLOCK = 65536


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(BLOCK):
            writer.write(block)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        out_reader, out_writer = await asyncio.open_unix_connection(SOCKET)
    except OSError:
        writer.close()
        return
    await asyncio.gather(copy(reader, out_writer), copy(out_reader, writer))


def serve(listening: threading.Event) -> None:
    async def run() -> None:
        server = await asyncio.start_server(relay, "127.0.0.1", PORT)
        listening.set()
        await server.serve_forever()

    asyncio.run(run())


if __name__ == "__main__":
    up = threading.Event()
    threading.Thread(target=serve, args=(up,), daemon=True).start()
    up.wait(10)
    sys.stdout.flush()
    os._exit(subprocess.call(sys.argv[1:]))
