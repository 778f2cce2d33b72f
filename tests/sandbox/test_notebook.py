"""A kernel that Jupyter starts through the provisioner: it works, and it is in the jail."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jupyter_client", reason="the extra `notebook` is not installed")  # the lock holds it, so `make setup` does

from made_wheels import NAME, packed

from sandbox.notebook.audit import V1, incoming
from sandbox.notebook.server import KERNEL, prepare


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A blocking client of one kernel in the jail."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import KernelManager

    place = prepare(tmp_path_factory.mktemp("notebooks") / "dana")
    (place / "snapshots" / "row.txt").write_text("de-identified")
    (place / "wheels" / NAME).write_bytes(packed({"made_up/__init__.py": "answer = 42\n"}))
    (place / "config" / "secret").write_text("secret")
    names = {
        "SALLYPORT_NOTEBOOK_HOME": "home",
        "SALLYPORT_NOTEBOOK_SNAPSHOTS": "snapshots",
        "SALLYPORT_NOTEBOOK_TOKENS": "tokens",
        "SALLYPORT_NOTEBOOK_WHEELS": "wheels",
        "SALLYPORT_NOTEBOOK_INCOMING": "incoming",
    }
    before = dict(os.environ)
    os.environ.update({name: str(place / folder) for name, folder in names.items()}, SERVER_SECRET="x")
    specs = KernelSpecManager(kernel_dirs=[str(place / "data" / "kernels")], ensure_native_kernel=False)
    manager = KernelManager(kernel_name="sallyport", kernel_spec_manager=specs)
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=120)
        client.place = place
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        os.environ.clear()
        os.environ.update(before)


def run(kernel: Any, code: str) -> str:
    """What the code printed, or the name of its error."""
    said: list[str] = []

    def hook(message: dict[str, Any]) -> None:
        content = message["content"]
        said.append(content.get("text", content.get("ename", "")))

    kernel.execute_interactive(code, timeout=60, output_hook=lambda m: hook(m) if m["msg_type"] in ("stream", "error") else None)
    return "".join(said).strip()


def test_a_kernel_computes_and_keeps_files_in_its_home(kernel: Any) -> None:
    assert run(kernel, "print(6 * 7)") == "42"
    run(kernel, "open('/home/kept.txt', 'w').write('kept')")
    assert (kernel.place / "home" / "kept.txt").read_text() == "kept"


def test_snapshots_are_read_and_not_written(kernel: Any) -> None:
    assert run(kernel, "print(open('/sallyport/snapshots/row.txt').read())") == "de-identified"
    assert run(kernel, "open('/sallyport/snapshots/row.txt', 'w')") == "OSError"


def test_there_is_no_network_and_nothing_of_the_server(kernel: Any) -> None:
    assert run(kernel, "import socket; socket.create_connection(('198.51.100.1', 443), 2)") == "OSError"
    assert run(kernel, "import socket; print([n for _, n in socket.if_nameindex()])") == "['lo']"
    assert run(kernel, "import os; print('SERVER_SECRET' in os.environ)") == "False"
    secret = str(kernel.place / "config" / "secret")
    assert run(kernel, f"open({secret!r})") == "FileNotFoundError"
    assert run(kernel, "import os; print(len([p for p in os.listdir('/proc') if p.isdecimal()]) < 6)") == "True"


def test_packages_come_from_the_wheelhouse_and_from_nowhere_else(kernel: Any) -> None:
    assert (
        run(kernel, "import sandbox.client as sp; print(*((p.name, p.version) for p in sp.packages()))") == "('made_up', '1.0')"
    )
    assert run(kernel, "%pip install made-up\nimport made_up; print(made_up.answer)") == "42"
    said = run(kernel, "try:\n    sp.install('never-reviewed')\nexcept sp.NotFound as error:\n    print(error)")
    assert "never-reviewed is not in the wheelhouse" in said and "sallyport wheelhouse add" in said
    assert run(kernel, "%pip install never-reviewed") == "NotFound"
    assert run(kernel, "open('/sallyport/wheelhouse/more.whl', 'w')") == "OSError"


def test_a_link_out_of_the_home_is_not_followed_by_the_server(kernel: Any) -> None:
    from tornado.web import HTTPError

    from sandbox.notebook.contents import HomeContents

    secret = str(kernel.place / "config" / "secret")
    run(kernel, f"import os; os.symlink({secret!r}, '/home/link.txt'); os.symlink('/etc', '/home/folder')")
    contents = HomeContents(root_dir=str(kernel.place / "home"))
    assert contents._get_os_path("kept.txt").endswith("kept.txt")
    for path in ("link.txt", "folder/passwd", "../config/secret"):
        with pytest.raises(HTTPError):
            contents._get_os_path(path)


def test_an_idle_kernel_ends_though_its_page_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
    from traitlets.config import Config

    place = prepare(tmp_path / "dana", idle=2)
    monkeypatch.setenv("SALLYPORT_NOTEBOOK_HOME", str(place / "home"))
    settings = json.loads((place / "config" / "jupyter_server_config.json").read_text())

    async def seconds_until_it_ends() -> float:
        specs = KernelSpecManager(kernel_dirs=[str(place / "data" / "kernels")], ensure_native_kernel=False)
        config = Config({name: settings[name] for name in ("MappingKernelManager", "MultiKernelManager")})
        manager = AsyncMappingKernelManager(config=config, kernel_spec_manager=specs, root_dir=str(place / "home"))
        kernel = await manager.start_kernel()
        manager.notify_connect(kernel)
        jail, started = manager.get_kernel(kernel).provisioner.jail, time.monotonic()
        try:
            while kernel in manager and time.monotonic() < started + 60:
                await asyncio.sleep(0.1)
            while jail.process.poll() is None and time.monotonic() < started + 60:
                await asyncio.sleep(0.1)
            return time.monotonic() - started
        finally:
            jail.end()

    assert 2 <= asyncio.run(seconds_until_it_ends()) < 60


def test_the_only_kernel_there_is_is_the_jailed_one() -> None:
    assert KERNEL["metadata"]["kernel_provisioner"]["provisioner_name"] == "sallyport-jail"
    assert KERNEL["interrupt_mode"] == "message"


def test_the_audit_reads_both_forms_of_a_message_and_lets_no_other_past() -> None:
    from jupyter_server.services.kernels.connection.base import serialize_msg_to_ws_v1

    header, content = {"msg_type": "execute_request", "msg_id": "m1"}, {"code": "1 + 1"}
    plain = json.dumps({"header": header, "content": content, "channel": "shell"})
    assert incoming(None, plain) == (header, content)
    parts = [json.dumps(part).encode() for part in (header, {}, {}, content)]
    assert incoming(V1, bytes(serialize_msg_to_ws_v1(parts, "shell"))) == (header, content)
    assert incoming(None, "broken")[0]["msg_type"] == "execute_request"
