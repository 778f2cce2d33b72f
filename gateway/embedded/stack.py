"""The embedded stack as a whole: what runs, in which order it starts and stops."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from filelock import FileLock, Timeout

from gateway.embedded import databases, openbao, postgres, processes, provision, renewing
from gateway.embedded.home import Home, port_is_free, write_private
from gateway.embedded.processes import Part
from gateway.errors import PortTaken, StackError, StackNotRunning
from gateway.vault import Vault

# Later parts need earlier ones; they stop the other way round.
ORDER = ("postgres", "openbao", "mlflow", "gateway", "worker", "model_server")
SECONDS_TO_WAIT_FOR_ANOTHER_UP = 120
PASSWORDS = "passwords-to-be"

Report = Callable[[str, float], None]


def up(home: Home, report: Report) -> None:
    """Every part runs and answers; what ran already is left alone. Raises StackError with what to do."""
    home.prepare()
    try:
        with FileLock(home.folder("run") / "up.lock", timeout=SECONDS_TO_WAIT_FOR_ANOTHER_UP):
            _up(home, report)
    except Timeout as error:
        raise StackError("Another `sallyport up` of this home is still at work.") from error


def _up(home: Home, report: Report) -> None:
    home.ensure_stack()
    _down_mark(home).unlink(missing_ok=True)
    _require_ports(home)
    step = _Step(report)
    passwords = start_foundations(home, step.done)
    for part in (mlflow(home, passwords["mlflow"]), gateway(home), worker(home), model_server(home)):
        processes.spawn(home, part)
    for part in (gateway(home), worker(home), model_server(home), mlflow(home, passwords["mlflow"])):
        processes.start(home, part)
        step.done(part.name)


def start_foundations(home: Home, done: Callable[[str], None] = lambda name: None) -> dict[str, str]:
    """PostgreSQL and OpenBao run, hold what they must, and after a restore what was restored; the roles' passwords."""
    from gateway.operations import backups, restoring

    restored = restoring.waiting(home)
    postgres.initialise(home)
    postgres.clear_stale(home)
    processes.start(home, postgres.part(home))
    done("postgres")
    if restored:
        restoring.begin_vault(home)
    processes.start(home, openbao.part(home))
    if restored:
        restoring.finish_vault(home)
    root_token = openbao.unseal(home)
    done("openbao")
    passwords = _passwords(home, root_token)
    databases.ensure(lambda database: postgres.superuser(home, database), passwords)
    if root_token:
        provision.configure(home, root_token, passwords)
        openbao.revoke_root(home, root_token)
        renewing.note(home)
        home.secret(PASSWORDS).unlink(missing_ok=True)
    elif renewing.outdated(home):
        renewing.renew(home, passwords)
    if restored:
        backups.record(
            home, "restore:done", "done", restored["id"], {"digest": restored["digest"], "made_at": restored["made_at"]}
        )
        restoring.done(home)
    done("configuration")
    return passwords


def down(home: Home, report: Report) -> None:
    """Nothing of the stack runs, and who watches it lets it rest; its state is kept."""
    if home.folder("run").is_dir():
        _down_mark(home).touch()
    for name in reversed(ORDER):
        started = time.monotonic()
        signal = {"postgres": 2, "openbao": 2}.get(name, 15)
        if processes.stop(home, name, signal):
            report(name, time.monotonic() - started)


def status(home: Home) -> dict[str, str]:
    """part -> 'running' or 'stopped'. Raises StackNotRunning when there is no stack at all."""
    home.stack()
    return {name: "running" if processes.running(home, name) else "stopped" for name in ORDER}


def is_down(home: Home) -> bool:
    """Somebody took the stack down, so that what does not run is not to run."""
    return _down_mark(home).exists()


def is_up(home: Home) -> bool:
    """Every part runs."""
    try:
        return all(state == "running" for state in status(home).values())
    except StackNotRunning:
        return False


def mlflow(home: Home, password: str) -> Part:
    """MLflow's tracking server, on a Unix socket that only this account can open."""
    path = home.sockets / "mlflow.sock"
    uri = f"postgresql+psycopg://mlflow:{password}@/sandbox?host={home.sockets}"
    command = [
        sys.executable, "-m", "mlflow", "server", "--serve-artifacts", "--artifacts-destination", str(home.folder("mlflow")),
        "--workers", "1", "--enable-workspaces", "--uvicorn-opts", f"--uds {path} --log-level warning",
    ]  # fmt: skip
    environment = _environment(home) | {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # five more processes, for what is not offered here
    }
    return Part("mlflow", command, lambda: _answers("http://localhost/health", path), environment, seconds=180)


def gateway(home: Home) -> Part:
    """The gateway's HTTP server."""
    return _module(home, "gateway", "gateway.http", f"http://127.0.0.1:{home.stack()['ports']['gateway']}/health/live")


def model_server(home: Home) -> Part:
    """The server of promoted models."""
    url = f"http://127.0.0.1:{home.stack()['ports']['model_server']}/v2/health/live"
    return _module(home, "model_server", "gateway.serve", url)


def worker(home: Home) -> Part:
    """The durable worker; it writes a file once it takes work."""
    mark = home.folder("run") / "worker.ready"
    started = processes.running(home, "worker")

    def ready() -> bool:
        process = processes.running(home, "worker")
        return process is not None and mark.exists() and mark.read_text("utf-8") == str(process.pid)

    if started is None:
        mark.unlink(missing_ok=True)
    return Part("worker", [sys.executable, "-m", "gateway.worker"], ready, _environment(home), seconds=120)


def _module(home: Home, name: str, module: str, url: str) -> Part:
    return Part(name, [sys.executable, "-m", module], lambda: _answers(url), _environment(home), seconds=120)


def _down_mark(home: Home) -> Path:
    return home.folder("run") / "down"


def _environment(home: Home) -> dict[str, str]:
    return {"SALLYPORT_HOME": str(home.root), "HOME": str(home.root), "PYTHONUNBUFFERED": "1", "DBOS__TELEMETRY": "false"}


def _answers(url: str, socket: Path | None = None) -> bool:
    transport = httpx.HTTPTransport(uds=str(socket)) if socket else httpx.HTTPTransport()
    try:
        with httpx.Client(transport=transport, timeout=2, trust_env=False) as client:
            return client.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def _passwords(home: Home, root_token: str | None) -> dict[str, str]:
    """The database roles' passwords: made at first start, then only in OpenBao."""
    if root_token is None:
        approle = json.loads(home.secret("approle-sallyport-gateway").read_text("utf-8"))
        return Vault.login(openbao.address(home), **approle).read_secret("sallyport/database")
    waiting = home.secret(PASSWORDS)
    if not waiting.exists():
        write_private(waiting, json.dumps({role: secrets.token_urlsafe(32) for role in databases.LOGINS}))
    return dict(json.loads(waiting.read_text("utf-8")))


def _require_ports(home: Home) -> None:
    """Nobody else listens on the ports of parts that are not running. Raises PortTaken."""
    for part in ("openbao", "gateway", "model_server"):
        port = home.stack()["ports"][part]
        if not processes.running(home, part) and not port_is_free(port):
            raise PortTaken(
                f"Port {port}, which {part} of this home uses, is taken by another program; end it, or change the"
                f" port in {home.stack_file}."
            )


class _Step:
    def __init__(self, report: Report) -> None:
        self._report, self._since = report, time.monotonic()

    def done(self, name: str) -> None:
        now = time.monotonic()
        self._report(name, now - self._since)
        self._since = now
