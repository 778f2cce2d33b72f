"""What each file of a model is, by its content; whatever is not on the list of formats that cannot run code is refused."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from promotion.scan import (
    catboost_format,
    catboost_json,
    companions,
    lightgbm_format,
    onnx_format,
    safetensors_format,
    skops_format,
    xgboost_format,
)
from promotion.scan.report import Data, Finding, Refused, ScanReport, require
from promotion.scan.strict import parse_json
from promotion.scan.zips import ends_with_zip

MOST_FILES, MOST_BYTES = 2_000, 4 * 1024**3
LONGEST_NAME, MOST_FOLDERS = 200, 20
MOST_FINDINGS = 200
ANY_NAME = ("", ".bin", ".model")  # endings under which any format may go
BINARY = (skops_format, safetensors_format, catboost_format, lightgbm_format, xgboost_format, onnx_format)


def scan_here(path: Path) -> ScanReport:
    """The report on a file or folder, made in this process. Never raises for what is in it."""
    findings: list[Finding] = []
    formats: set[str] = set()
    for name, file in _files(path, findings):
        try:
            if found := _format(name, file):
                formats.add(found)
        except Refused as refused:
            findings.append(Finding(refused.code, name, refused.detail))
        except Exception as error:
            # A parser that fails on hostile bytes is no reason to accept them, whatever it raises.
            findings.append(Finding("unreadable", name, f"The file cannot be checked ({type(error).__name__})."))
        if len(findings) >= MOST_FINDINGS:
            break
    if not formats and not findings:
        findings.append(Finding("no_model", printable(path.name), "There is no model in a format that is accepted."))
    return ScanReport(not findings, tuple(sorted(findings, key=lambda f: (f.file, f.code))), tuple(sorted(formats)))


def printable(name: str) -> str:
    """A file's name as any terminal and JSON can show it."""
    return name if name.isprintable() and len(name) <= LONGEST_NAME else ascii(name[:LONGEST_NAME])


def _files(path: Path, findings: list[Finding]) -> Iterator[tuple[str, Path]]:
    """The plain files at or below `path`; links, special files, odd names and too much of anything are findings."""
    if path.is_symlink() or not path.exists():
        findings.append(Finding("unreadable", printable(path.name), "There is no plain file or folder here."))
        return
    if not path.is_dir():
        yield from _one(path, path.name, findings)
        return
    size = count = 0

    def unreadable(error: OSError) -> None:
        findings.append(Finding("unreadable", printable(Path(error.filename or path).name), "A folder cannot be read."))

    for folder, folders, names in os.walk(path, followlinks=False, onerror=unreadable):
        for name in sorted([*names, *(n for n in folders if Path(folder, n).is_symlink())]):
            file = Path(folder, name)
            count, size = count + 1, size + file.lstat().st_size
            if count > MOST_FILES or size > MOST_BYTES:
                findings.append(Finding("too_large", printable(path.name), "The model has too many files or bytes."))
                return
            yield from _one(file, file.relative_to(path).as_posix(), findings)
        folders.sort()


def _one(file: Path, name: str, findings: list[Finding]) -> Iterator[tuple[str, Path]]:
    found = file.lstat()
    parts = name.split("/")
    hidden = any(part.startswith(".") and part not in companions.HIDDEN_NAMES for part in parts)
    if not stat.S_ISREG(found.st_mode):
        findings.append(Finding("special_file", printable(name), "Links, devices, pipes and sockets are refused."))
    elif not name.isprintable() or len(name) > LONGEST_NAME or len(parts) > MOST_FOLDERS or hidden or "\\" in name:
        findings.append(Finding("odd_name", printable(name), "Hidden names, control characters and very long names are refused."))
    elif found.st_nlink > 1:
        findings.append(Finding("special_file", name, "A file with several hard links is refused."))
    elif found.st_mode & (stat.S_ISUID | stat.S_ISGID):
        findings.append(Finding("executable", name, "A file that runs as another user is refused."))
    else:
        yield name, file


def _format(name: str, file: Path) -> str | None:
    """The model format of the file, or None for a harmless companion. Raises Refused."""
    handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb"):
        found = os.fstat(handle)
        require(stat.S_ISREG(found.st_mode), "special_file", "Links, devices, pipes and sockets are refused.")
        require(found.st_size <= MOST_BYTES, "too_large", "The model has too many files or bytes.")
        if not found.st_size:
            return identify(name, b"")
        with mmap.mmap(handle, 0, access=mmap.ACCESS_READ) as data:
            return identify(name, data)


def identify(name: str, data: Data) -> str | None:
    """The format of these bytes under that name, checked whole; None for a companion. Raises Refused."""
    base = name.rsplit("/", 1)[-1].lower()
    companions.require_no_code(base, data)
    for one in BINARY:
        if one.looks_like(base, data):
            one.require_good(data)
            return _named(base, data, one.NAME, one.ENDINGS)
    if json_model := _json_model(data):
        kind, require_good, endings = json_model
        require_good(data)
        return _named(base, data, kind, endings)
    companions.require_companion(base, data)
    require(not ends_with_zip(data), "polyglot", "The file is an archive as well.")
    return None


def _named(base: str, data: Data, kind: str, endings: tuple[str, ...]) -> str:
    """`kind`, when the file's name does not say something else and it is no archive as well. Raises Refused."""
    require(kind == skops_format.NAME or not ends_with_zip(data), "polyglot", "The file is an archive as well.")
    ending = Path(base).suffix
    require(ending in ANY_NAME or ending in endings, "name_refused", "The file's name says another format than its content.")
    return kind


def _json_model(data: Data) -> tuple[str, Callable[[Data], None], tuple[str, ...]] | None:
    head = bytes(data[:4096]).lstrip(b" \t\r\n")
    if not head.startswith(b"{") or len(data) > xgboost_format.LARGEST_BYTES:
        return None
    if not any(word in (data if isinstance(data, bytes) else data[:]) for word in (b'"learner"', b'"features_info"')):
        return None
    value = parse_json(data, xgboost_format.LARGEST_BYTES)
    if isinstance(value, dict) and isinstance(value.get("learner"), dict):
        return "xgboost", lambda _: xgboost_format.require_model(value), xgboost_format.ENDINGS
    if catboost_json.is_model(value):
        return "catboost", lambda _: catboost_json.require_model(value), catboost_format.ENDINGS
    return None
