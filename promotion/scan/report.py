"""What the scan says: accepted or refused, and why."""

from __future__ import annotations

import mmap
from dataclasses import asdict, dataclass
from typing import Any

Data = bytes | mmap.mmap


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


def refused(code: str, file: str, detail: str) -> ScanReport:
    """A report with one finding."""
    return ScanReport(False, (Finding(code, file, detail),))


class Refused(Exception):
    """A format's check says why a file is not accepted."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def require(good: bool, code: str, detail: str) -> None:
    """Raises Refused unless `good`."""
    if not good:
        raise Refused(code, detail)
