"""A newcomer in JupyterLab, in a real browser: looks, loads, trains, asks for access and for production; nothing leaves by it.

Takes a minute, so it is run only when SALLYPORT_JUPYTERLAB is set; when that names a folder, the pictures of the docs go there.
"""

from __future__ import annotations

import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import Chromium, program
from lab import Lab, address_of

from compliance.canonical import digest
from gateway.client import Gateway

CHROMIUM, ASKED = program(), os.environ.get("SALLYPORT_JUPYTERLAB")
pytestmark = [
    pytest.mark.skipif(not ASKED, reason="SALLYPORT_JUPYTERLAB is not set: JupyterLab was not driven"),
    pytest.mark.skipif(CHROMIUM is None, reason="NO CHROMIUM: JupyterLab was not driven; name one in SALLYPORT_CHROMIUM"),
    pytest.mark.timeout(500),
]
As = Callable[[str], Gateway]

TRAIN = """\
import mlflow
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.pipeline import make_pipeline
columns = ["pressure", "days", "earlier"]
visits = sp.load("clinic", table="encounters", as_="duckdb").query("visits", '''SELECT patient_id, readmitted_30d AS label,
  systolic AS pressure, date_diff('day', start, stop) AS days,
  row_number() OVER (PARTITION BY patient_id ORDER BY start) - 1 AS earlier FROM visits''').df()
x = visits[columns].fillna(120).astype("float32")
learner = GradientBoostingClassifier(n_estimators=40, random_state=7)
model = make_pipeline(make_column_transformer(("passthrough", columns)), learner)
model.fit(x, visits["label"])
with sp.track("first-model", "clinic") as run:
    mlflow.log_params({"n_estimators": 40, "seed": 7})
    graph = to_onnx(model, initial_types=[(name, FloatTensorType([None, 1])) for name in columns], options={"zipmap": False})
    mlflow.onnx.log_model(graph, name="model", pip_requirements=["onnxruntime"])
print("trained on", len(visits), "visits")
"""
CONTRACT = """\
name: first-model
tier: low
intended_use: Ranks patients for a call after discharge.
owner: dana
dataset: clinic
columns: [encounters.patient_id, encounters.start, encounters.stop, encounters.systolic]
features: |
  SELECT patient_id AS person, readmitted_30d AS label, coalesce(systolic, 120) AS pressure,
    date_diff('day', start, stop) AS days, row_number() OVER (PARTITION BY patient_id ORDER BY start) - 1 AS earlier
  FROM encounters
inputs:
  - {name: pressure, type: float, min: 0, max: 400}
  - {name: days, type: float, min: 0, max: 400}
  - {name: earlier, type: float, min: 0, max: 1000}
positive: 1
metrics: [{name: roc_auc, at_least: 0.5}]
"""
ASK = 'sp.request_access("clinic", columns=["patients.sex"], purpose="quality-improvement", why="sex looks wrong")'
WRITE = f'open("model.yaml", "w").write("""{CONTRACT}""")'
PROMOTE = 'sp.promote(f"runs:/{run.info.run_id}/model", "model.yaml")'


@pytest.fixture
def server(stack_home: Path, clinic: Path, as_user: As) -> Iterator[tuple[str, str]]:
    """Address and token of dana's `sallyport notebook`, with a snapshot to work on."""
    from gateway.commands import snapshot as snapshots

    sam = as_user("sam")
    assert snapshots.watch(sam, sam.post("/v1/snapshots", {"dataset": "clinic"}))["state"] == "built"
    command = [
        str(Path(sys.executable).with_name("sallyport")),
        "notebook",
        "--as",
        "dana",
        "--project",
        "readmission",
        "--no-browser",
    ]
    process = subprocess.Popen([*command, "--port", "0"], stderr=subprocess.PIPE, text=True)
    assert process.stderr
    try:
        found = next(said for line in process.stderr if (said := address_of(line)))
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield found
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Another host, and what it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}", asked
        listening.shutdown()


def test_a_newcomer_goes_from_the_first_page_to_a_model_that_is_checked(
    server: tuple[str, str], elsewhere: tuple[str, list[str]], as_user: As, tmp_path: Path
) -> None:
    pictures = Path(ASKED) if ASKED and Path(ASKED).is_dir() else tmp_path
    with Chromium(str(CHROMIUM), tmp_path / "profile") as browser:
        lab = Lab(browser)
        lab.log_in(*server)
        first = lab.run_all()
        assert "clinic" in first[0] and "built" in first[0]
        assert "patient_id" in first[1] and not any("Error" in text for text in first)
        lab.picture(pictures / "notebook-start.png")
        assert not lab.messages(), "a newcomer is asked something at the start"
        trained = lab.run(TRAIN)
        assert re.search(r"trained on \d+ visits", trained)
        assert "Warning" not in trained and "http" not in trained, "a newcomer sees warnings, or links that lead nowhere"
        assert "requested" in (asked := lab.run(ASK)) or "pending" in asked, asked
        lab.run(WRITE)
        said = lab.run(PROMOTE)
        lab.picture(pictures / "notebook-promote.png", -2)  # below it a new cell has opened
        assert "awaiting-approval" in said and "failed" not in said, said
        assert not lab.blocked(), lab.blocked()
        _nothing_leaves_by_the_browser(lab, *elsewhere)
    carl = as_user("carl")
    cells = [one for one in carl.get("/v1/audit/entries", type="cell:started")["items"] if one["actor"]["id"] == "dana"]
    assert digest(ASK.encode()) in {one["object"]["digest"] for one in cells}
    ended = [one for one in carl.get("/v1/audit/entries", type="cell:ended")["items"] if one["actor"]["id"] == "dana"]
    read = {one["object"]["digest"]: set(one["detail"]["snapshots"]) for one in ended}
    assert not read[digest(ASK.encode())] and len(read[digest(TRAIN.encode())]) == 1, read


def _nothing_leaves_by_the_browser(lab: Lab, url: str, asked: list[str]) -> None:
    """Neither a picture of an output nor a script of one reaches another host, and no server but this one's is asked."""
    image = lab.run(f"from IPython.display import HTML, Javascript\nHTML('shown <img src={url}/row>')")
    assert "shown" in image
    lab.run(f'Javascript(\'fetch("{url}/fetched").catch(() => 0); new Image().src = "{url}/made"\')')
    lab.run(f'Javascript(\'navigator.sendBeacon("{url}/beacon"); new WebSocket("{url.replace("http", "ws")}/socket")\')')
    assert "43" in lab.run("6 * 7 + 1")
    assert not asked, asked
    assert lab.blocked()
