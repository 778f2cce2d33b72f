"""Programs written in Go that tests need: found on PATH, or built once from their modules into a cache outside the repository."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock, Timeout

# Below the time a test may take: a build that hangs without a network must end in a skip.
SECONDS_TO_BUILD = 280


def find_or_build(name: str, package: str, version: str) -> Path | None:
    """The program `name`, or None where it is neither installed nor can be built; Go verifies the modules' checksums."""
    found = shutil.which(name) or _built(name, package, version)
    return Path(found) if found else None


def _built(name: str, package: str, version: str) -> str | None:
    """Built by Go unless it was already; other test runs wait for the one that builds."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sallyport" / f"{name}-{version}"
    program = cache / name
    go = shutil.which("go")
    if program.exists() or go is None:
        return str(program) if program.exists() else None
    cache.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(Timeout, subprocess.TimeoutExpired), FileLock(cache / "lock", timeout=SECONDS_TO_BUILD):
        if not program.exists():
            _build(go, cache, program, f"{package}@v{version}")
    return str(program) if program.exists() else None


def _build(go: str, cache: Path, program: Path, module: str) -> None:
    environment = os.environ | {"GOBIN": str(cache / "new"), "GOFLAGS": "-mod=mod -buildvcs=false", "CGO_ENABLED": "0"}
    command = [go, "install", "-trimpath", module]
    done = subprocess.run(command, env=environment, cwd=cache, capture_output=True, timeout=SECONDS_TO_BUILD, check=False)
    if done.returncode == 0:
        (cache / "new" / program.name).rename(program)
