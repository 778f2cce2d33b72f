"""Evidence leaves the gateway: bundles made, archived and recorded, checkpoints signed and published, proofs given."""

from __future__ import annotations

import base64
import re
import shutil
import tarfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from psycopg import Connection

from compliance import publishing
from compliance.bundle import ExportResult, Keys, export_bundle
from compliance.entries import Entry, ObjectRef, Outcome
from compliance.errors import ComplianceError, EmptyPeriod, ExportNotFound
from compliance.gathering import Attestation
from compliance.ledger import append
from compliance.regulations import load_profile
from gateway.composition import Services
from gateway.identity import Subject
from policies.decisions import Decision

CHECKPOINTS = "checkpoints"
NAME = re.compile(r"[0-9a-f]{32}")
# Every signed statement and what it is about, by which entries refer to it.
ENVELOPES = (
    "SELECT id, envelope FROM catalog.snapshots WHERE envelope IS NOT NULL"
    " UNION ALL SELECT request, envelope FROM promotion.checks"
    " UNION ALL SELECT request, envelope FROM promotion.approvals"
    " UNION ALL SELECT request, envelope FROM promotion.waivers"
    " UNION ALL SELECT request, envelope FROM promotion.deployments"
)


def export(
    given: Services, asking: Subject, decision: Decision, *, since: datetime, until: datetime | None, profile: str
) -> dict[str, Any]:
    """The bundle of the period stands in the exports, and the ledger says so; it said before that it was to be made.

    Raises EmptyPeriod, UnknownProfile, ExportFailed.
    """
    until = min(until or given.clock(), given.clock())
    load_profile(profile)
    if since >= until:
        raise EmptyPeriod("The period ends before it begins, or lies in the future.")
    name = uuid4().hex
    period = {"since": since.isoformat(), "until": until.isoformat(), "profile": profile}
    _record(given, "audit:export-started", "done", asking, name, decision, period)
    try:
        made = _make(given, name, since=since, until=until, profile=profile)
    except ComplianceError as error:
        _record(given, "audit:export-failed", "failed", asking, name, decision, period | {"error": error.code})
        raise
    detail = period | {"entries": made.entries, "files": len(made.files), "problems": len(made.problems)}
    _record(given, "audit:exported", "done", asking, name, decision, detail, digest=made.digest)
    if not made.problems:
        publishing.publish(_checkpoints(given), made.checkpoint)
    return {"id": name, "profile": profile, "since": period["since"], "until": period["until"]} | made.as_json()


def archive(given: Services, asking: Subject, decision: Decision, name: str) -> Path:
    """The bundle as one tar file; that it was fetched, and by whom, is in the ledger. Raises ExportNotFound."""
    path = given.home.folder("exports") / f"{name}.tar"
    if not NAME.fullmatch(name) or not path.is_file():
        raise ExportNotFound("There is no such export.")
    _record(given, "audit:downloaded", "done", asking, name, decision, {"bytes": path.stat().st_size})
    return path


def checkpoint(given: Services) -> bytes:
    """A new checkpoint, signed and published. Raises LedgerRewritten."""
    with given.pool.connection() as connection:
        return publishing.new_checkpoint(connection, given.signer, _checkpoints(given))


def proofs(given: Services, *, entry: int | None, old: int | None, size: int | None) -> dict[str, Any]:
    """The inclusion proof of an entry and the consistency proof from an older size, in the tree of `size` (RFC 9162)."""
    with given.pool.connection() as connection:
        tree = publishing.ledger_tree(connection)
        size = tree.size if size is None else size
        answer: dict[str, Any] = {"size": size, "root": _text(tree.root(size)) if 0 <= size <= tree.size else None}
        try:
            if entry is not None:
                answer["inclusion"] = [_text(node) for node in tree.inclusion(entry - 1, size)]
            if old is not None:
                answer["consistency"] = [_text(node) for node in tree.consistency(old, size)]
        except ValueError as error:
            raise ExportNotFound("The ledger has no such entry or size.") from error
    return answer


def _make(given: Services, name: str, *, since: datetime, until: datetime, profile: str) -> ExportResult:
    exports = given.home.folder("exports")
    keys = Keys(given.signer, attestations=given.public_keys())
    folder = exports / name
    with given.pool.connection() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        made = export_bundle(
            connection, signer=keys, since=since, until=until, profile=profile, out=folder,
            attestations=_attestations(connection), published=publishing.published(_checkpoints(given)),
        )  # fmt: skip
    try:
        _pack(folder, exports / f"{name}.tar")
    finally:
        shutil.rmtree(folder)
    return made


def _pack(folder: Path, out: Path) -> None:
    """`out` is a tar of the folder's files that tells nothing of this machine, and is the same for the same files."""
    partial = out.with_suffix(".partial")
    with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            about = tarfile.TarInfo(path.relative_to(folder).as_posix())
            about.size, about.mode = path.stat().st_size, 0o644
            with path.open("rb") as file:
                tar.addfile(about, file)
    partial.rename(out)


def _attestations(connection: Connection[Any]) -> Iterator[Attestation]:
    for of, envelope in connection.execute(ENVELOPES).fetchall():
        yield Attestation(of, envelope)


def _checkpoints(given: Services) -> Path:
    return given.home.folder("exports") / CHECKPOINTS


def _record(
    given: Services, event: str, outcome: Outcome, asking: Subject, name: str, decision: Decision, detail: dict[str, Any], *,
    digest: str | None = None,
) -> None:  # fmt: skip
    entry = Entry(
        type=event, actor=asking.actor(), object=ObjectRef("evidence", name, digest), outcome=outcome,
        refs={"decision_id": decision.decision_id}, detail=detail, occurred_at=given.clock(),
    )  # fmt: skip
    with given.pool.connection() as connection:
        append(connection, entry)


def _text(node: bytes) -> str:
    return base64.b64encode(node).decode()
