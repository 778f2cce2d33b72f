"""A promotion's checks, as the worker runs them: each signed, stored with its ledger entry, and safe to run again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compliance.attestations import Statement, Subject, sign_statement
from gateway.catalog import datasets, snapshots
from gateway.composition import Services
from gateway.errors import GatewayError
from gateway.live_rows import CHECKER, LiveRows
from promotion import requests, reuse
from promotion.checks import CHECKS, CheckContext, CheckResult, Finding, in_order
from promotion.checks.data_quality import great_expectations
from promotion.errors import PromotionError
from promotion.model_contracts import load_model_contract
from promotion.requests import Promotion
from promotion.states import State
from promotion.tracking import TrackedRun
from sandbox.errors import SandboxError
from sandbox.jail import run_isolated
from sandbox.manifests import verify_snapshot
from sandbox.text import Scrubber

FIRST = "artifact"
PREDICATE_TYPE = "urn:sallyport:check:v1"


def names(given: Services, tier: str) -> tuple[str, ...]:
    """The checks that policy requires for the tier, in the order they run."""
    return in_order(given.policy.engine.bundle.data["tiers"].get(tier, {}).get("checks", CHECKS))


def waivable(given: Services) -> frozenset[str]:
    """The checks that policy lets people waive."""
    return frozenset(given.policy.engine.bundle.data.get("promotion", {}).get("waivable_checks", ()))


def attest_days(given: Services) -> dict[str, int]:
    """By tier, after how many days policy wants the signatures under a model in production given anew."""
    return dict(given.policy.engine.bundle.data.get("promotion", {}).get("attest_again_days", {}))


def begin(given: Services, promotion: str) -> list[str]:
    """The promotion is being checked; the checks it gets."""
    with given.pool.connection() as connection:
        found = requests.get(connection, promotion)
        if found.state in (State.SUBMITTED, State.CHECKING):
            requests.move(connection, promotion, State.CHECKING, actor=CHECKER, now=given.clock())
    return list(names(given, found.tier))


def check(given: Services, promotion: str, name: str) -> str:
    """The check's signed result stands with the promotion; its outcome. A check that breaks has failed.

    One that stands already, because a worker was killed between storing it and saying so, is not made again.
    """
    with given.pool.connection() as connection:
        found = requests.get(connection, promotion)
        standing = {one["name"]: one["outcome"] for one in requests.checks(connection, promotion)}
    if name in standing:
        return str(standing[name])
    started = time.monotonic()
    work = given.home.folder("run") / "work" / f"{promotion}-{name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    said: dict[str, Any] = {}
    try:
        result, said = _made(given, found, name, work)
    except Exception as error:
        # The check looks at hostile bytes: whatever it raises, the model has not passed, and no message is repeated.
        code = getattr(error, "code", type(error).__name__)
        finding = Finding(f"{name}-1", "high", f"The check could not be completed ({code}).")
        result = CheckResult(name, "failed", found.digest, finding.detail, (finding,))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    statement = Statement((Subject("model", found.digest),), PREDICATE_TYPE, result.as_json() | {"promotion": promotion} | said)
    envelope = sign_statement(statement, given.signer)
    with given.pool.connection() as connection:
        requests.store_check(
            connection, found, result, envelope=envelope, seconds=time.monotonic() - started, actor=CHECKER, now=given.clock(),
            days=given.policy.engine.bundle.data.get("promotion", {}).get("finding_days"), refs=_reused(said),
        )  # fmt: skip
    return result.outcome


def finish(given: Services, promotion: str) -> str:
    """The promotion awaits approval when no check failed but such as people may waive, and is refused otherwise."""
    with given.pool.connection() as connection:
        found = requests.get(connection, promotion, lock=True)
        if found.state is not State.CHECKING:
            return str(found.state)
        checks = requests.checks(connection, promotion)
        wanted = set(names(given, found.tier))
        failed = {one["name"] for one in checks if one["outcome"] != "passed"}
        good = wanted <= {one["name"] for one in checks} and failed <= waivable(given)
        to = State.AWAITING_APPROVAL if good else State.REFUSED
        event = "promotion:waiver-needed" if good and failed else None
        detail = {"failed": ", ".join(sorted(failed))} if failed else {}
        moved = requests.move(connection, promotion, to, actor=CHECKER, now=given.clock(), detail=detail, event=event)
        return str(moved.state)


def warm_up() -> None:
    """The slow libraries are loaded before the first promotion waits for them."""
    import onnx  # noqa: F401
    import pandas  # noqa: F401

    great_expectations()


def _made(given: Services, found: Promotion, name: str, work: Path) -> tuple[CheckResult, dict[str, Any]]:
    """The check's result, made now or taken over from earlier evidence over the same inputs; and what is signed beside it."""
    context, now = _context(given, found, name, work), given.clock()
    inputs = reuse.inputs(context, name, also={"text_engine": given.settings.text_engine})
    with given.pool.connection() as connection:
        earlier = reuse.find(connection, found, name, inputs, public_keys=given.public_keys(), now=now)
    if earlier is None:
        return CHECKS[name](context), {"inputs": inputs, "made_at": int(now.timestamp())}
    return earlier.result, {"inputs": inputs, "made_at": earlier.made_at, "reused": earlier.as_json()}


def _reused(said: Mapping[str, Any]) -> dict[str, str]:
    return {"reused_from": said["reused"]["promotion"]} if "reused" in said else {}


def _context(given: Services, found: Promotion, check: str, work: Path) -> CheckContext:
    contract = load_model_contract(found.contract)
    run = _run(given, found)
    inputs = run.inputs if run else ()
    with given.pool.connection() as connection:
        dataset = datasets.get(connection, contract.dataset)
        known = {snapshot.digest for snapshot in snapshots.built(connection, found.project)}
    verified = {}
    for digest in inputs:
        if digest in known:
            folder = given.snapshot_folder(digest)
            try:
                verified[digest] = (folder, verify_snapshot(folder, given.public_keys()))
            except SandboxError:
                continue  # a changed snapshot is no snapshot: lineage says so
    holdouts = {digest: given.holdout_folder(digest) for digest in verified if given.holdout_folder(digest).is_dir()}
    manifests = {digest: statement.predicate for digest, (_, statement) in verified.items()}
    live = LiveRows(given, found, dataset, check, manifests) if dataset.project == found.project and dataset.loaded_at else None
    scrubber = Scrubber(processes=1)
    return CheckContext(
        folder=given.store.folder(found.digest), digest=found.digest, contract=contract, project=found.project, run=run,
        snapshots=verified, holdouts=holdouts, live=live,
        quality={table.name: table.quality for table in dataset.contract.tables}, run_isolated=run_isolated,
        find_personal_data=scrubber.labels, limits=given.policy.engine.bundle.data["limits"].get("membership", {}),
        shadows=given.home.folder("shadows"), work=work,
    )  # fmt: skip


def _run(given: Services, found: Promotion) -> TrackedRun | None:
    if not found.run_id:
        return None
    try:
        return given.tracking(found.project).run(found.run_id)
    except (PromotionError, GatewayError):
        return None
