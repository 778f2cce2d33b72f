"""Runs the measurements named on the command line, or all of them, one after another."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import benchmarks


def names() -> list[str]:
    """Every module of this package that measures something: those with a `main`."""
    files = sorted(Path(benchmarks.__path__[0]).glob("*.py"))
    return [file.stem for file in files if file.stem != "__main__" and "\ndef main(" in file.read_text("utf-8")]


def main(wanted: list[str]) -> int:
    failed = []
    for name in wanted or names():
        started = time.monotonic()
        print(f"== {name}", file=sys.stderr)
        # A process of its own, so that one measurement's memory and imports are not another's.
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode:
            failed.append(name)
        print(f"== {name} took {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
