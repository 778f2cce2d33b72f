"""A snapshot's manifest: the signed statement about the bytes of its files, and the digest that names it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from compliance.attestations import Statement, verify_envelope
from compliance.canonical import canonical_json, digest, digest_file
from compliance.errors import UntrustedAttestation
from sandbox.errors import InvalidSnapshot

PREDICATE_TYPE = "urn:sallyport:snapshot:v1"
MANIFEST = "manifest.dsse.json"


def verify_snapshot(folder: Path, public_keys: Mapping[str, str]) -> Statement:
    """The signed statement of the snapshot in `folder`, whose files are exactly those it names. Raises InvalidSnapshot."""
    statement = signed_statement(folder, public_keys)
    if files_of(folder) != {subject.name: subject.digest for subject in statement.subjects}:
        raise InvalidSnapshot("The snapshot's files are not those its manifest names.")
    return statement


def signed_statement(folder: Path, public_keys: Mapping[str, str]) -> Statement:
    """What a trusted key signed, whatever the files are. Raises InvalidSnapshot."""
    try:
        return verify_envelope(json.loads((folder / MANIFEST).read_text("utf-8")), public_keys)
    except (OSError, ValueError, UntrustedAttestation) as error:
        raise InvalidSnapshot("The snapshot has no manifest that a trusted key signed.") from error


def signers(folder: Path) -> list[str]:
    """The keys that the manifest says signed it. Raises InvalidSnapshot."""
    try:
        envelope = json.loads((folder / MANIFEST).read_text("utf-8"))
        return [str(signature["keyid"]) for signature in envelope["signatures"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidSnapshot("The folder holds no snapshot's manifest.") from error


def files_of(folder: Path) -> dict[str, str]:
    """File name -> digest, of all that is in `folder` beside the manifest."""
    files = {p.relative_to(folder).as_posix(): digest_file(p) for p in folder.rglob("*") if p.is_file()}
    files.pop(MANIFEST, None)
    return files


def table_of(file: str) -> str:
    """The table whose rows are in the snapshot's file of that name."""
    return file.removesuffix(".parquet").rpartition("-")[0]


def snapshot_digest(statement: Statement) -> str:
    """The digest that names the snapshot: over the names and digests of its files."""
    return digest(canonical_json({subject.name: subject.digest for subject in statement.subjects}))
