"""What each file of a model is, by its content; whatever is not on the list of formats that cannot run code is refused."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from promotion.scan import companions, onnx_format, safetensors_format, skops_format, trees

MOST_FILES, MOST_BYTES = 2_000, 4 * 1024**3
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a model is refused: a stable code, the file, and a sentence that quotes nothing of its content."""

    code: str
    file: str
    detail: str


@dataclass(frozen=True, slots=True)
class ScanReport:
    """Accepted when nothing was found and at least one file is a model."""

    accepted: bool
    findings: tuple[Finding, ...]
    formats: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"accepted": self.accepted, "findings": [asdict(finding) for finding in self.findings]}


class Refused(Exception):
    """A format's check says why a file is not accepted."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def scan_model(path: Path) -> ScanReport:
    """The report on a file or folder. Never raises for what is in it."""
    findings: list[Finding] = []
    formats: set[str] = set()
    files = list(_files(path, findings))
    for name, file in files:
        try:
            if found := _format(name, file):
                formats.add(found)
        except Refused as refused:
            findings.append(Finding(refused.code, name, refused.detail))
        except Exception as error:
            # A parser that fails on hostile bytes is no reason to accept them, whatever it raises.
            findings.append(Finding("unreadable", name, f"The file cannot be checked ({type(error).__name__})."))
    if not formats and not findings:
        findings.append(Finding("no_model", path.name, "There is no model in a format that is accepted."))
    return ScanReport(not findings, tuple(sorted(findings, key=lambda f: (f.file, f.code))), tuple(sorted(formats)))


def _files(path: Path, findings: list[Finding]) -> Iterator[tuple[str, Path]]:
    """The plain files at or below `path`; links, special files, odd names and too much of anything are findings."""
    if path.is_symlink() or not path.exists():
        findings.append(Finding("unreadable", path.name, "There is no plain file or folder here."))
        return
    if not path.is_dir():
        yield from _one(path, path.name, findings)
        return
    size = count = 0
    for folder, folders, names in os.walk(path, followlinks=False):
        for name in sorted([*names, *(n for n in folders if Path(folder, n).is_symlink())]):
            file = Path(folder, name)
            count, size = count + 1, size + file.lstat().st_size
            if count > MOST_FILES or size > MOST_BYTES:
                findings.append(Finding("too_large", path.name, "The model has too many files or bytes."))
                return
            yield from _one(file, file.relative_to(path).as_posix(), findings)
        folders.sort()


def _one(file: Path, name: str, findings: list[Finding]) -> Iterator[tuple[str, Path]]:
    mode = file.lstat().st_mode
    if not stat.S_ISREG(mode):
        findings.append(Finding("special_file", name, "Links, devices, pipes and sockets are refused."))
    elif not name.isprintable() or len(name) > LONGEST_NAME or any(p.startswith(".") for p in name.split("/")):
        findings.append(Finding("odd_name", ascii(name), "Hidden names, control characters and very long names are refused."))
    elif file.lstat().st_nlink > 1:
        findings.append(Finding("special_file", name, "A file with several hard links is refused."))
    else:
        yield name, file


def _format(name: str, file: Path) -> str | None:
    """The model format of the file, or None for a harmless companion. Raises Refused."""
    with file.open("rb") as opened:
        head = opened.read(1 << 16)
    if problem := companions.code_inside(head):
        raise Refused(*problem)
    base = name.rsplit("/", 1)[-1].lower()
    for check in (skops_format, safetensors_format, trees, onnx_format):
        if check.looks_like(base, head):
            if problem := check.problem(file, head):
                raise Refused(*problem)
            return str(check.NAME)
    if problem := companions.problem(base, file):
        raise Refused(*problem)
    return None
