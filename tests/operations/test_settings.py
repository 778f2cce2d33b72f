"""A server starts with settings that were checked or says in two lines what is wrong; variables alone are enough."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from gateway.client import Gateway, Refusal
from gateway.embedded.home import Home, free_ports
from gateway.errors import SettingsInvalid, StackNotRunning
from gateway.settings import Settings
from sandbox.domains import contract_path

Environment = dict[str, str]


def variables(home: Home, port: int, folder: Path) -> Environment:
    """Every setting as a variable, for parts that run in `home`, and a folder without a stack as this server's own."""
    vault = f"http://127.0.0.1:{home.stack()['ports']['openbao']}"
    return {
        "SALLYPORT_HOME": str(folder), "SALLYPORT_GATEWAY_URL": f"http://127.0.0.1:{port}",
        "SALLYPORT_MODEL_SERVER_URL": "http://127.0.0.1:1", "SALLYPORT_VAULT_ADDR": vault,
        "SALLYPORT_APPROLE_FILE": str(home.secret("approle-sallyport-gateway")),
        "SALLYPORT_OIDC_ISSUER": f"{vault}/v1/identity/oidc",
        "SALLYPORT_OIDC_JWKS_URL": f"{vault}/v1/identity/oidc/.well-known/keys",
        "SALLYPORT_POSTGRES_HOST": str(home.sockets), "SALLYPORT_MLFLOW_URL": "http://127.0.0.1:1",
        "SALLYPORT_GATEWAY_SOCKET": str(home.sockets / f"second-{port}.sock"), "PATH": os.environ["PATH"],
    }  # fmt: skip


@pytest.fixture
def production(stack_home: Path, tmp_path: Path) -> Environment:
    return variables(Home(stack_home), free_ports(1)[0], tmp_path / "own")


def refused(environment: Environment, module: str = "gateway.http") -> str:
    """What a server says that does not start."""
    done = subprocess.run(
        [sys.executable, "-m", module], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    said = [line for line in done.stderr.splitlines() if "Warning" not in line and not line.startswith("  return")]
    assert done.returncode == 2 and len(said) == 2, done.stderr
    assert said[0].startswith("error (") and said[1].startswith("  what to do: ")
    return done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("SALLYPORT_GATEWAY_URL", "gateway.example", "SALLYPORT_GATEWAY_URL: it must be http"),
        ("SALLYPORT_OPA_URL", "http://user:hush@opa:8181", "SALLYPORT_OPA_URL: it must be http"),
        ("SALLYPORT_POSTGRES_PORT", "many", "SALLYPORT_POSTGRES_PORT"),
        ("SALLYPORT_POSTGRES_PORT", "70000", "SALLYPORT_POSTGRES_PORT"),
        ("SALLYPORT_VAULT_ADRR", "http://vault", "did you mean SALLYPORT_VAULT_ADDR"),
        ("SALLYPORT_DATABASE_PASSWORD", "hush", "secrets stand in Vault, or in files"),
    ],
)
def test_a_wrong_setting_is_named_without_its_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, value: str, says: str
) -> None:
    home = Home(tmp_path)
    home.ensure_stack()
    monkeypatch.setenv("SALLYPORT_HOME", str(tmp_path))
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsInvalid, match=says) as wrong:
        Settings.of_server()
    assert value not in str(wrong.value) and "hush" not in str(wrong.value)


def test_without_a_stack_what_is_missing_is_listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SALLYPORT_HOME", str(tmp_path))
    with pytest.raises(StackNotRunning):
        Settings.load()
    monkeypatch.setenv("SALLYPORT_VAULT_ADDR", "https://vault.example:8200")
    with pytest.raises(SettingsInvalid) as wrong:
        Settings.load()
    assert "SALLYPORT_POSTGRES_HOST" in str(wrong.value) and "SALLYPORT_VAULT_ADDR" not in str(wrong.value)


@pytest.mark.parametrize(
    ("variable", "value", "code"),
    [
        ("SALLYPORT_VAULT_ADDR", "http://127.0.0.1:1", "vault_unavailable"),
        ("SALLYPORT_APPROLE_FILE", "/nowhere/login", "settings_invalid"),
        ("SALLYPORT_POSTGRES_HOST", "/nowhere", "database_unavailable"),
        ("SALLYPORT_GATEWAY_URL", "http://203.0.113.1:8080", "settings_invalid"),
    ],
)
def test_a_gateway_that_cannot_start_says_which_setting_to_look_at(
    production: Environment, variable: str, value: str, code: str
) -> None:
    said = refused(production | {variable: value})
    assert code in said and variable in said


def test_a_vault_login_that_is_none_is_said_by_every_server(production: Environment, tmp_path: Path) -> None:
    (tmp_path / "login").write_text(json.dumps({"role_id": "x"}))
    for module in ("gateway.http", "gateway.worker", "gateway.serve"):
        assert "Vault login" in refused(production | {"SALLYPORT_APPROLE_FILE": str(tmp_path / "login")}, module)


@pytest.fixture
def second(production: Environment, tmp_path: Path) -> Iterator[str]:
    """The address of a second gateway of the same databases and Vault, which knows of them by variables alone."""
    with (tmp_path / "log").open("wb") as log:
        # As on a machine that keeps core files, whatever this one does.
        command = ["bash", "-c", 'ulimit -c "$(ulimit -Hc)"; exec "$0" -m gateway.http', sys.executable]
        process = subprocess.Popen(command, env=production, stdout=log, stderr=log)
    try:
        for _ in range(600):
            assert process.poll() is None, (tmp_path / "log").read_text()
            try:
                if httpx.get(production["SALLYPORT_GATEWAY_URL"] + "/health/live", trust_env=False).status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield production["SALLYPORT_GATEWAY_URL"]
    finally:
        process.terminate()
        process.wait(20)
        Path(production["SALLYPORT_GATEWAY_SOCKET"]).unlink(missing_ok=True)


def test_a_server_that_was_started_by_itself_leaves_no_core_file_either(second: str, stack_home: Path) -> None:
    port = second.rpartition(":")[2]
    (found,) = [one for one in psutil.process_iter() if _is_second(one, port)]
    assert re.search(r"Max core file size +0 +0 ", Path(f"/proc/{found.pid}/limits").read_text())


def _is_second(process: psutil.Process, port: str) -> bool:
    try:
        return process.environ().get("SALLYPORT_GATEWAY_URL", "").endswith(f":{port}") and "gateway.http" in process.cmdline()
    except psutil.Error:
        return False


def test_two_gateways_share_one_ledger_without_a_gap(second: str, as_user: Callable[[str], Gateway], stack_home: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from gateway.embedded.users import login

    def token(name: str) -> Callable[[], str]:
        return lambda: login(stack_home, name)

    here, there = as_user("carl"), Gateway(second, token("carl"))
    assert there.get("/health/ready")["status"] == "ready"
    before = there.get("/v1/audit/entries", after=0, limit=1)["items"]
    assert before == here.get("/v1/audit/entries", after=0, limit=1)["items"]
    body = {"project": "elsewhere", "contract": contract_path("clinic").read_text("utf-8")}

    def denied(gateway: Gateway) -> None:
        with pytest.raises(Refusal) as refused:
            gateway.post("/v1/datasets", body)
        assert refused.value.problem_code == "denied"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(denied, [as_user("sam"), Gateway(second, token("sam"))] * 10))
    entries = there.get("/v1/audit/entries", after=0, limit=1000)["items"]
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert sum(entry["type"] == "decision:made" for entry in entries) >= 20
