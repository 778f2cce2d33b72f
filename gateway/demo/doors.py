"""The nine steps of the demo, one function each: what the people do, and what must come of it."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg

from gateway.commands import access, dataset, promote
from gateway.commands import snapshot as snapshots
from gateway.commands.table_files import table_files
from gateway.demo.domains import Domain
from gateway.demo.story import Stage, Step, StoryBroke
from gateway.embedded import openbao, stack
from gateway.sandbox_run import run_script
from gateway.settings import Settings
from sandbox.jail import Limits

TRAIN = Path(__file__).with_name("train.py")
UNROUTABLE = "198.51.100.1:443"  # RFC 5737: an address of nobody
SECONDS_TO_TRAIN = 300


def up(stage: Stage) -> Step:
    """1: every part of the stack runs; the root token is dead; the policies are recorded."""
    seconds: dict[str, float] = {}
    stack.up(stage.home, lambda name, took: seconds.update({name: round(took, 2)}))
    policy = stage.as_("olga").get("/v1/policy")
    if stage.home.secret(openbao.ROOT_TOKEN).exists():
        raise StoryBroke("The root token of OpenBao was not revoked.")
    facts = {
        "parts": stack.status(stage.home), "part_seconds": seconds, "root_token_revoked": True,
        "databases": ["live", "sandbox", "control"], "policy_digest": policy["digest"], "policy_engine": policy["engine"],
        "users": {name: stage.as_(name).get("/v1/whoami")["roles"] for name in ("dana", "sam", "stella", "vera", "carl", "olga")},
    }  # fmt: skip
    return Step(
        "olga (operator)",
        "done",
        f"{len(facts['parts'])} parts run, root token revoked, policies {_short(policy['digest'])}",
        facts,
    )


def live(stage: Stage) -> Step:
    """2: the contract is registered and the live rows are loaded under it."""
    sam, domain, folder = stage.as_("sam"), stage.domain, stage.data
    if folder is None:
        assert domain.generate is not None
        folder = stage.work / "data"
        domain.generate(folder)
    body = {"project": domain.project, "contract": domain.contract.read_text("utf-8")}
    registered = sam.post("/v1/datasets", body)
    with table_files(str(folder)) as paths:
        loaded = dataset.send_rows(sam, registered["id"], paths)
    counts = ", ".join(f"{count:,} {table}" for table, count in loaded["rows"].items())
    facts = {"dataset": registered["id"], "contract_digest": registered["contract_digest"], "rows": loaded["rows"]}
    return Step("sam (data steward)", "allowed", f"{counts} loaded under contract {_short(registered['contract_digest'])}", facts)


def snapshot(stage: Stage) -> Step:
    """3: a de-identified snapshot stands, k measured and enforced, its manifest signed."""
    sam = stage.as_("sam")
    built = snapshots.watch(sam, sam.post("/v1/snapshots", {"dataset": stage.domain.name}))
    if built["state"] != "built":
        raise StoryBroke(f"The snapshot was {built['state']} ({built['code']}): {built['detail']}")
    stage.known["snapshot"] = built["digest"]
    manifest = snapshots.predicate(built)
    risk = manifest["risk"]
    facts = {
        "id": built["id"], "digest": built["digest"], "k": risk["k"], "l": risk["l"], "required_k": manifest["limits"]["k"],
        "tables": risk["tables"], "suppressed_rows": risk["suppressed_rows"], "rows": manifest["source"]["rows"],
        "signed_by": [signature["keyid"] for signature in built["envelope"]["signatures"]],
    }  # fmt: skip
    gone = ", ".join(f"{count:,} {table}" for table, count in risk["suppressed_rows"].items() if count) or "none"
    what = (
        f"k = {risk['k']} (at least {facts['required_k']}), l = {risk['l']}; suppressed: {gone}; {_short(built['digest'])} signed"
    )
    return Step("sam (data steward)", "allowed", what, facts)


def train(stage: Stage) -> Step:
    """4: a model is trained in the jail, which reaches neither network nor live data."""
    dana, work = stage.as_("dana"), stage.work / "train"
    work.mkdir()
    ports = stage.home.stack()["ports"]
    probes = [
        str(stage.home.sockets / ".s.PGSQL.5432"), str(stage.home.root / "secrets"), f"127.0.0.1:{ports['openbao']}",
        f"127.0.0.1:{ports['gateway']}", UNROUTABLE,
    ]  # fmt: skip
    outcome = run_script(
        dana, [TRAIN, stage.domain.model_contract], ["/sallyport/script/model.yaml", *probes],
        snapshot=stage.known["snapshot"], work=work, limits=Limits(), timeout=SECONDS_TO_TRAIN,
    )  # fmt: skip
    if outcome.exit_code or not (work / "result.json").is_file():
        raise StoryBroke(f"The training script ended with status {outcome.exit_code}: {outcome.stderr[-600:]}")
    result = json.loads((work / "result.json").read_text("utf-8"))
    reached = [probe for probe, answer in result["isolation"].items() if not answer.startswith("denied")]
    if reached:
        raise StoryBroke(f"The isolated process reached {', '.join(reached)}.")
    stage.known["run"] = result["run_id"]
    facts = result | {"snapshot": stage.known["snapshot"]}
    tried = f"{len(probes)} tries at network and live data, all denied"
    what = f"ROC AUC {result['roc_auc']:.3f} on {result['rows']:,} rows, tracked in MLflow; {tried}"
    return Step("dana (data scientist)", "allowed", what, facts)


def live_denied(stage: Stage) -> Step:
    """5: without a grant, live data is denied, with the reasons."""
    domain = stage.domain
    question = {"dataset": domain.name, "columns": list(domain.columns), "purpose": domain.purpose}
    refusal = stage.expect_refusal(lambda: stage.as_("dana").post("/v1/leases", question), "Live access without a grant")
    facts = {
        "status": refusal.status,
        "reasons": list(refusal.reasons),
        "decision_id": refusal.problem.get("decision_id"),
        "sentence": str(refusal),
    }
    return Step("dana (data scientist)", "denied", f"{', '.join(refusal.reasons)}: {refusal}", facts)


def live_access(stage: Stage) -> Step:
    """6: asked for, approved by others, leased for minutes, masked and filtered, and dead when revoked."""
    dana, domain = stage.as_("dana"), stage.domain
    body = {"dataset": domain.name, "columns": list(domain.columns), "purpose": domain.purpose, "hours": 1, "why": domain.why}
    asked = dana.post("/v1/access-requests", body)
    own = stage.expect_refusal(lambda: dana.post(f"/v1/access-requests/{asked['id']}/approve"), "Dana's own approval")
    for steward in ("sam", "stella"):
        granted = stage.as_(steward).post(f"/v1/access-requests/{asked['id']}/approve")
    if granted["state"] != "granted":
        raise StoryBroke(f"The request is {granted['state']} after both stewards approved it.")
    lease = access.open_lease(dana, {"request": asked["id"]})
    seen = _use_lease(stage, lease)
    facts = {
        "request": asked["id"], "self_approval": list(own.reasons), "approved_by": ["sam", "stella"], "lease": lease["id"],
        "decision_id": lease["decision_id"], "username": lease["username"], "expires": lease["expires"],
        "obligations": lease["obligations"], **seen,
    }  # fmt: skip
    what = f"lease {lease['id'][:8]}: {seen['rows_seen']:,} of {seen['rows_live']:,} rows, masked; revoked, open connection dead"
    return Step("dana, sam, stella", "allowed", what, facts)


def _use_lease(stage: Stage, lease: dict[str, Any]) -> dict[str, Any]:
    """What the lease's credential sees, what it is refused, and that it is dead once revoked."""
    dana, domain = stage.as_("dana"), stage.domain
    table = domain.columns[0].partition(".")[0]
    with psycopg.connect(lease["dsn"], autocommit=True) as connection:
        rows = connection.execute(domain.query).fetchall()
        count = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
        refused = _refused(connection, (f"TABLE {domain.name}.{table}", "TABLE masking.keys", f"TRUNCATE {table}"))
        dana.delete(f"/v1/leases/{lease['id']}")
        dead = _is_dead(connection)
    if not dead or not _is_dead_login(lease["dsn"]):
        raise StoryBroke("The lease was revoked but its connection or login still works.")
    total = stage.as_("sam").get(f"/v1/datasets/{domain.name}")["rows"][table]
    sample = [[str(value)[:12] if value is not None else None for value in row] for row in rows]
    return {
        "masked_sample": sample, "rows_seen": count[0] if count else 0, "rows_live": total, "refused_statements": refused,
        "connection_dead": True, "login_dead": True,
    }  # fmt: skip


def _refused(connection: psycopg.Connection[Any], statements: Sequence[str]) -> dict[str, str]:
    found = {}
    for statement in statements:
        try:
            connection.execute(statement)
        except psycopg.Error as error:
            found[statement] = type(error).__name__
        else:
            raise StoryBroke(f"A lease could run: {statement}")
    return found


def _is_dead(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def _is_dead_login(dsn: str) -> bool:
    try:
        psycopg.connect(dsn).close()
    except psycopg.OperationalError:
        return True
    return False


class _Marker:
    """What is pickled: loading it would make a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def promotion_refused(stage: Stage) -> Step:
    """7: a pickle with code in it is refused, and the code did not run."""
    folder, marker = stage.work / "pickled", stage.work / "the-code-ran"
    folder.mkdir()
    (folder / "model.pkl").write_bytes(pickle.dumps(_Marker(str(marker))))
    dana = stage.as_("dana")
    submitted = promote.send(dana, str(folder), stage.domain.model_contract.read_text("utf-8"), stage.domain.project)
    ended = promote.watch(dana, submitted["id"])
    if ended["state"] != "refused" or marker.exists():
        raise StoryBroke("A pickle was not refused, or its code ran.")
    findings = [finding["detail"] for finding in ended["findings"]]
    facts = {"promotion": ended["id"], "state": ended["state"], "findings": findings, "code_ran": marker.exists()}
    return Step("dana (data scientist)", "refused", f"{findings[0]} Its code did not run.", facts)


def promotion(stage: Stage) -> Step:
    """8: the good model passes its checks, is approved by others, deployed under a signature, and answers."""
    dana, domain = stage.as_("dana"), stage.domain
    contract = domain.model_contract.read_text("utf-8")
    ended = promote.watch(dana, promote.send(dana, f"runs:/{stage.known['run']}/model", contract, domain.project)["id"])
    if ended["state"] != "awaiting-approval":
        failed = "; ".join(f"{check['name']}: {check['summary']}" for check in promote.failed(ended))
        raise StoryBroke(f"The good model was {ended['state']}: {failed}")
    path = f"/v1/promotions/{ended['id']}"
    own = stage.expect_refusal(
        lambda: dana.post(f"{path}/approve", {"role": "data-scientist", "meaning": "I made it"}), "Dana's own approval"
    )
    for person, role, meaning in (
        ("vera", "model-validator", "I validated the model and its evidence"),
        ("sam", "data-steward", "I agree to this use of the data"),
    ):
        approved = stage.as_(person).post(f"{path}/approve", {"role": role, "meaning": meaning})
    deployed = stage.as_("vera").post(f"{path}/deploy", {})
    answer = infer(stage.home, domain)
    facts = {
        "promotion": ended["id"], "version": deployed["version"], "digest": deployed["digest"],
        "checks": {check["name"]: {name: check[name] for name in ("outcome", "summary", "seconds")} for check in ended["checks"]},
        "self_approval": list(own.reasons), "approved_by": [approval["by"] for approval in approved["approvals"]],
        "state": deployed["state"], "inference": answer,
    }  # fmt: skip
    checks, answers = ", ".join(facts["checks"]), f"v{deployed['version']} deployed and answers {answer['score']:.3f}"
    what = f"{checks} passed; own approval refused; vera and sam approved; {answers}"
    return Step("dana, vera, sam", "deployed", what, facts)


def infer(home: Any, domain: Domain) -> dict[str, Any]:
    """The deployed model's answer to one row, asked for by the scoring service."""
    from gateway.embedded.users import login

    contract = _yaml(domain.model_contract)
    types = {"string": "BYTES"}
    inputs = [
        {"name": c["name"], "shape": [1], "datatype": types.get(c["type"], "FP32"), "data": [domain.example[c["name"]]]}
        for c in contract["inputs"]
    ]  # fmt: skip
    url = f"{Settings.load().model_server_url}/v2/models/{contract['name']}/infer"
    token = login(home.root, "scoring")
    answer = httpx.post(url, json={"inputs": inputs}, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False)
    if answer.status_code != 200:
        raise StoryBroke(f"The model server answered {answer.status_code}.")
    body = answer.json()
    return {
        "model": body["model_name"],
        "version": body["model_version"],
        "score": float(body["outputs"][-1]["data"][-1]),
        "digest": body["parameters"]["digest"],
    }


def audit(stage: Stage) -> Step:
    """9: the evidence is exported and verified offline; a byte changed in a copy is found and its entry named."""
    from compliance.verify import verify_bundle
    from gateway.commands.audit import export_to

    bundle = stage.out
    shutil.rmtree(bundle, ignore_errors=True)
    since = datetime.now(UTC) - timedelta(days=30)
    exported = export_to(stage.as_("carl"), since=since, until=datetime.now(UTC), profile="hipaa", out=bundle)
    good = verify_bundle(bundle)
    copy = stage.work / "changed"
    shutil.copytree(bundle, copy)
    _change_a_byte(copy / "entries.jsonl")
    bad = verify_bundle(copy)
    if not good.ok or bad.ok:
        raise StoryBroke("Verification took a changed bundle, or refused a good one.")
    named = next(problem.sentence for problem in bad.problems if "entry" in problem.sentence)
    facts = {
        "bundle": str(bundle), "entries": exported["entries"], "verified": good.ok, "tampered_verified": bad.ok,
        "tampered_problems": [problem.sentence for problem in bad.problems][:5],
    }  # fmt: skip
    return Step(
        "carl (compliance)", "allowed", f"{exported['entries']:,} entries in {bundle}, verified; one byte changed: {named}", facts
    )


def _change_a_byte(path: Path) -> None:
    """A letter of the outcome in the middle entry is another."""
    lines = path.read_bytes().splitlines(keepends=True)
    middle = len(lines) // 2
    lines[middle] = lines[middle].replace(b'"outcome":"', b'"outcome":"x', 1)
    path.write_bytes(b"".join(lines))


def _yaml(path: Path) -> Any:
    import yaml

    return yaml.safe_load(path.read_text("utf-8"))


def _short(digest: str) -> str:
    return digest[:19]
