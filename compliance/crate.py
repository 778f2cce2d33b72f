"""The bundle as an RO-Crate (1.2) that leans on the Five Safes: what each file is, who did what, and which safeguard it shows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from compliance.regulations import Profile

METADATA = "ro-crate-metadata.json"
CONTEXT, SPECIFICATION, FIVE_SAFES = (
    "https://w3id.org/ro/crate/1.2/context", "https://w3id.org/ro/crate/1.2", "https://w3id.org/5s-crate/0.4",
)  # fmt: skip
MEDIA_TYPES = {
    "csv": "text/csv", "html": "text/html", "json": "application/json", "jsonl": "application/jsonl",
    "pdf": "application/pdf", "parquet": "application/vnd.apache.parquet", "py": "text/x-python", "txt": "text/plain",
}  # fmt: skip
# Safe projects, people, settings, data and outputs: the tables of the bundle that show each.
SAFES = {
    "Safe projects": ("access-ledger", "live-grants"),
    "Safe people": ("approvals", "people-and-objects", "access-reviews"),
    "Safe settings": ("denied", "policy-changes", "exceptions", "promotions"),
    "Safe data": ("snapshots", "live-grants-and-leases"),
    "Safe outputs": ("egress", "evidence"),
}


def crate(folder: Path, names: Iterable[str], profile: Profile, completeness: Mapping[str, Any]) -> dict[str, Any]:
    """The metadata document for the files `names` of the bundle in `folder`."""
    names, period = sorted(names), completeness["period"]
    root = {
        "@id": "./", "@type": "Dataset", "name": f"Evidence for {profile.title}",
        "description": f"Entries of Sallyport's ledger recorded from {period['since']} until before {period['until']}.",
        "datePublished": period["until"], "temporalCoverage": f"{period['since']}/{period['until']}",
        "license": {"@id": "#terms"}, "isBasedOn": {"@id": FIVE_SAFES},
        "hasPart": [{"@id": name} for name in names], "mentions": [{"@id": _slug(safe)} for safe in SAFES],
        "about": {"@id": "#profile"},
    }  # fmt: skip
    return {"@context": CONTEXT, "@graph": [
        {"@id": METADATA, "@type": "CreativeWork", "about": {"@id": "./"}, "conformsTo": {"@id": SPECIFICATION}},
        root,
        {"@id": FIVE_SAFES, "@type": "CreativeWork", "name": "Five Safes RO-Crate profile"},
        {"@id": "#terms", "@type": "CreativeWork", "name": "For those whom the organisation gives this evidence to."},
        {
            "@id": "#profile", "@type": "Legislation", "name": profile.title, "identifier": profile.source,
            "version": profile.version, "legislationDateVersion": profile.effective,
        },
        *(_safe(safe, reports, names) for safe, reports in SAFES.items()),
        *(_file(folder, name) for name in names),
    ]}  # fmt: skip


def _safe(safe: str, reports: tuple[str, ...], names: list[str]) -> dict[str, Any]:
    shown = [{"@id": name} for name in names if name.startswith("reports/") and Path(name).stem in reports]
    return {"@id": _slug(safe), "@type": "AssessAction", "name": safe, "actionStatus": "CompletedActionStatus", "result": shown}


def _file(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    kind = MEDIA_TYPES.get(path.suffix.removeprefix("."), "application/octet-stream")
    return {
        "@id": name, "@type": "File", "name": name, "encodingFormat": kind, "contentSize": str(path.stat().st_size),
        "sha256": digest,
    }  # fmt: skip


def _slug(text: str) -> str:
    return "#" + text.lower().replace(" ", "-")
