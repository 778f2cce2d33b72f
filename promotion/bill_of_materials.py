"""A model's bill of materials: CycloneDX 1.6 in JSON, the same for the same bytes."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from promotion.tree import files_of

SPEC = "1.6"
# An application's namespace for names made of digests (RFC 9562, version 5).
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:sallyport:model")
PINNED = re.compile(r"^\s*(?:-\s+)?([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([\w.+!-]+)")


def bill_of_materials(folder: Path, *, digest: str, formats: Sequence[str]) -> dict[str, Any]:
    """The files of the model with their digests, and the packages its dependency lists pin."""
    files = files_of(folder)
    model: dict[str, Any] = {
        "type": "machine-learning-model",
        "bom-ref": digest,
        "name": "model",
        "version": digest.removeprefix("sha256:")[:12],
        "hashes": [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}],
        "properties": [{"name": "sallyport:format", "value": one} for one in sorted(formats)],
    }
    parts: list[dict[str, Any]] = [
        {
            "type": "file",
            "bom-ref": f"file:{name}",
            "name": name,
            "hashes": [{"alg": "SHA-256", "content": value.removeprefix("sha256:")}],
        }
        for name, value in sorted(files.items())
    ]
    packages: list[dict[str, Any]] = [
        {
            "type": "library",
            "bom-ref": f"pkg:pypi/{name}@{version}",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
        }
        for name, version in sorted(_packages(folder, files).items())
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC,
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, digest)}",
        "version": 1,
        "metadata": {"component": model},
        "components": [*parts, *packages],
        "dependencies": [{"ref": digest, "dependsOn": [one["bom-ref"] for one in (*parts, *packages)]}],
    }


def _packages(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """name -> version as pinned; names normalised as the index does (PEP 503)."""
    found: dict[str, str] = {}
    for name in sorted(files):
        if name.rsplit("/", 1)[-1] in ("requirements.txt", "conda.yaml", "python_env.yaml"):
            for line in (folder / name).read_text("utf-8").splitlines():
                if pinned := PINNED.match(line):
                    found.setdefault(re.sub(r"[-_.]+", "-", pinned[1]).lower(), pinned[2])
    return found
