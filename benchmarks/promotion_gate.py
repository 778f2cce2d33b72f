"""The whole gate for a high-tier model on 30,000 rows, beside the sum of its bare checks; and kill -9 of the worker at random.

usage: python benchmarks/promotion_gate.py [PATIENTS [KILLS]]

An embedded stack of its own: clinic, snapshot, a model trained in the jail. The gate's time is from submission to waiting for
approval. Bare checks are the same functions called one after another in this process, on the same model and live tables, with
nothing kept of earlier runs. Then models are submitted and the worker is killed at a random moment of each check and started
again, until it was killed KILLS times; every promotion must end as the first did, with each check once in the table and once in
the ledger. Prints one JSON document.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.own_stack import own_stack

PATIENTS, KILLS, SEED = 12_500, 50, 7
AT_WORK = ("submitted", "checking")
LONGEST_SECONDS = 900


def main() -> None:
    patients = int(sys.argv[1]) if sys.argv[1:] else PATIENTS
    kills = int(sys.argv[2]) if sys.argv[2:] else KILLS
    with own_stack() as home:
        contract, run, rows = trained(home.root.parent, patients)
        found = {"benchmark": "promotion_gate", "cpus": len(os.sched_getaffinity(0)), "rows": rows}
        found |= gate(contract, run)
        found["kills"] = killed(home, contract, run, kills, found["checks_seconds"])
    print(json.dumps(found, indent=1))


def trained(folder: Path, patients: int) -> tuple[str, str, int]:
    """The model contract (high tier), the tracked run and the rows it was trained on, in the running stack."""
    from gateway.commands.caller import connect
    from gateway.commands.dataset import send_rows
    from gateway.commands.snapshot import watch
    from gateway.commands.table_files import table_files
    from gateway.demo import doors
    from gateway.demo.domains import DOMAINS
    from gateway.sandbox_run import run_script
    from sandbox.domains.clinic.generate import write
    from sandbox.jail import Limits

    domain, data, work = DOMAINS["clinic"], folder / "data", folder / "work"
    data.mkdir()
    work.mkdir()
    write(data, patients=patients, notes=100, seed=SEED)
    sam, dana = connect("sam"), connect("dana")
    sam.post("/v1/datasets", {"project": domain.project, "contract": domain.contract.read_text("utf-8")})
    with table_files(str(data)) as paths:
        send_rows(sam, domain.name, paths)
    built = watch(sam, sam.post("/v1/snapshots", {"dataset": domain.name}))
    files = [doors.TRAIN, domain.model_contract]
    ended = run_script(
        dana, files, ["/sallyport/script/model.yaml"], snapshot=built["digest"], work=work, limits=Limits(), timeout=300
    )
    if ended.exit_code:
        raise SystemExit(ended.stderr[-2000:])
    said = json.loads((work / "result.json").read_text("utf-8"))
    return domain.model_contract.read_text("utf-8").replace("tier: medium", "tier: high"), said["run_id"], said["rows"]


def submitted(contract: str, run: str) -> str:
    """The id of a new promotion of the run's model."""
    from gateway.commands.caller import connect
    from gateway.commands.promote import send

    return str(send(connect("dana"), f"runs:/{run}/model", contract, "readmission")["id"])


def ended(promotion: str) -> dict[str, Any]:
    """The promotion once its checks have ended."""
    from gateway.commands.caller import connect

    dana, until = connect("dana"), time.monotonic() + LONGEST_SECONDS
    while True:
        found: dict[str, Any] = dana.get(f"/v1/promotions/{promotion}")
        if found["state"] not in AT_WORK:
            return found
        if time.monotonic() > until:
            raise SystemExit(f"promotion {promotion} did not end")
        time.sleep(0.05)


def gate(contract: str, run: str) -> dict[str, Any]:
    """Seconds of the whole gate in a warm worker, of each check in it, and of the bare checks."""
    from gateway.checking import _context, warm_up
    from gateway.composition import compose
    from gateway.settings import Settings
    from promotion import requests
    from promotion.checks import CHECKS

    submitted_first = ended(submitted(contract, run))  # the worker's libraries are loaded
    given = compose(Settings.load())
    shutil.rmtree(given.home.folder("shadows"))
    given.home.folder("shadows").mkdir()
    started = time.monotonic()
    found = ended(submitted(contract, run))
    whole = time.monotonic() - started
    warm_up()
    with given.pool.connection() as connection:
        promotion = requests.get(connection, found["id"])
    bare: dict[str, float] = {}
    for name, check in CHECKS.items():
        with tempfile.TemporaryDirectory() as work, tempfile.TemporaryDirectory() as shadows:
            started = time.monotonic()
            check(replace(_context(given, promotion, name, Path(work)), shadows=Path(shadows)))
            bare[name] = round(time.monotonic() - started, 2)
    given.close()
    return {
        "first_state": submitted_first["state"], "state": found["state"], "gate_seconds": round(whole, 2),
        "checks_seconds": {check["name"]: round(check["seconds"], 2) for check in found["checks"]},
        "bare_seconds": bare, "bare_sum": round(sum(bare.values()), 2), "times_bare": round(whole / sum(bare.values()), 3),
    }  # fmt: skip


def killed(home: Any, contract: str, run: str, kills: int, seconds: dict[str, float]) -> dict[str, Any]:
    """What became of the promotions while the worker was killed so often, at a random moment of one check after another."""
    from gateway.embedded import processes, stack

    random.seed(SEED)
    promotions, during = [], Counter[str]()
    while sum(during.values()) < kills:
        promotions.append(submitted(contract, run))
        for place, (name, usual) in enumerate(seconds.items()):
            while (said := state(promotions[-1]))["state"] in AT_WORK and len(said["checks"]) < place:
                time.sleep(0.05)
            time.sleep(random.uniform(0, usual))
            worker = processes.running(home, "worker")
            if worker is None or said["state"] not in AT_WORK or sum(during.values()) >= kills:
                break
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait(10)
            during[name] += 1
            stack.up(home, lambda name, seconds: None)
    found = [ended(one) for one in promotions]
    return {
        "times": sum(during.values()), "promotions": len(promotions),
        "states": dict(Counter(one["state"] for one in found)), "meant_for": dict(during), **counted(promotions),
    }  # fmt: skip


def state(promotion: str) -> dict[str, Any]:
    from gateway.commands.caller import connect

    found: dict[str, Any] = connect("dana").get(f"/v1/promotions/{promotion}")
    return found


def counted(promotions: list[str]) -> dict[str, int]:
    """How many checks are missing or stand twice, in the table and in the ledger, and the same of the promotions' ends."""
    from compliance.ledger import integrate
    from gateway.composition import compose
    from gateway.settings import Settings
    from promotion.checks import CHECKS

    given = compose(Settings.load())
    wrong = Counter[str]()
    with given.pool.connection() as connection:
        for one in promotions:
            table = Counter(
                name for (name,) in connection.execute("SELECT name FROM promotion.checks WHERE request = %s", (one,))
            )
            integrate(connection)
            rows = connection.execute("SELECT type, canonical FROM ledger.entries WHERE object_type = 'model'").fetchall()
            named = [(kind, json.loads(bytes(canonical))["refs"]) for kind, canonical in rows]
            entries = Counter((kind, refs.get("check")) for kind, refs in named if refs.get("promotion") == one)
            for name in CHECKS:
                for where, number in (("table", table[name]), ("ledger", entries["check:completed", name])):
                    wrong[f"lost in the {where}"] += number == 0
                    wrong[f"doubled in the {where}"] += number > 1
            wrong["not one end"] += entries["promotion:checks-passed", None] + entries["promotion:waiver-needed", None] != 1
    given.close()
    return dict(wrong)


if __name__ == "__main__":
    main()
