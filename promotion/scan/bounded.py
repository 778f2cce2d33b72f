"""The scan, in a process of its own with limits: hostile bytes may exhaust or crash a parser, and the answer is still no."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

from promotion.scan.report import Finding, ScanReport, refused
from promotion.scan.scanner import printable

SECONDS, MEMORY_BYTES = 300, 8 * 1024**3
ROOT = Path(__file__).resolve().parents[2]
# The scanned folder is never on the path for imports, wherever the command was started.
PROGRAM = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); runpy.run_module('promotion.scan.child', run_name='__main__')"


def scan_model(path: Path, *, seconds: float = SECONDS) -> ScanReport:
    """The report on a file or folder. Never raises for what is in it, and ends within `seconds`."""
    command = [sys.executable, "-I", "-c", PROGRAM, str(ROOT), os.fsencode(path.absolute()).hex()]
    try:
        ended = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False, cwd="/",
            env={"LANG": "C.UTF-8"}, preexec_fn=_limit,
        )  # fmt: skip
        answer = json.loads(ended.stdout) if ended.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        answer = None
    if answer is None:
        return refused("too_costly", printable(path.name), "The model could not be checked within the limits of time and memory.")
    findings = tuple(Finding(**one) for one in answer["findings"])
    return ScanReport(not findings, findings, tuple(answer["formats"]))


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
