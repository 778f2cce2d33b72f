"""`python -m gateway.operations.bill`: Sallyport's software bill of materials (CycloneDX 1.6), from the lock and its packages."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

PINNED = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[^\]]*\])?==([^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
CLASSIFIER = "License :: "
LONGEST_NAME = 120


def components(lock: str) -> Iterator[dict[str, Any]]:
    """Each pinned package with its digests and, where it is installed here, its licence."""
    for block in re.split(r"\n(?=\S)", lock):
        if match := PINNED.match(block):
            name, version = match[1], match[2]
            yield {
                "type": "library", "name": name, "version": version, "bom-ref": f"pkg:pypi/{name}@{version}",
                "purl": f"pkg:pypi/{name}@{version}",
                "licenses": [{"license": {"name": licence}} for licence in licences(name)],
                # Each file a package is published as has a digest of its own.
                "properties": [{"name": "sallyport:lock:sha256", "value": digest} for digest in HASH.findall(block)],
            }  # fmt: skip


def licences(name: str) -> list[str]:
    """What the installed package says its licence is: an SPDX expression, else its classifiers, else its first line of text."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return []
    if expression := about.get_all("License-Expression"):
        return [str(expression[0])]
    classified = [c.rpartition(" :: ")[2] for c in about.get_all("Classifier") or () if c.startswith(CLASSIFIER)]
    if named := [one for one in classified if one != "OSI Approved"]:
        return sorted(named)
    first = str((about.get_all("License") or [""])[0]).strip().partition("\n")[0][:LONGEST_NAME]
    return [first] if first else []


def bill(lock: str) -> dict[str, Any]:
    """The document; the same lock and packages give the same one."""
    version = metadata.version("sallyport")
    return {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "metadata": {"component": {
            "type": "application", "name": "sallyport", "version": version, "bom-ref": "sallyport",
            "licenses": [{"license": {"id": "Apache-2.0"}}],
        }},
        "components": list(components(lock)),
    }  # fmt: skip


def main() -> None:
    """Writes the bill of the lock in the working folder to standard output."""
    json.dump(bill(Path("requirements.lock").read_text("utf-8")), sys.stdout, indent=2, sort_keys=True)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
