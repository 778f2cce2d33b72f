"""Every shell command in the README and the docs is run, in the order of its page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHELL = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
# Set-up that this very run has done, a stop that would take the stack from the other tests, and the two commands themselves.
LEFT_OUT = re.compile(r"^(make \w+.*|export PATH=.*|sallyport (up|down|demo)\b.*)$", re.MULTILINE)
PAGES = [p.relative_to(ROOT).as_posix() for p in sorted((ROOT / "docs").rglob("*.md")) if SHELL.search(p.read_text("utf-8"))]


def test_there_are_pages_with_commands() -> None:
    assert "docs/tutorial.md" in PAGES


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page_work_in_their_order(page: str, stack_home: Path, tmp_path: Path) -> None:
    for name in ("sandbox", "gateway"):  # pages name files of the checkout
        (tmp_path / name).symlink_to(ROOT / name)
    script = "set -euo pipefail\n" + LEFT_OUT.sub("", "\n".join(SHELL.findall((ROOT / page).read_text("utf-8"))))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env={**os.environ, "SALLYPORT_HOME": str(stack_home), "PATH": path},
        capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
