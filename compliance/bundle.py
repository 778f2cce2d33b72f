"""The evidence bundle: a period of the ledger with everything an auditor needs to check it alone, in one signed folder.

The same period gives the same bytes: nothing in a bundle tells when or by whom it was made (the ledger does).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from psycopg import Connection

from compliance import verify
from compliance.attestations import Signer, Statement, Subject, sign_statement
from compliance.board import board_report
from compliance.canonical import canonical_json, digest, digest_file
from compliance.checkpoints import ORIGIN, note_text, sign_checkpoint, size_of
from compliance.controls import ControlMatrix
from compliance.crate import METADATA, crate
from compliance.entries import rfc3339
from compliance.errors import ExportFailed
from compliance.extent import Extent, find_extent, leaf_hashes
from compliance.findings import Finding, Watch
from compliance.gathering import Attestation, Gathered, earlier_entries, gather
from compliance.merkle import Tree
from compliance.oscal import assessment_results
from compliance.pages import report_page
from compliance.publishing import thinned
from compliance.redaction import Redaction, load_reader
from compliance.regulations import Profile, load_profile
from compliance.reports import REPORTS
from compliance.standard_pack import empty_sentence, sections, verifier_section
from compliance.supplements import Supplement
from compliance.typeset import report_pdf

PREDICATE_TYPE = "urn:sallyport:evidence-bundle:v1"
CLOCK = "the system clock of the database's machine, in UTC; Sallyport does not discipline it"
README = """This folder is evidence from Sallyport's ledger: what is in it is listed in manifest.json.

Check it without us:  python verify.py .        (Python 3.11 and the package 'cryptography')
Compare the fingerprint it prints with one you got from the organisation another way.

entries.jsonl        the ledger's entries of the period, one JSON document a line, exactly the bytes that were hashed;
                     of one that is withheld from this reader its hash, and the rule (completeness.json says how many and why)
before.json, after.json  the entries next to the period, which show that nothing of it was left out
checkpoint.txt       the signed size and root of the ledger (C2SP tlog-checkpoint); proof.json leads from the entries to it
checkpoints.jsonl    checkpoints published earlier, each with its consistency proof (RFC 9162)
completeness.json    what the bundle claims to hold
attestations/        signed statements (in-toto, DSSE) the entries rest on: snapshots, checks, approvals, deployments
controls/            what each clause of the regulation asks for, and the entries that show it
report.pdf           what was found, for those who decide (tagged, PDF/UA-1); report.html the same as a page
reports/             every table whole, as CSV, JSON Lines and Parquet
controls/oscal-assessment-results.json, ro-crate-metadata.json  the same for programs (NIST OSCAL, RO-Crate)
keys.json            the public keys; manifest.dsse.json is the signature over the manifest
"""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Keys:
    """Who signs and signed: `signer` now; `attestations` keyid -> PEM; `witnesses` name -> PEM; the ledger's name `origin`."""

    signer: Signer
    attestations: Mapping[str, str] = field(default_factory=dict)
    witnesses: Mapping[str, str] = field(default_factory=dict)
    origin: str = ORIGIN

    def as_json(self) -> dict[str, Any]:
        log = {"keyid": self.signer.keyid, "pem": self.signer.public_key_pem()}
        attestations = {log["keyid"]: log["pem"], **self.attestations}
        return {"origin": self.origin, "log": log, "attestations": attestations, "witnesses": dict(self.witnesses)}


@dataclass(frozen=True, slots=True)
class ExportResult:
    """A bundle that was made: its folder, its manifest's digest, its checkpoint, and what its own verifier says of it."""

    path: Path
    digest: str
    entries: int
    files: tuple[str, ...]
    checkpoint: bytes
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "digest": self.digest, "entries": self.entries, "files": list(self.files), "ok": not self.problems,
            "problems": list(self.problems), "checkpoint": self.checkpoint.decode(),
        }  # fmt: skip


def export_bundle(
    connection: Connection[Any], *, signer: Signer | Keys, since: datetime, until: datetime, profile: str, out: Path,
    attestations: Iterable[Attestation] = (), published: Iterable[bytes] = (), supplements: Sequence[Supplement] = (),
    reader: str = "regulator", progress: Progress = lambda *_: None,
) -> ExportResult:  # fmt: skip
    """`out`, which did not exist, is the signed bundle of the entries recorded in [since, until), checked by its own verifier.

    `published` are checkpoints published earlier; one that does not agree with the ledger now is in the bundle all the same,
    where the verifier names it. What the `reader` may not see is withheld. Raises UnknownProfile, UnknownReader, and
    ExportFailed when nothing could be written (nothing is left then).
    """
    if out.exists():
        raise ExportFailed(f"{out} exists already.")
    keys, earlier = signer if isinstance(signer, Keys) else Keys(signer), list(published)
    matrix = ControlMatrix(load_profile(profile))
    partial = out.with_name(f".{out.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700, parents=True)
        extent = find_extent(connection, since, until, [size_of(note) for note in earlier])
        period, watch = (rfc3339(since), rfc3339(until)), Watch(whole=extent.first == 1)
        redaction = Redaction.of(connection, load_reader(reader), extent.size)
        gathered = gather(
            connection, extent, period, partial, attestations=attestations, matrix=matrix, watch=watch, redaction=redaction,
            progress=progress,
        )  # fmt: skip
        beside = _write_beside(partial, redaction, supplements)
        matrix.look_back(earlier_entries(connection, extent, matrix.partners))
        rows, findings = matrix.write(partial / "controls"), redaction.findings(watch.found(until))
        progress("prove", 0, extent.size)
        checkpoint = _prove(connection, extent, partial, keys, earlier)
        stated = _completeness(extent, gathered, period, matrix.profile) | redaction.as_json()
        judged = Judged(matrix.profile, stated, rows, findings, beside)
        files, found = _conclude(partial, judged, gathered, keys, progress)
        partial.rename(out)
    except OSError as error:
        raise ExportFailed(f"The bundle could not be written ({error.strerror}).") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    problems = tuple(problem.sentence for problem in found.problems)
    return ExportResult(out, digest_file(out / verify.MANIFEST), extent.entries, files, checkpoint, problems)


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of a period under a profile."""

    profile: Profile
    stated: Mapping[str, Any]
    rows: list[dict[str, Any]]
    findings: list[Finding]
    supplements: Sequence[Supplement]


def _write_beside(folder: Path, redaction: Redaction, supplements: Sequence[Supplement]) -> list[Supplement]:
    """The supplements stand in the bundle's reports, as its reader may see them."""
    hidden = redaction.reader.codes_only
    beside = [replace(one, rows=redaction.rows(one.rows)) for one in supplements if not hidden]
    for one in beside:
        one.write(folder / "reports")
    return beside


def _conclude(
    folder: Path, judged: Judged, gathered: Gathered, keys: Keys, progress: Progress
) -> tuple[tuple[str, ...], verify.Verification]:  # fmt: skip
    """The statements and the report for people are in the bundle, which is sealed; its files, and what its verifier found."""
    _write(folder / "controls" / "findings.json", [finding.as_json() for finding in judged.findings])
    _write(folder / verify.COMPLETENESS, judged.stated)
    results = assessment_results(judged.profile, judged.stated, judged.rows)
    _write(folder / "controls" / "oscal-assessment-results.json", results)
    files = _seal(folder, keys, gathered)
    progress("verify", 0, len(files))
    said = list(verify.sentences(verify.verify_bundle(folder)))
    _write_report(folder, judged, gathered, said, keys)
    _write(folder / METADATA, crate(folder, _signed_files(folder), judged.profile, judged.stated))
    files = _seal(folder, keys, gathered)
    progress("verify", len(files), len(files))
    return files, verify.verify_bundle(folder)


def _write_report(folder: Path, judged: Judged, gathered: Gathered, said: list[str], keys: Keys) -> None:
    """The report for people stands in `folder`: as a page, and as a PDF for those who decide."""
    about = (judged.profile, judged.stated, judged.rows, judged.findings)
    pack = sections(
        {report.name: report for report in REPORTS},
        gathered.first,
        gathered.rows,
        judged.supplements,
        empty_sentence(judged.stated),
    )
    closing = verifier_section(len(pack) + 3, said)
    (folder / "report.html").write_text(report_page(*about, pack, closing), "utf-8")
    fingerprint = verify.fingerprint_of(verify.public_key(keys.signer.public_key_pem()))
    board = board_report(*about, first=gathered.first, said=said, fingerprint=fingerprint, supplements=judged.supplements)
    (folder / "report.pdf").write_bytes(report_pdf(board))


def _prove(connection: Connection[Any], extent: Extent, folder: Path, keys: Keys, published: list[bytes]) -> bytes:
    """The checkpoint, the proof that leads to it, and earlier checkpoints with theirs stand in `folder`."""
    tree = Tree(extent.size, lambda first, end: leaf_hashes(connection, first, end))
    text = note_text(keys.origin, extent.size, tree.root())
    same = [note for note in published if note.startswith(text + b"\n")]
    checkpoint = same[-1] if same else sign_checkpoint(extent.size, tree.root(), keys.signer, origin=keys.origin)
    around = [node.hex() for node in tree.around(extent.proof_first, extent.proof_end)]
    _write(
        folder / verify.PROOF,
        {"first": extent.proof_first, "end": extent.proof_end, "size": extent.size, "hashes": around},
    )
    (folder / verify.CHECKPOINT).write_bytes(checkpoint)
    with (folder / verify.EARLIER).open("xb") as file:
        for note in thinned(published, extent.size):
            size = size_of(note)
            if note not in same and not extent.size < size <= extent.head:  # one beyond the head shows what was cut off
                proof = [node.hex() for node in tree.consistency(size)] if 0 < size <= extent.size else []
                file.write(canonical_json({"checkpoint": note.decode(), "consistency": proof}) + b"\n")
    return checkpoint


def _completeness(extent: Extent, gathered: Gathered, period: tuple[str, str], profile: Profile) -> dict[str, Any]:
    """What the bundle claims to hold; the verifier finds each claim again in the entries."""
    inside = {"first": extent.first, "last": extent.last, "entries": extent.entries} if extent.entries else None
    return {
        "period": {"since": period[0], "until": period[1], "by": "recorded_at, from since, before until"},
        "profile": {"id": profile.id, "version": profile.version},
        "range": inside,
        "ledger_size": extent.size,
        "reaches_the_end_of_the_ledger": extent.after is None,
        "last_hash": gathered.last_hash,
        "sources": gathered.sources,
        "recorded": gathered.recorded,
        "clock": CLOCK,
        "clock_steps_back": gathered.clock_steps_back,
        "outside_the_period": gathered.outside,
        "report_rows": gathered.rows,
        "events": gathered.events,
        "denied": gathered.denied,
        "people": len(gathered.actors),
        "activity": gathered.days,
    }


def _seal(folder: Path, keys: Keys, gathered: Gathered) -> tuple[str, ...]:
    """Keys, verifier and manifest stand in `folder`, and the manifest of all files is signed; their names."""
    _write(folder / verify.KEYS, keys.as_json())
    (folder / "verify.py").write_bytes((resources.files("compliance") / "verify.py").read_bytes())
    (folder / "README.txt").write_text(README, "utf-8")
    names = _signed_files(folder)
    subjects = tuple(Subject(name, digest_file(folder / name)) for name in names)
    statement = Statement(subjects, PREDICATE_TYPE, {"format": 1, "origin": keys.origin, "last_hash": gathered.last_hash})
    envelope = sign_statement(statement, keys.signer)
    (folder / verify.MANIFEST).write_bytes(canonical_json(statement.as_json()))
    (folder / verify.ENVELOPE).write_bytes(canonical_json(envelope))
    return (*names, verify.MANIFEST, verify.ENVELOPE)


def _signed_files(folder: Path) -> list[str]:
    """The files that the manifest lists: all but itself and its signature."""
    every = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in every if name not in (verify.MANIFEST, verify.ENVELOPE))


def _write(path: Path, value: Any) -> str:
    """`path` holds the canonical JSON of `value`; its digest."""
    data = canonical_json(value)
    path.write_bytes(data)
    return digest(data)
