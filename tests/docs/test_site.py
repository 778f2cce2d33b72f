"""The pages make a site: every link between them leads somewhere, and none is fetched from another place."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_site_is_built_without_a_broken_link_and_needs_no_other_server(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 30
    fetched = re.compile(r'<(?:script|img|link)[^>]+(?:src|href)="(https?:)?//')
    assert not [page.name for page in pages if fetched.search(page.read_text("utf-8"))]


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("[gone](nowhere.md)\n", "utf-8")
    settings = (ROOT / "mkdocs.yml").read_text("utf-8").replace("site_dir: dist/docs", f"site_dir: {tmp_path}/site")
    (tmp_path / "mkdocs.yml").write_text(settings, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode != 0 and "nowhere.md" in done.stderr
