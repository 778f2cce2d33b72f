"""A real notebook server with a jailed kernel: what it records of each cell, and that nothing outlives what started it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("jupyter_server", reason="the extra `notebook` is not installed")

from sandbox.notebook.server import prepare

SECONDS = 60
ONE, OTHER = "1" * 64, "2" * 64
# What `sallyport notebook` does once it knows who asks; the address of the server is all it says.
COMMAND = """
import os, subprocess, sys
from pathlib import Path
from sandbox.notebook.ending import with_parent
place = Path(sys.argv[1])
given = {"HOME": str(place / "data"), "JUPYTER_PREFER_ENV_PATH": "0", "JUPYTER_CONFIG_DIR": str(place / "config"),
    "JUPYTER_DATA_DIR": str(place / "data"), "JUPYTER_RUNTIME_DIR": sys.argv[2], "PATH": os.environ["PATH"],
    "SALLYPORT_NOTEBOOK_HOME": str(place / "home"), "SALLYPORT_NOTEBOOK_SNAPSHOTS": str(place / "snapshots"),
    "SALLYPORT_TOKEN_FILE": str(place / "tokens" / "token"), "SALLYPORT_GATEWAY": sys.argv[3]}
words = ["--config", str(place / "config" / "jupyter_server_config.json"), "--allow-root", "--port", "0"]
server = subprocess.Popen([sys.executable, "-m", "jupyter_server", *words, "--IdentityProvider.token=known"], env=given,
    cwd=place / "home", preexec_fn=with_parent())
print(server.pid, flush=True)
server.wait()
"""


@dataclass(frozen=True, slots=True)
class Running:
    """The command, the notebook server that it started, all processes of one jailed kernel, and what the gateway was told."""

    command: subprocess.Popen[str]
    server: psutil.Process
    jail: list[psutil.Process]
    kernel: str
    told: list[dict[str, Any]]


@pytest.fixture
def gateway() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address, and what was sent there."""
    told: list[dict[str, Any]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}", told
        listening.shutdown()


@pytest.fixture
def running(tmp_path: Path, gateway: tuple[str, list[dict[str, Any]]]) -> Iterator[Running]:
    """A server with a jailed kernel that sees two snapshots."""
    import httpx

    place, runtime = prepare(tmp_path / "dana"), tmp_path / "runtime"
    runtime.mkdir()
    (place / "tokens" / "token").write_text("known")
    for digest in (ONE, OTHER):
        (place / "snapshots" / digest / "tables").mkdir(parents=True)
        (place / "snapshots" / digest / "tables" / "rows.txt").write_text("de-identified")
    command = subprocess.Popen([sys.executable, "-c", COMMAND, place, runtime, gateway[0]], stdout=subprocess.PIPE, text=True)
    started: list[psutil.Process] = [psutil.Process(command.pid)]
    try:
        assert command.stdout
        server = psutil.Process(int(command.stdout.readline()))
        started.append(server)
        _until(lambda: any(runtime.glob("jpserver-*.json")))
        address = httpx.Response(200, content=next(runtime.glob("jpserver-*.json")).read_bytes()).json()["url"]
        with httpx.Client(base_url=address, headers={"Authorization": "token known"}, timeout=SECONDS, trust_env=False) as http:
            _until(lambda: _answers(http))
            made = http.post("api/kernels", json={"name": "sallyport"}).raise_for_status().json()["id"]
        _until(lambda: any(map(_is_kernel, server.children(recursive=True))))
        jail = server.children(recursive=True)
        started += jail
        yield Running(command, server, jail, f"{address.replace('http', 'ws', 1)}api/kernels/{made}/channels", gateway[1])
    finally:
        for process in started:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        command.wait()


def test_no_process_of_a_kernel_outlives_the_server_that_is_killed(running: Running) -> None:
    assert len(running.jail) >= 2
    os.kill(running.server.pid, signal.SIGKILL)
    _until(lambda: not any(map(_lives, running.jail)))


def test_neither_server_nor_kernel_outlives_the_command_that_is_killed(running: Running) -> None:
    running.command.kill()
    _until(lambda: not any(map(_lives, [running.server, *running.jail])))


def test_a_cell_is_recorded_before_it_runs_and_with_the_snapshots_it_read(running: Running) -> None:
    cells = [
        "1 + 1",
        f"open('/sallyport/snapshots/{ONE}/tables/rows.txt').read()",
        f"import os; os.listdir('/sallyport/snapshots/{ONE}/tables'); 1 / 0",
        f"import subprocess; subprocess.run(['cat', '/sallyport/snapshots/{OTHER}/tables/rows.txt'])",
    ]
    asyncio.run(_run(running.kernel, cells))
    _until(lambda: len(running.told) == 2 * len(cells))
    hashes = ["sha256:" + hashlib.sha256(code.encode()).hexdigest() for code in cells]
    assert [one["code_hash"] for one in running.told if one["event"] == "started"] == hashes
    ended = {one["code_hash"]: one for one in running.told if one["event"] == "ended"}
    assert [ended[code]["snapshots"] for code in hashes] == [[], [f"sha256:{ONE}"], [], [f"sha256:{OTHER}"]]
    assert [ended[code]["status"] for code in hashes] == ["ok", "ok", "error", "ok"]
    assert "de-identified" not in json.dumps(running.told)


async def _run(kernel: str, cells: list[str]) -> None:
    """Each cell was run after the one before it, as a browser asks for it."""
    from tornado.httpclient import HTTPRequest
    from tornado.websocket import websocket_connect

    socket = await websocket_connect(HTTPRequest(kernel, headers={"Authorization": "token known"}))
    for number, code in enumerate(cells):
        header = {"msg_id": f"cell-{number}", "msg_type": "execute_request", "session": "s", "username": "dana", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []}
        await socket.write_message(json.dumps(message))
        while True:
            said = json.loads(await asyncio.wait_for(socket.read_message(), SECONDS) or "null")
            assert said, "the server closed the connection"
            if (said["msg_type"], said["parent_header"].get("msg_id")) == ("execute_reply", f"cell-{number}"):
                break
    socket.close()


def _answers(http: object) -> bool:
    import httpx

    try:
        return http.get("api/status").is_success  # type: ignore[attr-defined,no-any-return]
    except httpx.HTTPError:
        return False


def _is_kernel(process: psutil.Process) -> bool:
    """The kernel's own process, innermost in its jail; those around it are told its command too."""
    try:
        return process.cmdline()[1:3] == ["-m", "ipykernel_launcher"] and not process.children()
    except psutil.NoSuchProcess:
        return False


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _until(what: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)
