"""Inside the jail, before the command: the limit on processes; 127.0.0.1:8080 is the gateway's socket. Standard library only.

usage: start.py PROCESSES [--forward] -- COMMAND [ARGUMENT...]
"""

import asyncio
import os
import resource
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


def main(processes: int, forward: bool, command: list[str]) -> None:
    # Here and not before: in this namespace the kernel counts the jail's processes alone, and not all of the account's.
    resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    if not forward:
        os.execvp(command[0], command)  # noqa: S606 - the command is what the jail is for
    up = threading.Event()
    threading.Thread(target=serve, args=(up,), daemon=True).start()
    up.wait(10)
    sys.stdout.flush()
    os._exit(subprocess.call(command))


if __name__ == "__main__":
    end = sys.argv.index("--")
    main(int(sys.argv[1]), "--forward" in sys.argv[2:end], sys.argv[end + 1 :])
