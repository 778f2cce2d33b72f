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

from psycopg import Connection

from compliance import publishing
from compliance.bundle import ExportResult, Keys, export_bundle
from compliance.checkpoints import ORIGIN, verifier_key
from compliance.errors import ComplianceError, EmptyPeriod, ExportNotFound
from compliance.findings import Finding, Watch
from compliance.gathering import Attestation, readable
from compliance.ledger import integrate_after_those_writing, read
from compliance.paging import Page, every_page
from compliance.redaction import load_reader
from compliance.regulations import load_profile
from compliance.supplements import Supplement, disclosures_of_person, policy_replays
from compliance.verify import fingerprint_of, public_key
from gateway.catalog import accountings, exports, policies
from gateway.composition import Services
from gateway.errors import GatewayError
from gateway.identity import Subject
from gateway.progress import reporter
from policies.decisions import Decision

CHECKPOINTS = "checkpoints"
NAME = re.compile(r"[0-9a-f]{32}")
# Every signed statement and what it is about, by which entries refer to it.
ENVELOPES = (
    "SELECT id, envelope FROM catalog.snapshots WHERE envelope IS NOT NULL"
    " UNION ALL SELECT request, envelope FROM promotion.checks"
    " UNION ALL SELECT request, envelope FROM promotion.approvals"
    " UNION ALL SELECT request, envelope FROM promotion.former_approvals"
    " UNION ALL SELECT request, envelope FROM promotion.waivers"
    " UNION ALL SELECT request, envelope FROM promotion.deployments"
    " UNION ALL SELECT id, envelope FROM catalog.review_campaigns WHERE envelope IS NOT NULL"
)


def request(
    given: Services, asking: Subject, decision: Decision, *, since: datetime, until: datetime | None, profile: str,
    accounting: str | None = None, reader: str = "regulator",
) -> exports.Export:  # fmt: skip
    """An export of the period is queued for a worker, and the ledger says that it is to be made.

    `accounting` is one of one person's disclosures that the bundle holds as well. Raises EmptyPeriod, UnknownProfile,
    UnknownReader, AccountingNotFound.
    """
    until = min(until or given.clock(), given.clock())
    load_profile(profile)
    load_reader(reader)
    if since >= until:
        raise EmptyPeriod("The period ends before it begins, or lies in the future.")
    with given.pool.connection() as connection:
        if accounting is not None:
            accountings.get(connection, accounting)
        return exports.request(
            connection, since=since, until=until, profile=profile, actor=asking.actor(), decision_id=decision.decision_id,
            now=given.clock(), accounting=accounting, reader=reader,
        )  # fmt: skip


def build(given: Services, name: str) -> str:
    """The bundle stands in the exports and the ledger says so, or the export has failed; its state.

    Safe to run again after a crash, and the same bytes come out of it.
    """
    with given.pool.connection() as connection:
        wanted = exports.get(connection, name)
        if wanted.state not in ("queued", "building"):
            return wanted.state
        exports.move(connection, name, "building", now=given.clock())
    try:
        made = _make(given, wanted)
    except Exception as error:
        # Whatever broke, nobody may be left waiting; the message of an error that is not ours is never repeated.
        return _failed(given, name, error)
    facts = {"entries": made.entries, "files": len(made.files), "problems": len(made.problems)}
    with given.pool.connection() as connection:
        exports.move(connection, name, "ready", now=given.clock(), result=made.as_json(), facts=facts)
    if not made.problems:
        publishing.publish(_checkpoints(given), made.checkpoint)
    return "ready"


def state(given: Services, name: str) -> exports.Export:
    """How far the export is. Raises ExportNotFound."""
    with given.pool.connection() as connection:
        return exports.get(connection, name)


def archive(given: Services, asking: Subject, decision: Decision, name: str) -> Path:
    """The bundle as one tar file; that it was fetched, and by whom, is in the ledger. Raises ExportNotFound."""
    path = given.home.folder("exports") / f"{name}.tar"
    if not NAME.fullmatch(name) or not path.is_file():
        raise ExportNotFound("There is no such export, or it is not ready.")
    detail = {"bytes": path.stat().st_size}
    with given.pool.connection() as connection:
        exports.record(
            connection, exports.get(connection, name), "audit:downloaded", "done", given.clock(), detail, by=asking.actor(),
            decision_id=decision.decision_id,
        )  # fmt: skip
    return path


def checkpoint(given: Services) -> bytes:
    """A new checkpoint, signed and published. Raises LedgerRewritten."""
    with given.pool.connection() as connection:
        return publishing.new_checkpoint(connection, given.signer, _checkpoints(given))


def publish_growth(given: Services) -> None:
    """What was added to the ledger since the newest checkpoint is under a new one. Raises LedgerRewritten."""
    with given.pool.connection() as connection:
        publishing.publish_growth(connection, given.signer, _checkpoints(given))


def public_keys(given: Services) -> dict[str, Any]:
    """The keys that sign the ledger's checkpoints and all evidence: the one in use and those it was rotated away from."""
    current = given.signer
    keys = given.public_keys() | {current.keyid: current.public_key_pem()}
    items = [
        {"keyid": keyid, "pem": pem, "fingerprint": fingerprint_of(public_key(pem)), "note_key": verifier_key(ORIGIN, pem)}
        for keyid, pem in sorted(keys.items())
    ]
    return {"origin": ORIGIN, "current": current.keyid, "keys": items}


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


def findings(given: Services) -> list[Finding]:
    """What somebody should look at now, found by going through the whole ledger; who approved and left is asked of the issuer."""
    watch = Watch(whole=True)
    with given.pool.connection() as connection:
        for _, raw in read(connection):
            if entry := readable(raw):
                watch.add(entry)
    present = [who for who in watch.approvers if given.access.directory(Subject(who, "person")) is not None]
    return watch.found(given.clock(), present=present)


def _make(given: Services, wanted: exports.Export) -> ExportResult:
    folder = given.home.folder("exports") / wanted.id
    shutil.rmtree(folder, ignore_errors=True)  # of a worker that was killed
    keys = Keys(given.signer, attestations=given.public_keys())
    with given.pool.connection() as connection:
        integrate_after_those_writing(connection)  # their entries may be of the period
    with given.pool.connection() as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        made = export_bundle(
            connection, signer=keys, since=wanted.since, until=wanted.until, profile=wanted.profile, out=folder,
            attestations=_attestations(connection), published=publishing.published(_checkpoints(given)),
            supplements=_supplements(connection, wanted), reader=wanted.reader,
            progress=reporter(given, exports.report_progress, wanted.id),
        )  # fmt: skip
    try:
        _pack(folder, folder.with_suffix(".tar"))
    finally:
        shutil.rmtree(folder)
    return made


def _supplements(connection: Connection[Any], wanted: exports.Export) -> list[Supplement]:
    """What the bundle holds beside what is made of its entries: of the period alone, so that it is the same each time."""

    def changes(page: Page) -> list[policies.Change]:
        return policies.changes(connection, since=wanted.since, until=wanted.until, page=page)

    changed = list(every_page(changes, "loaded_at"))
    replayed = [one.as_json() for one in reversed(changed) if one.replayed_at and one.replayed_at < wanted.until]
    made = [policy_replays(replayed)]
    if wanted.accounting is not None:
        made.append(disclosures_of_person(accountings.get(connection, wanted.accounting).as_json()))
    return made


def _failed(given: Services, name: str, error: Exception) -> str:
    ours = isinstance(error, ComplianceError | GatewayError)
    code = str(getattr(error, "code", "")) if ours else "export_failed"
    detail = str(error) if ours else f"The export broke ({type(error).__name__}); nothing of it was kept. Ask for it again."
    with given.pool.connection() as connection:
        exports.move(connection, name, "failed", now=given.clock(), code=code, detail=detail, facts={"error": code})
    return "failed"


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


def _text(node: bytes) -> str:
    return base64.b64encode(node).decode()
