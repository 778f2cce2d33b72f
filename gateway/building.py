"""A snapshot's build, as the worker does it: live rows are read as a service under a Vault lease that ends with the build."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from compliance.attestations import sign_statement
from compliance.canonical import canonical_json, digest
from compliance.entries import Actor
from gateway.catalog import datasets, erasures, snapshots
from gateway.catalog.projects import wrapped_key
from gateway.composition import Services
from gateway.embedded.home import write_private_bytes
from gateway.erasing import remove_files, set_aside
from gateway.errors import GatewayError
from gateway.progress import reporter
from sandbox.bounds import Bounds
from sandbox.enforcement import Limits
from sandbox.errors import BuildFailed, InvalidSnapshot, SandboxError
from sandbox.manifests import MANIFEST, verify_snapshot
from sandbox.remembered import Remembered
from sandbox.snapshots import Built, Recipe, build_snapshot
from sandbox.sources import PostgresSource
from sandbox.spark import Spark, SparkScrubber
from sandbox.structured import Spread, whole
from sandbox.text import Scrubber


class ErasedMeanwhile(GatewayError):
    """The rows that were read held a person who has been erased since."""

    code = "erased_meanwhile"


class LoadedMeanwhile(GatewayError):
    """The rows were replaced while they were read."""

    code = "loaded_meanwhile"


BUILDER = Actor("snapshot-builder", "service")


def build(given: Services, name: str) -> str:
    """The snapshot is built, refused or failed; returns its state. Safe to run again after a crash."""
    with given.pool.connection() as connection:
        wanted = snapshots.get(connection, name)
        if wanted.state not in ("queued", "building"):
            return wanted.state
        snapshots.move(connection, name, "building", actor=BUILDER, now=given.clock())
        before = erasures.live_rows(connection, wanted.dataset)
    try:
        built, facts = _build(given, wanted)
    except Exception as error:
        # Whatever broke, nobody may be left waiting; the message of an error that is not ours is never repeated.
        return _not_built(given, name, error)
    try:
        _stand(given, wanted, built, facts, before)
    except (ErasedMeanwhile, LoadedMeanwhile) as error:
        return _not_built(given, name, error)
    return "built"


def _stand(
    given: Services, wanted: snapshots.Snapshot, built: Built, facts: dict[str, Any], before: tuple[int, datetime | None]
) -> None:
    """The snapshot is built, in state and ledger.

    Raises ErasedMeanwhile, LoadedMeanwhile where the live rows are not as they were before they were read; its files are gone.
    """
    with given.pool.connection() as connection:
        now = erasures.live_rows(connection, wanted.dataset)
        if now == before:
            envelope = json.loads((given.snapshot_folder(built.digest) / MANIFEST).read_text("utf-8"))
            snapshots.move(
                connection, wanted.id, "built", actor=BUILDER, now=given.clock(), digest=built.digest, envelope=envelope,
                facts=facts,
            )  # fmt: skip
            return
        if built.digest not in {one.digest for one in snapshots.built(connection, wanted.project)}:
            remove_files(given, built.digest)
        given.remembered_file(wanted.dataset).unlink(missing_ok=True)
    if now[0] != before[0]:
        raise ErasedMeanwhile("A person was erased while the snapshot was built; ask for it again.")
    raise LoadedMeanwhile("Other rows were loaded while the snapshot was built; ask for it again.")


def _build(given: Services, wanted: snapshots.Snapshot) -> tuple[Built, dict[str, Any]]:
    with given.pool.connection() as connection:
        dataset = datasets.get(connection, wanted.dataset)
        wrapped = wrapped_key(connection, wanted.project)
    key = given.vault.unwrap_data_key(wrapped)
    memory = given.remembered_file(dataset.id)
    with _engine(wanted.engine, given.settings.text_engine) as (scrubber, spread):
        recipe = Recipe(
            key=key, wrapped_key=wrapped, project=wanted.project, limits=Limits(**wanted.limits), scrubber=scrubber,
            bounds=Bounds.of(given.policy.engine.bundle.data["limits"].get("certificate", {})),
            remembered=Remembered.opened(key, memory.read_bytes() if memory.is_file() else None), spread=spread,
        )  # fmt: skip
        built, facts = _built(given, wanted, dataset, recipe)
    return built, facts | _remember(recipe.remembered, memory) | {"engine": wanted.engine}


@contextmanager
def _engine(named: str, text_engine: str) -> Iterator[tuple[Any, Spread]]:
    """What scrubs texts and what runs treatments. Raises SparkUnavailable."""
    if named == "local":
        yield Scrubber(engine=text_engine), whole
        return
    with Spark() as spark:
        yield SparkScrubber(spark, engine=text_engine), spark.spread


def _built(
    given: Services, wanted: snapshots.Snapshot, dataset: datasets.Dataset, recipe: Recipe
) -> tuple[Built, dict[str, Any]]:
    """The live rows were read under a lease, which is over before they are treated, and the snapshot stands."""
    work = given.home.folder("staging") / f"build-{wanted.id}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        with ExitStack() as reading:
            built = build_snapshot(
                dataset.contract, _live(given, dataset, reading), recipe, out=work / "snapshot", holdout_out=work / "holdout",
                built_at=given.clock().isoformat(), progress=reporter(given, snapshots.report_progress, wanted.id),
                done_reading=reading.close,
            )  # fmt: skip
        return built, _keep(given, wanted, built, work)
    except OSError as error:
        raise BuildFailed("The snapshot could not be written; nothing of it was kept.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _live(given: Services, dataset: datasets.Dataset, reading: ExitStack) -> PostgresSource:
    """The dataset's live tables, all as of one moment, until `reading` is closed: then the lease is over."""
    credential = given.vault.credential("snapshot-builder")
    reading.callback(given.vault.revoke_lease, credential.lease_id)
    address = make_conninfo(given.database("gateway_live", "live"), user=credential.username, password=credential.password)
    live = reading.enter_context(psycopg.connect(address))
    live.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    return PostgresSource(live, dataset.id)


def _remember(remembered: Remembered | None, memory: Path) -> dict[str, int]:
    """The next build of the dataset finds what this one made of its texts, and of no others; the counts for the ledger."""
    if remembered is None or not (remembered.used or remembered.known):
        return {}
    write_private_bytes(memory, remembered.seal())
    return {"texts_scrubbed": remembered.made, "texts_remembered": remembered.taken}


def _keep(given: Services, wanted: snapshots.Snapshot, built: Built, work: Any) -> dict[str, Any]:
    """The signed manifest is beside the files, and both are where snapshots stand; the facts for the ledger.

    Equal bytes built before stand there already, with the manifest signed then: that one counts.
    """
    envelope = sign_statement(built.statement, given.signer)
    (work / "snapshot" / MANIFEST).write_text(json.dumps(envelope), "utf-8")
    target, held = given.snapshot_folder(built.digest), given.holdout_folder(built.digest)
    if target.exists():
        envelope = _standing(given, wanted, built.digest) or envelope
    if (work / "holdout").exists() and not held.exists():
        (work / "holdout").rename(held)
    if not target.exists():
        (work / "snapshot").rename(target)
    risk = built.statement.predicate["risk"]
    return {
        "k": risk["k"], "l": risk["l"], "suppressed_rows": dict(risk["suppressed_rows"]),
        "envelope": digest(canonical_json(envelope)),
    }  # fmt: skip


def _standing(given: Services, wanted: snapshots.Snapshot, digest: str) -> dict[str, Any] | None:
    """The envelope of the snapshot of that digest which stands already; one that was damaged is set aside, as evidence of it."""
    target = given.snapshot_folder(digest)
    try:
        verify_snapshot(target, given.public_keys())
    except InvalidSnapshot:
        with given.pool.connection() as connection:
            snapshots.record_damage(connection, wanted, digest, actor=BUILDER, now=given.clock())
        target.rename(set_aside(given, digest, wanted.id))
        return None
    envelope: dict[str, Any] = json.loads((target / MANIFEST).read_text("utf-8"))
    return envelope


def _not_built(given: Services, name: str, error: Exception) -> str:
    """What the data or its contract does not allow is refused; what broke is failed."""
    state: Any = "refused" if isinstance(error, SandboxError) and not isinstance(error, BuildFailed) else "failed"
    ours = isinstance(error, SandboxError | GatewayError)
    code = str(getattr(error, "code", "")) if ours else "build_failed"
    detail = str(error) if ours else f"The build broke ({type(error).__name__}); nothing of it was kept. Ask for it again."
    with given.pool.connection() as connection:
        snapshots.move(connection, name, state, actor=BUILDER, now=given.clock(), code=code, detail=detail)
    return str(state)
