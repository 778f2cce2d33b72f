"""What stands in a Python wheel that is to come in: nothing of it is run, imported or unpacked to a disk.

Standards: Binary distribution format 1.0 (PEP 427) for names, RECORD and METADATA; PEP 639 for licences.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import stat
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from pathlib import PurePosixPath
from typing import Any

from sandbox.airlock.findings import Finding, Weight
from sandbox.airlock.hidden_code import hidden_code

NAME = re.compile(
    r"(?P<name>\w[\w.]*)-(?P<version>[\w.!+]+)(-\d\w*)?-(?P<python>[\w.]+)-(?P<abi>[\w.]+)-(?P<platform>[\w.]+)\.whl"
)
OURS = frozenset({"sandbox", "promotion", "compliance", "policies", "gateway"})
STARTUP = frozenset({"sitecustomize", "usercustomize"})
ARCHIVES = (".zip", ".whl", ".egg", ".tar", ".gz", ".bz2", ".xz", ".jar", ".7z")
COMPILED = (".so", ".pyd", ".dll", ".dylib", ".exe", ".pyc", ".a", ".o")
SIGNATURES = ("RECORD", "RECORD.jws", "RECORD.p7s")
MOST_RATIO, MOST_FILES = 200, 20_000


@dataclass(frozen=True, slots=True)
class Rules:
    """What policy data lets in: licences by their SPDX identifiers, and how much a package may unpack to."""

    licences: tuple[str, ...]
    most_unpacked_mb: int

    @classmethod
    def of(cls, given: Any) -> Rules:
        """From policy data; what it does not say lets nothing in unasked."""
        return cls(tuple(map(str, given.get("licences", ()))), int(given.get("most_unpacked_mb", 100)))


def wheel(name: str, content: bytes, rules: Rules) -> list[Finding]:
    """Everything found in the wheel, worst things first. Raises ValueError when it cannot be read."""
    match = NAME.fullmatch(PurePosixPath(name).name)
    if not match:
        return [_found(name, "wrong_name", "stop", "", "The file is not named as a wheel is.")]
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            shape = list(_shape(name, archive, rules))
            if shape:
                return shape
            parts = {one.filename: archive.read(one) for one in archive.infolist() if not one.is_dir()}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError("not a zip file that can be read") from error
    found = [*_paths(name, parts), *_record(name, parts), *_metadata(name, parts, match, rules), *_code(name, parts)]
    return sorted(dict.fromkeys(found), key=lambda one: ("stop", "judge", "note").index(one.weight))


def _shape(name: str, archive: zipfile.ZipFile, rules: Rules) -> Iterator[Finding]:
    """What the archive's own list of files gives away before any of them is unpacked."""
    listed = archive.infolist()
    unpacked, packed = sum(one.file_size for one in listed), sum(one.compress_size for one in listed)
    if len(listed) > MOST_FILES or unpacked > rules.most_unpacked_mb << 20 or unpacked > MOST_RATIO * max(packed, 10_000):
        yield _found(name, "too_large", "stop", "", "It unpacks to more than policy lets in.")
    names = [one.filename.casefold().rstrip("/") for one in listed]
    if len(set(names)) < len(names):
        yield _found(name, "doubled_name", "stop", "", "Two files in it have one name, so which one counts is open.")
    for one in listed:
        path = PurePosixPath(one.filename)
        if (
            path.is_absolute()
            or ".." in path.parts
            or "\\" in one.orig_filename
            or ":" in one.filename
            or not one.filename.isprintable()
        ):
            yield _found(name, "leads_out", "stop", "", "A file's name in it leads out of the folder it is unpacked to.")
        if stat.S_ISLNK(one.external_attr >> 16):
            yield _found(name, "link", "stop", one.filename, "It holds a link to another file.")
        if one.flag_bits & 0x1:
            yield _found(name, "encrypted", "stop", one.filename, "A file in it is encrypted and cannot be looked at.")


def _paths(name: str, parts: dict[str, bytes]) -> Iterator[Finding]:
    """What a file's place and kind alone tell of it."""
    for path in parts:
        first, last = PurePosixPath(path).parts[0], PurePosixPath(path).name
        module = first.removesuffix(".py").split(".")[0]
        if path.endswith(".pth"):
            yield _found(name, "path_file", "stop", path, "A .pth file runs code whenever Python starts.")
        elif module in STARTUP:
            yield _found(name, "startup_module", "stop", path, "This module runs whenever Python starts.")
        elif not first.endswith((".dist-info", ".data")) and (module in sys.stdlib_module_names or module in OURS):
            yield _found(name, "shadows", "stop", first, "It takes the place of a module of Python or of Sallyport.")
        elif first.endswith(".data") and PurePosixPath(path).parts[1:2] not in (("purelib",), ("platlib",)):
            yield _found(name, "outside_files", "judge", path, "It puts files outside of Python's packages (programs, data).")
        elif last.endswith(ARCHIVES):
            yield _found(name, "archive_inside", "judge", path, "An archive is packed inside, which is not looked into.")
        elif last.endswith(COMPILED) or ".so." in last:
            yield _found(name, "compiled", "judge", "", "It holds compiled code, which no check here can read.")


def _record(name: str, parts: dict[str, bytes]) -> Iterator[Finding]:
    """RECORD names every file with its hash, and no other."""
    place = next((path for path in parts if re.fullmatch(r"[^/]+\.dist-info/RECORD", path)), None)
    if place is None:
        yield _found(name, "record_mismatch", "stop", "RECORD", "The list of its files is missing.")
        return
    listed = {row[0]: row[1] for row in csv.reader(io.StringIO(parts[place].decode("utf-8"))) if len(row) == 3}
    for path, content in parts.items():
        if PurePosixPath(path).name in SIGNATURES and path.startswith(place.removesuffix("RECORD")):
            continue
        sha = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        if listed.get(path) != f"sha256={sha}":
            yield _found(name, "record_mismatch", "stop", path, "A file is not the one that the wheel's own list names.")
    if set(listed) - set(parts):
        yield _found(name, "record_mismatch", "stop", "RECORD", "The wheel's own list names files that are not there.")


def _metadata(name: str, parts: dict[str, bytes], match: re.Match[str], rules: Rules) -> Iterator[Finding]:
    """Name and version are those of the file's name, and the licence is one that policy lets in."""
    place = next((path for path in parts if re.fullmatch(r"[^/]+\.dist-info/METADATA", path)), None)
    if place is None:
        yield _found(name, "wrong_name", "stop", "METADATA", "It does not say what it is.")
        return
    said = BytesHeaderParser().parsebytes(parts[place])
    if _plain(said.get("Name", "")) != _plain(match["name"]) or said.get("Version", "").strip() != match["version"]:
        yield _found(name, "wrong_name", "stop", "METADATA", "It says another name or version of itself than its file name does.")
    if not permitted(licences(said), rules.licences):
        sentence = (
            "Its licence is not one that policy lets in unasked, or is not told; read it, with what you use it for in mind."
        )
        yield _found(name, "licence", "judge", "METADATA", sentence)


def licences(said: Any) -> str:
    """The licence as the package's metadata tells it, as an SPDX expression where it does so; empty when it does not."""
    classifiers = [one.rsplit("::", 1)[-1].strip() for one in said.get_all("Classifier", ()) if one.startswith("License ::")]
    known = [KNOWN[one] for one in classifiers if one in KNOWN]
    return str(said.get("License-Expression") or " OR ".join(known) or said.get("License") or "").strip()


# The classifiers of permissive licences, by the identifiers SPDX has for them.
KNOWN = {
    "MIT License": "MIT", "BSD License": "BSD-3-Clause", "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC", "Python Software Foundation License": "PSF-2.0", "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib", "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}  # fmt: skip


def permitted(expression: str, among: Sequence[str]) -> bool:
    """One alternative of the SPDX expression asks for nothing but licences of `among`; brackets are not taken apart."""
    if not expression or "(" in expression:
        return False
    known = {one.casefold() for one in among}
    return any(
        all(part.strip().casefold() in known for part in re.split(r"\s+and\s+", one, flags=re.I))
        for one in re.split(r"\s+or\s+", expression, flags=re.I)
    )


def _code(name: str, parts: dict[str, bytes]) -> Iterator[Finding]:
    for path, content in parts.items():
        if path.endswith(".py"):
            for code, weight, sentence in hidden_code(content):
                yield _found(name, code, weight, path, sentence)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _found(name: str, code: str, weight: Weight, where: str, sentence: str) -> Finding:
    shown = where if where.isprintable() else ""
    return Finding(code, weight, name, shown[:120], sentence)
