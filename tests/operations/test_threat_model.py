"""Each threat names a test that covers it, and that test exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "explanation" / "threat-model.md").read_text("utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| threat", "| ---"))]


def test_every_threat_is_covered_by_a_test_that_exists() -> None:
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.M)
    }
    named = [re.findall(r"`(test_\w+)`", row) for row in ROWS]
    assert len(ROWS) >= 15 and all(named)
    assert {name for names in named for name in names} <= defined


def test_every_door_has_its_threats_and_what_is_not_covered_is_said() -> None:
    for heading in ("Door 1", "Door 2", "Door 3", "Evidence and operation", "What we do not protect against"):
        assert f"\n## {heading}" in PAGE
