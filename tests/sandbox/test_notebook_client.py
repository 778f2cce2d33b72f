"""The client a notebook uses, outside of the jail and inside, on the running stack."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

import sandbox.client as sp
from compliance.canonical import digest
from gateway.client import Gateway
from gateway.commands import snapshot as snapshots
from sandbox.jail import run_isolated

As = Callable[[str], Gateway]


@pytest.fixture(scope="module")
def built(as_user: As, clinic: Path) -> dict[str, Any]:
    """A snapshot of the small clinic."""
    sam = as_user("sam")
    found = snapshots.watch(sam, sam.post("/v1/snapshots", {"dataset": "clinic"}))
    assert found["state"] == "built", found
    return found


@pytest.fixture
def dana(as_user: As, built: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stack_home: Path) -> None:
    """This process is a notebook of dana's, outside of the jail."""
    monkeypatch.setenv("SALLYPORT_TOKEN", as_user("dana").token())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SALLYPORT_PROJECT", "readmission")


@pytest.mark.usefixtures("dana")
def test_a_table_is_loaded_as_what_is_asked_for(built: dict[str, Any]) -> None:
    rows = len(sp.load("clinic", table="patients"))
    assert rows > 0
    assert sp.load("clinic", table="patients", as_="polars").height == rows
    assert sp.load(built["digest"], table="patients", as_="arrow").num_rows == rows
    assert len(sp.load(built["id"], table="patients", as_="duckdb").fetchall()) == rows
    assert list(sp.load("clinic", table="patients", columns=["patient_id"]).columns) == ["patient_id"]
    lazy = sp.load("clinic", table="patients", as_="ibis")
    assert (lazy.count().execute(), lazy.schema()["birth_date"].is_integer()) == (rows, True)
    assert {"patients", "encounters"} <= set(sp.tables("clinic"))


@pytest.mark.usefixtures("dana")
def test_snapshots_are_shown_with_their_certificate(built: dict[str, Any]) -> None:
    found = sp.snapshots("clinic")
    assert found[0].digest == built["digest"]
    assert found[0].certificate["k"] >= 11
    assert "<table>" in found._repr_html_()
    assert "clinic" in found[0]._repr_html_()
    assert not sp.snapshots("another")
    shown = " ".join(text.get_text() for text in found[0].plot().axes[0].texts)
    assert f"{found[0].certificate['k']} (asked: {found[0].certificate['k_asked']})" in shown
    assert found[0].certificate["k_asked"] >= 11


@pytest.mark.usefixtures("dana")
def test_errors_say_what_there_is_and_what_to_do() -> None:
    with pytest.raises(sp.NotFound, match="Choose one of: clinic"):
        sp.load("clinics")
    with pytest.raises(sp.NotFound, match="encounters"):
        sp.load("clinic", table="nothing")
    with pytest.raises(sp.NotFound, match="several tables"):
        sp.load("clinic")
    with pytest.raises(sp.ClientError, match="polars"):
        sp.load("clinic", table="patients", as_="spark")  # type: ignore[arg-type]
    with pytest.raises(sp.Refused) as caught:
        sp.request_access("clinic", columns=["patients.nothing"], purpose="model-debugging", why="to look")
    assert caught.value.reasons


def test_without_a_login_the_error_says_how_to_log_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SALLYPORT_HOME", str(tmp_path))
    for name in ("SALLYPORT_TOKEN", "MLFLOW_TRACKING_TOKEN", "SALLYPORT_TOKEN_FILE", "SALLYPORT_GATEWAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(sp.NotConnected, match="sallyport login"):
        sp.snapshots()


@pytest.mark.usefixtures("dana")
def test_live_rows_are_read_under_a_lease_that_ends_with_the_block(as_user: As, stack_home: Path) -> None:
    with pytest.raises(sp.NotFound, match="request_access"):
        sp.live("clinic", purpose="never-asked").__enter__()
    asked = sp.request_access("clinic", columns=["patients.sex"], purpose="quality-improvement", why="sex looks wrong")
    assert "patients.sex" in asked._repr_html_()
    with pytest.raises(sp.NotFound, match="pending"):
        sp.live("clinic", purpose="quality-improvement").__enter__()
    sam = as_user("sam")
    sam.post(f"/v1/access-requests/{asked.id}/approve")
    assert asked.wait(10).state == "granted"
    shell = InteractiveShell.instance()
    with sp.live("clinic", purpose="quality-improvement") as connection:
        counted = shell.run_line_magic("sql", "SELECT sex, count(*) AS n FROM patients GROUP BY sex")
        assert set(counted["sex"]) == {"F", "M"}
        schema = connection.execute(
            "SELECT table_schema FROM information_schema.tables WHERE table_name = 'patients'"
        ).fetchone()[0]
        assert connection.execute(f'SELECT count(*) FROM "{schema}".patients').fetchone()[0] > 0
        leases = [one for one in sam.get("/v1/leases")["items"] if one["request"] == asked.id or one.get("grant_id") == asked.id]
    after = {one["id"] for one in sam.get("/v1/leases")["items"] if one.get("state", "open") == "open"}
    assert not {one["id"] for one in leases} & after
    assert "sql" not in shell.magics_manager.magics["line"]
    InteractiveShell.clear_instance()


# A notebook server with one kernel; the cell opens a lease and has a worker, which holds whatever the kernel held.
SERVER = """
import sys, time
from jupyter_client.manager import KernelManager
manager = KernelManager(kernel_name="python3")
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=60)
def said(message):
    if message["msg_type"] in ("stream", "error"):
        print(message["content"].get("text", message["content"].get("ename")), end="", flush=True)
client.execute_interactive(sys.argv[1], timeout=60, output_hook=said)
time.sleep(600)
"""
CELL = """
import os, time
import sandbox.client as sp
opened = sp.live({request!r})
opened.__enter__()
worker = os.fork()
if worker == 0:
    time.sleep(600)
    os._exit(0)
print(os.getpid(), worker)
"""


@pytest.mark.usefixtures("dana")
@pytest.mark.parametrize("killed", ["kernel", "server"])
def test_a_lease_ends_with_the_kernel_or_the_server_that_is_killed(as_user: As, killed: str) -> None:
    asked = sp.request_access("clinic", columns=["patients.sex"], purpose="quality-improvement", why="sex looks wrong")
    sam = as_user("sam")
    sam.post(f"/v1/access-requests/{asked.id}/approve")
    code = CELL.format(request=asked.id)
    server = subprocess.Popen([sys.executable, "-c", SERVER, code], stdout=subprocess.PIPE, text=True)
    ended = [server.pid]
    try:
        assert server.stdout
        kernel, worker = map(int, server.stdout.readline().split())
        ended += [kernel, worker]
        assert _open_leases(sam, asked.id)
        os.kill(kernel if killed == "kernel" else server.pid, signal.SIGKILL)
        end = time.monotonic() + 60
        while _open_leases(sam, asked.id):
            assert time.monotonic() < end, f"the lease outlives the {killed}"
            time.sleep(0.2)
        os.kill(worker, 0)  # it was alive all the time
    finally:
        for process in ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        server.wait()


def _open_leases(who: Gateway, request: str) -> list[str]:
    return [one["id"] for one in who.get("/v1/leases")["items"] if one["request"] == request and one["state"] == "open"]


@pytest.mark.usefixtures("dana")
def test_a_table_is_exported_with_its_evidence() -> None:
    frame = sp.load("clinic", table="patients")
    table, declared = sp.safe_table(frame, ["sex"])
    table = table[table["n"] >= 10]
    asked = sp.export({"sexes.csv": table, "notes.md": "Counts by sex."}, why="a figure", tables={"sexes.csv": declared})
    assert asked.state in ("in-review", "returned"), asked.facts["findings"]
    assert "sexes.csv" in {file["path"] for file in asked.facts["files"]}
    assert "<table>" in asked._repr_html_()


def test_the_same_calls_work_inside_of_the_jail(as_user: As, built: dict[str, Any], tmp_path: Path) -> None:
    code = (
        "import json, sandbox.client as sp\n"
        "out = {'rows': len(sp.load('clinic', table='patients')), 'tables': sp.tables('clinic'), 'seen': len(sp.snapshots())}\n"
        "try:\n    sp.live('x').__enter__()\nexcept sp.NotHere as error:\n    out['live'] = str(error)\n"
        "json.dump(out, open('/sallyport/work/out.json', 'w'))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    work = tmp_path / "work"
    work.mkdir()
    gateway = as_user("dana")
    outcome = run_isolated(
        [sys.executable, "/script.py"], read_only={script: "/script.py"}, writable={work: "/sallyport/work"},
        socket=gateway.socket,
        env={"SALLYPORT_TOKEN": gateway.token()},
    )  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    out = json.loads((work / "out.json").read_text())
    assert out["rows"] > 0
    assert "outside of the sandbox" in out["live"]


@pytest.mark.usefixtures("dana")
def test_a_run_is_bound_to_the_snapshot(built: dict[str, Any], as_user: As, recwarn: pytest.WarningsRecorder) -> None:
    import mlflow

    before = os.environ.get("MLFLOW_TRACKING_TOKEN")
    InteractiveShell.instance().run_cell("answer = 6 * 7", store_history=True)
    try:
        with sp.track("client test", "clinic") as run:
            mlflow.log_metric("auc", 0.8)
        found = mlflow.get_run(run.info.run_id)
        code = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/notebook/cells.py")
    finally:
        InteractiveShell.clear_instance()
        os.environ.pop("MLFLOW_TRACKING_TOKEN") if before is None else os.environ.update(MLFLOW_TRACKING_TOKEN=before)
    assert not [str(one.message) for one in recwarn if "Inferred schema" in str(one.message)]
    assert built["digest"] in found.inputs.dataset_inputs[0].dataset.source
    assert found.data.metrics == {"auc": 0.8}
    assert "answer = 6 * 7" in code and found.data.tags["sallyport.code_digest"] == digest(code.encode())
