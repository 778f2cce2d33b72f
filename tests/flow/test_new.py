"""A project from the template: made, trained, checked, taken over by somebody else with one command, promoted."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import psycopg
import pytest
from click.testing import CliRunner

from compliance.ledger import integrate
from gateway import aliasing
from gateway.client import Gateway, Refusal
from gateway.commands import snapshot as snapshots
from gateway.commands.access import open_lease
from gateway.commands.caller import connect
from gateway.commands.model import command as models
from gateway.commands.model import model_server
from gateway.commands.new import command
from gateway.commands.score import command as scoring_runs
from gateway.composition import Services, compose
from gateway.embedded import postgres, processes, stack
from gateway.embedded.home import Home
from gateway.jobs import SCHEMA
from gateway.settings import Settings
from promotion.queued import prediction_id
from promotion.registry import MlflowRegistry
from sandbox.contracts import load_contract
from sandbox.domains import contract_path
from sandbox.errors import InvalidFeatures
from sandbox.features.outline import outline
from sandbox.features.running import on_postgres

pytestmark = pytest.mark.flow
As = Callable[[str], Gateway]


def make(folder: Path, *targets: str) -> subprocess.CompletedProcess[str]:
    sallyport = Path(sys.executable).parent / "sallyport"
    words = ["make", "-s", f"SALLYPORT={sallyport}", f"PYTHON={sys.executable}", *targets]
    environment = os.environ | {"SALLYPORT_USER": "dana", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, env=environment, timeout=250, check=False)


def test_a_project_is_made_trained_taken_over_and_promoted(as_user: As, clinic: Path, tmp_path: Path) -> None:
    sam = as_user("sam")
    built = snapshots.watch(sam, sam.post("/v1/snapshots", {"dataset": "clinic"}))
    assert built["state"] == "built", built
    first = tmp_path / "first"
    contract = str(contract_path("clinic"))
    made = CliRunner().invoke(command, ["stay_model", "--contract", contract, "--out", str(first)])
    assert made.exit_code == 0, made.output
    assert make(first, "model").returncode == 2, "without a snapshot nothing is trained"
    (first / "snapshot.digest").write_text(built["digest"] + "\n")
    trained = make(first, "model")
    assert trained.returncode == 0, trained.stderr
    assert "on record in model.digest: commit it" in trained.stdout
    assert json.loads((first / "result.json").read_text())["roc_auc"] > 0.5

    other = tmp_path / "newcomer"
    shutil.copytree(first, other, ignore=shutil.ignore_patterns("result.json", "snapshot"))
    with ThreadPoolExecutor() as beside:  # neither waits for the other: most of the time of both is the loading of libraries
        checking = beside.submit(make, first, "check")
        again = make(other, "model")
        checked = checking.result()
    assert again.returncode == 0, again.stderr
    assert "is the one on record" in again.stdout
    assert json.loads((other / "result.json").read_text())["model_digest"] == (first / "model.digest").read_text().strip()
    (other / "model.digest").write_text("sha256:" + "0" * 64)
    changed = subprocess.run([sys.executable, "same.py"], cwd=other, capture_output=True, text=True, check=False)
    assert changed.returncode == 1
    assert "NOT the one on record" in changed.stderr

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "equal" in checked.stderr
    promoted = make(first, "promote")
    assert promoted.returncode == 0, promoted.stderr[-2000:]
    promotion = json.loads(promoted.stdout.splitlines()[-1])
    assert promotion["state"] == "awaiting-approval"
    asked_by_entity(as_user, clinic, promotion["id"])
    aliased_in_mlflow()
    scored_in_batches(as_user, clinic)
    scored_without_live_rows(as_user, clinic)
    queued_through_a_kill(clinic)
    scored_by_schedule(as_user)


def asked_by_entity(as_user: As, clinic: Path, promotion: str) -> None:
    """The model answers about a live encounter by its id alone, as it does when given the encounter's features."""
    vera = as_user("vera")
    vera.post(f"/v1/promotions/{promotion}/approve", {"role": "model-validator", "meaning": "reviewed"})
    assert vera.post(f"/v1/promotions/{promotion}/deploy", {})["state"] == "deployed"
    ids = pl.read_csv(clinic / "encounters.csv", infer_schema=False)["encounter_id"][:2].to_list()
    asked = ["infer", "stay-model", "--entity", ids[0], "--entity", ids[1]]
    ended = CliRunner().invoke(models, [*asked, "--as", "scoring"])
    assert ended.exit_code == 0, ended.output
    scores = json.loads(ended.stdout)["outputs"][-1]["data"]

    scoring = as_user("scoring")
    with psycopg.connect(open_lease(scoring, {"model": "readmission/stay-model"})["dsn"]) as live:
        [compiled] = [one for one in scoring.get("/v1/features")["items"] if one["name"] == "stay_model"]
        rows = {row["row_id"]: row for row in on_postgres(compiled["live_sql"], live, compiled["columns"]).to_dicts()}
    server = model_server(scoring)
    loaded = server.get("/v2/models/stay-model")
    inputs = [
        {
            "name": one["name"],
            "shape": [2],
            "datatype": one["datatype"],
            "data": [given(rows[name][one["name"]], one) for name in ids],
        }
        for one in loaded["inputs"]
    ]
    assert server.post("/v2/models/stay-model/infer", {"inputs": inputs})["outputs"][-1]["data"] == scores

    with pytest.raises(Refusal) as denied:  # a person gains nothing by a promotion
        model_server(as_user("dana")).post("/v2/models/stay-model/infer", {"parameters": {"entity_id": ids[0]}})
    assert (denied.value.status, denied.value.problem_code) == (403, "denied")
    leases = [one for one in as_user("sam").get("/v1/leases")["items"] if one["subject"] == "scoring"]
    assert leases and all(set(one["columns"].values()) == {"clear"} for one in leases)
    scoring.delete(f"/v1/leases/{leases[-1]['id']}")  # the server opens another when its own was taken away
    scoring.delete(f"/v1/leases/{leases[0]['id']}")
    assert json.loads(CliRunner().invoke(models, [*asked, "--as", "scoring"]).stdout)["outputs"][-1]["data"] == scores


def aliased_in_mlflow() -> None:
    """MLflow's alias names the deployed model; moved past the gateway it is reported and put back, through it nobody can."""
    given = compose(Settings.load())
    registry = MlflowRegistry(given.tracking("readmission"))
    aliasing.follow(given)
    version = registry.alias("stay-model", "champion")
    assert version is not None
    again = registry.register("other-name", deployed_run(given), "sha256:other")
    assert registry.alias("other-name", "champion") is None and again == "1"
    given.tracking("readmission").send(
        "DELETE", "/api/2.0/mlflow/registered-models/alias", json={"name": "stay-model", "alias": "champion"}
    )
    with given.pool.connection() as connection:
        integrate(connection)
        before = connection.execute("SELECT count(*) FROM ledger.entries WHERE type = 'model:alias-changed'").fetchone()
    aliasing.follow(given)
    with given.pool.connection() as connection:
        integrate(connection)
        after = connection.execute("SELECT count(*) FROM ledger.entries WHERE type = 'model:alias-changed'").fetchone()
    assert before and after and after[0] == before[0] + 1
    assert registry.alias("stay-model", "champion") == version
    body = {"name": "stay-model", "alias": "champion", "version": "1"}
    with pytest.raises(Refusal) as refused:
        connect("dana").post("/mlflow/readmission/api/2.0/mlflow/registered-models/alias", body)
    assert refused.value.status == 404
    given.close()


def deployed_run(given: Services) -> str:
    with given.pool.connection() as connection:
        row = connection.execute("SELECT run_id FROM promotion.requests WHERE name = 'stay-model' LIMIT 1").fetchone()
    return str(row[0]) if row else ""


def scored_in_batches(as_user: As, clinic: Path) -> None:
    """Every live row is scored as it is alone; a run that is not sane publishes nothing; only the service gets scores."""
    ended = CliRunner().invoke(scoring_runs, ["run", "readmission/stay-model", "--as", "scoring"])
    assert ended.exit_code == 0, ended.output
    made = json.loads(ended.stdout)
    assert (made["state"], made["problems"]) == ("published", [])
    fetched = CliRunner().invoke(scoring_runs, ["fetch", made["id"], "--as", "scoring"])
    found = {one["entity_id"]: one["score"] for one in map(json.loads, fetched.stdout.splitlines())}
    rows = pl.read_csv(clinic / "encounters.csv", infer_schema=False)["encounter_id"].to_list()
    assert made["rows"] == len(found) and set(found) <= set(rows) and len(found) > len(rows) * 0.9
    some = sorted(found)[::97]
    words = [word for one in some for word in ("--entity", one)]
    alone = json.loads(CliRunner().invoke(models, ["infer", "stay-model", *words, "--as", "scoring"]).stdout)["outputs"][-1]
    width = len(alone["data"]) // len(some)
    # A model in single precision may give the last digit another way where more rows are asked about at once.
    assert [found[one] for one in some] == pytest.approx(alone["data"][width - 1 :: width], abs=1e-6)

    none = CliRunner().invoke(scoring_runs, ["run", "readmission/stay-model", "--since-days", "1", "--as", "scoring"])
    assert none.exit_code == 1 and json.loads(none.stdout)["problems"] == ["no_rows"]
    for who, run, code in (("scoring", json.loads(none.stdout)["id"], "scoring_not_found"), ("dana", made["id"], "denied")):
        with pytest.raises(Refusal) as refused:
            as_user(who).get(f"/v1/scorings/{run}/results")
        assert refused.value.problem_code == code
    with pytest.raises(Refusal) as refused:
        as_user("dana").post("/v1/scorings", {"model": "readmission/stay-model"})
    assert refused.value.problem_code == "denied"
    at = CliRunner().invoke(scoring_runs, ["schedule", "readmission/stay-model", "--at", "03:00", "--as", "scoring"])
    assert at.exit_code == 0, at.output


def scored_by_schedule(as_user: As) -> None:
    """The worker, which took the schedule up when it started, makes a run when its time has come."""
    from dbos import DBOSClient

    client = DBOSClient(system_database_url=compose(Settings.load()).jobs._url, dbos_system_schema=SCHEMA)
    before = {one["id"] for one in as_user("sam").get("/v1/scorings")["items"]}
    assert [one["schedule"] for one in client.list_schedules()] == ["0 3 * * *"]
    client.trigger_schedule("readmission/stay-model")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = [one for one in as_user("sam").get("/v1/scorings")["items"] if one["id"] not in before]
        if found and found[0]["state"] != "queued":
            break
        time.sleep(0.2)
    assert [one["state"] for one in found] == ["published"]
    client.destroy()
    assert as_user("sam").delete("/v1/scorings/schedules/readmission/stay-model")["at"] is None


def queued_through_a_kill(clinic: Path) -> None:
    """Requests that were taken are answered once, though the worker is killed before and while it answers."""
    home = Home.here()
    ids = pl.read_csv(clinic / "encounters.csv", infer_schema=False)["encounter_id"][:12].to_list()

    def queue(entity: str) -> str:
        ended = CliRunner().invoke(models, ["infer", "stay-model", "--entity", entity, "--queue", "--as", "scoring"])
        assert ended.exit_code == 0, ended.output
        return str(json.loads(ended.stdout)["id"])

    names = [queue(one) for one in ids[:4]]
    processes.stop(home, "worker", 9)
    names += [queue(one) for one in [*ids[4:], "nobody"]]
    processes.start(home, stack.worker(home))
    scoring = killed_while_it_scores(home)  # what it had begun is begun again by the next
    processes.start(home, stack.worker(home))
    assert published(scoring) > len(ids)
    answers = [CliRunner().invoke(models, ["answer", one, "--as", "scoring"]) for one in names]
    assert [one.exit_code for one in answers] == [0] * 12 + [1]
    assert json.loads(answers[-1].stdout)["code"] == "entity_not_found"
    every = [word for one in ids for word in ("--entity", one)]
    direct = CliRunner().invoke(models, ["infer", "stay-model", *every, "--as", "scoring"])
    scores = json.loads(direct.stdout)["outputs"][-1]["data"]
    width = len(scores) // 12
    told = [s for one in answers[:12] for s in json.loads(one.stdout)["response"]["outputs"][-1]["data"]]
    assert told == pytest.approx(scores, abs=1e-6)
    again = CliRunner().invoke(models, ["answer", names[0], "--again", "--as", "scoring"])
    assert json.loads(again.stdout)["replay_of"] == names[0]
    assert json.loads(again.stdout)["response"]["outputs"][-1]["data"] == pytest.approx(scores[:width], abs=1e-6)
    with psycopg.connect(postgres.superuser(home, "control")) as control:
        kept = control.execute(
            "SELECT count(*) FROM promotion.predictions WHERE id = ANY(%s)", ([prediction_id(one) for one in names],)
        ).fetchone()
        sealed = control.execute("SELECT string_agg(sealed::text || asker::text, '') FROM promotion.queued").fetchone()
    assert kept == (12,) and sealed and not [one for one in ids if one in sealed[0]]


def killed_while_it_scores(home: Home) -> str:
    """A batch run of which the worker had written scores when it was killed: nobody is given any of them."""
    scoring = connect("scoring")
    run = str(scoring.post("/v1/scorings", {"model": "readmission/stay-model"})["id"])
    with psycopg.connect(postgres.superuser(home, "live"), autocommit=True) as live:
        live.execute(
            "CREATE FUNCTION scores.slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'"
        )
        live.execute("CREATE TRIGGER slow BEFORE INSERT ON scores.results FOR EACH ROW EXECUTE FUNCTION scores.slow()")
        wait_until(lambda: live.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").fetchone() == (1,))
        processes.stop(home, "worker", 9)
        live.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        live.execute("DROP FUNCTION scores.slow() CASCADE")
        assert live.execute("SELECT count(*) FROM scores.results WHERE scoring = %s", (run,)).fetchone() == (0,)
    with pytest.raises(Refusal) as refused:
        scoring.get(f"/v1/scorings/{run}/results")
    assert refused.value.problem_code == "scoring_not_found"
    return run


def published(run: str) -> int:
    """How many rows the run published, each once."""
    scoring = connect("scoring")
    wait_until(lambda: scoring.get(f"/v1/scorings/{run}")["state"] != "queued")
    ended = scoring.get(f"/v1/scorings/{run}")
    assert ended["state"] == "published", ended
    fetched = CliRunner().invoke(scoring_runs, ["fetch", run, "--as", "scoring"])
    entities = [json.loads(line)["entity_id"] for line in fetched.stdout.splitlines()]
    assert len(set(entities)) == len(entities) == ended["rows"]
    return len(entities)


def wait_until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def scored_without_live_rows(as_user: As, clinic: Path) -> None:
    """While the live database is gone nothing is answered by id, logged or published; what waited is done once it is back."""
    entity = pl.read_csv(clinic / "encounters.csv", infer_schema=False)["encounter_id"][0]
    server, home, body = model_server(as_user("scoring")), Home.here(), {"parameters": {"entity_id": entity}}
    count = "SELECT count(*) FROM promotion.predictions"
    with psycopg.connect(postgres.superuser(home, "control"), autocommit=True) as control:
        before = control.execute(count).fetchone()
        control.execute("ALTER DATABASE live ALLOW_CONNECTIONS false")
        try:
            control.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'live'")
            with pytest.raises(Refusal) as refused:
                server.post("/v2/models/stay-model/infer", body)
            assert (refused.value.status, refused.value.problem_code) == (503, "live_unavailable")
            queued = server.post("/v2/models/stay-model/infer/queue", body)["id"]
            run = str(as_user("scoring").post("/v1/scorings", {"model": "readmission/stay-model"})["id"])
            assert server.get(f"/v2/queued/{queued}")["state"] == "queued"
            assert control.execute(count).fetchone() == before
        finally:
            control.execute("ALTER DATABASE live ALLOW_CONNECTIONS true")
    assert published(run) > 1
    wait_until(lambda: server.get(f"/v2/queued/{queued}")["state"] == "answered")
    wait_until(lambda: answered(server, body))  # a connection that broke meanwhile may be found out by the first who asks


def answered(server: Gateway, body: dict[str, object]) -> bool:
    try:
        return bool(server.post("/v2/models/stay-model/infer", body)["outputs"])
    except Refusal as refused:
        assert (refused.status, refused.problem_code) == (503, "live_unavailable")
        return False


def given(value: object, column: dict[str, object]) -> object:
    """The value as the protocol wants it."""
    return ("" if value is None else str(value)) if column["datatype"] == "BYTES" else value


def test_where_the_contract_leaves_it_open_the_command_says_so(tmp_path: Path) -> None:
    contract = load_contract(contract_path("synthea"))
    with pytest.raises(InvalidFeatures, match="learnt"):
        outline(contract)
    asked = CliRunner().invoke(command, ["x", "--contract", str(contract_path("synthea")), "--out", str(tmp_path / "x")])
    assert asked.exit_code == 1
    assert "--label" in asked.stderr
    assert not (tmp_path / "x").exists()


def test_a_proposal_holds_what_a_snapshot_shows_and_never_the_label() -> None:
    found = outline(load_contract(contract_path("bank")))
    assert (found["table"], found["label"], found["as_of"]) == ("transactions", "fraud", "booked")
    assert "fraud" not in (*found["columns"], *found["numbers"], *found["words"])
    assert not {"name", "iban", "email"} & {*found["columns"], *found["person_columns"]}


def test_copier_is_a_program_of_its_own() -> None:
    """A part of it stands under the GPL, so no module of ours may import it."""
    root = Path(__file__).parents[2]
    for package in ("gateway", "sandbox", "promotion", "compliance", "policies"):
        for file in (root / package).rglob("*.py"):
            text = file.read_text("utf-8")
            assert "import copier" not in text and "from copier" not in text, file
